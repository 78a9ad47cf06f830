package rotation_test

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/steplog/steplog/rotation"
)

// within waits for the goroutines of a File.
func within(t *testing.T, what string, done func() bool) {
	t.Helper()
	require.Eventually(t, done, 2*time.Minute, 5*time.Millisecond, what)
}

// list returns the names in a folder of log files.
func list(t *testing.T, d *rotation.Folder) []string {
	t.Helper()
	infos, err := d.List()
	require.NoError(t, err)
	var names []string
	for _, i := range infos {
		names = append(names, i.Name)
	}
	return names
}

func TestFilesCanBeListedViewedDownloadedAndDeleted(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "logs")
	at := day
	f, err := rotation.Open(filepath.Join(dir, "user.log"), &rotation.Options{
		Rule: rotation.Rule{MaxBytes: 20_000}, Clock: func() time.Time { return at },
	})
	require.NoError(t, err)
	lines := numbered(0, 500)
	write(t, f, lines...)
	d, err := rotation.OpenFolder(dir)
	require.NoError(t, err)
	defer d.Close()
	within(t, "all closed files are compressed", func() bool {
		names := list(t, d)
		return strings.Count(strings.Join(names, " "), ".gz") == len(names)-1
	})
	infos, err := d.List()
	require.NoError(t, err)
	require.Greater(t, len(infos), 2)
	compressed, active := infos[0], infos[len(infos)-1]
	inFirst := splitLines(readFile(t, d, compressed.Name))

	t.Run("R5.3 library: files are listed with log, size, times and whether they are active and compressed", func(t *testing.T) {
		stat, err := os.Stat(filepath.Join(dir, compressed.Name))
		require.NoError(t, err)
		require.Equal(t, rotation.Info{Name: closedAt("user", day) + ".gz", Log: "user", Bytes: stat.Size(), First: day,
			Last: day.Add(time.Duration(len(inFirst)-1) * time.Second), Compressed: true}, compressed)
		require.Equal(t, "user.log", active.Name)
		require.True(t, active.Active)
		require.False(t, active.Compressed)
		require.Equal(t, day.Add(499*time.Second), active.Last)
	})
	t.Run("R5.3 library: head, tail and lines from an offset, compressed or not", func(t *testing.T) {
		for _, info := range []rotation.Info{compressed, active} {
			all := splitLines(readFile(t, d, info.Name))
			got, err := d.Head(info.Name, 5)
			require.NoError(t, err)
			require.Equal(t, all[:5], got)
			got, err = d.Tail(info.Name, 5)
			require.NoError(t, err)
			require.Equal(t, all[len(all)-5:], got)
			got, err = d.Lines(info.Name, 11, 5)
			require.NoError(t, err)
			require.Equal(t, all[10:15], got)
			r, err := d.Open(info.Name)
			require.NoError(t, err)
			_, err = r.Seek(int64(len(all[0])+1), io.SeekStart)
			require.NoError(t, err)
			next := make([]byte, len(all[1]))
			_, err = io.ReadFull(r, next)
			require.NoError(t, err)
			require.Equal(t, all[1], string(next))
			require.NoError(t, r.Close())
		}
	})
	t.Run("R5.3 library: a file is downloaded as its text, compressed or not", func(t *testing.T) {
		var b bytes.Buffer
		for _, info := range infos {
			r, err := d.Open(info.Name)
			require.NoError(t, err)
			_, err = io.Copy(&b, r)
			require.NoError(t, err)
			require.NoError(t, r.Close())
		}
		require.Equal(t, lines, splitLines(b.String()))
	})
	t.Run("R5.3 library: closed files are deleted, the active one is not", func(t *testing.T) {
		require.ErrorIs(t, d.Delete(t.Context(), "user.log"), rotation.ErrActive)
		require.NoError(t, d.Delete(t.Context(), compressed.Name))
		require.NotContains(t, list(t, d), compressed.Name)
		require.NoFileExists(t, filepath.Join(dir, compressed.Name))
		require.ErrorIs(t, d.Delete(t.Context(), compressed.Name), rotation.ErrNotFound)
		require.Equal(t, lines[len(inFirst):], allLines(t, d))
	})
	require.NoError(t, f.Close())
}

func TestRulesAreSetWhileRunning(t *testing.T) {
	// running opens a log with small files and writes 20 of them.
	running := func(t *testing.T) (*rotation.File, *rotation.Folder, *clock) {
		dir := filepath.Join(t.TempDir(), "logs")
		c := &clock{at: day}
		f, err := rotation.Open(filepath.Join(dir, "user.log"), &rotation.Options{
			Rule: rotation.Rule{MaxBytes: 100, Compression: rotation.None}, Clock: c.now,
		})
		require.NoError(t, err)
		for i := range 20 {
			c.set(day.Add(time.Duration(i) * time.Hour))
			write(t, f, fmt.Sprintf("%-98d.", i))
		}
		d, err := rotation.OpenFolder(dir)
		require.NoError(t, err)
		require.Len(t, list(t, d), 20)
		t.Cleanup(func() {
			require.NoError(t, f.Close())
			require.NoError(t, d.Close())
		})
		return f, d, c
	}
	t.Run("R5.4 library: number of copies, the excess is deleted at once", func(t *testing.T) {
		f, d, _ := running(t)
		newest := list(t, d)[14:]
		require.NoError(t, f.SetRule(rotation.Rule{MaxBytes: 100, MaxFiles: 5, Compression: rotation.None}))
		within(t, "5 copies and the active file", func() bool { return len(list(t, d)) == 6 })
		require.Equal(t, newest, list(t, d))
		write(t, f, fmt.Sprintf("%-98d.", 21), fmt.Sprintf("%-98d.", 22))
		within(t, "the same after rotations", func() bool { return len(list(t, d)) == 6 })
	})
	t.Run("R5.4 library: maximum size", func(t *testing.T) {
		f, d, _ := running(t)
		require.NoError(t, f.SetRule(rotation.Rule{MaxBytes: 1000, Compression: rotation.None}))
		for i := range 20 {
			write(t, f, fmt.Sprintf("%-98d.", i))
		}
		infos, err := d.List()
		require.NoError(t, err)
		require.Len(t, infos, 22)
		require.EqualValues(t, 1000, infos[19].Bytes)
		require.EqualValues(t, 1000, infos[20].Bytes)
	})
	t.Run("R5.4 library: age", func(t *testing.T) {
		f, d, c := running(t)
		c.set(day.Add(20 * time.Hour))
		require.NoError(t, f.SetRule(rotation.Rule{MaxBytes: 100, MaxAge: 5 * time.Hour, Compression: rotation.None}))
		within(t, "those closed in the last 5 hours", func() bool { return len(list(t, d)) == 6 })
		require.Equal(t, closedAt("user", day.Add(15*time.Hour)), list(t, d)[0])
	})
	t.Run("R5.4 library: total size", func(t *testing.T) {
		f, d, _ := running(t)
		require.NoError(t, f.SetRule(rotation.Rule{MaxBytes: 100, MaxTotalBytes: 750, Compression: rotation.None}))
		within(t, "7 files of 100 bytes", func() bool { return len(list(t, d)) == 7 })
	})
	t.Run("R5.4 library: the rule reads back, and one that cannot be is refused with its reason", func(t *testing.T) {
		f, _, _ := running(t)
		rule := rotation.Rule{MaxBytes: 1 << 20, MaxFiles: 7, MaxAge: 24 * time.Hour, MaxTotalBytes: 1 << 30, Compression: rotation.Zstd}
		require.NoError(t, f.SetRule(rule))
		require.Equal(t, rule, f.Rule())
		require.ErrorContains(t, f.SetRule(rotation.Rule{MaxFiles: -1}), "MaxFiles is -1")
		require.Equal(t, rule, f.Rule())
	})
}

func TestFilesRotateAt100MB(t *testing.T) {
	t.Run("R5.5 library: at 100 MB by default a file is closed, compressed and named after its date, no line lost, repeated or split", func(t *testing.T) {
		dir := filepath.Join(t.TempDir(), "logs")
		var closed atomic.Int64
		f, err := rotation.Open(filepath.Join(dir, "user.log"), &rotation.Options{
			Clock:   func() time.Time { return day },
			OnClose: func(i rotation.Info) { closed.Store(i.Bytes) },
		})
		require.NoError(t, err)
		const lines, size = 110_000, 1000 // 110 MB
		pad := strings.Repeat("x", size-8)
		var block bytes.Buffer
		for i := range lines {
			fmt.Fprintf(&block, "%07d%s\n", i, pad)
			if block.Len() == 100*size {
				_, err := f.Write(block.Bytes())
				require.NoError(t, err)
				block.Reset()
			}
		}
		require.Greater(t, closed.Load(), int64(100<<20-100*size-1), "as large as it may be")
		require.LessOrEqual(t, closed.Load(), int64(100<<20))
		d, err := rotation.OpenFolder(dir)
		require.NoError(t, err)
		defer d.Close()
		within(t, "compressed", func() bool { return list(t, d)[0] == "user-2026-11-21T02-03-04.000.log.gz" })
		require.Len(t, list(t, d), 2)
		require.NoError(t, f.Close())
		next := 0
		for _, name := range list(t, d) {
			r, err := d.Open(name)
			require.NoError(t, err)
			line := make([]byte, size)
			for {
				_, err := io.ReadFull(r, line)
				if err == io.EOF {
					break
				}
				require.NoError(t, err)
				if string(line[:7]) != fmt.Sprintf("%07d", next) || line[size-1] != '\n' {
					t.Fatalf("line %d: %.20q", next, line)
				}
				next++
			}
			require.NoError(t, r.Close())
		}
		require.Equal(t, lines, next)
	})
	t.Run("R5.5 library: the size is settable, and a record larger than it is kept whole", func(t *testing.T) {
		dir := filepath.Join(t.TempDir(), "logs")
		f, err := rotation.Open(filepath.Join(dir, "user.log"), &rotation.Options{Rule: rotation.Rule{MaxBytes: 1000}})
		require.NoError(t, err)
		lines := append(numbered(0, 50), strings.Repeat("x", 5000))
		lines = append(lines, numbered(50, 100)...)
		write(t, f, lines...)
		require.NoError(t, f.Close())
		d, err := rotation.OpenFolder(dir)
		require.NoError(t, err)
		defer d.Close()
		require.Greater(t, len(list(t, d)), 10)
		require.Equal(t, lines, allLines(t, d))
	})
	t.Run("R1.6 library: logs rotate and are retained", func(t *testing.T) {
		dir := filepath.Join(t.TempDir(), "logs")
		f, err := rotation.Open(filepath.Join(dir, "usage.log"), &rotation.Options{Rule: rotation.Rule{MaxBytes: 1000, MaxFiles: 3}})
		require.NoError(t, err)
		lines := numbered(0, 100)
		write(t, f, lines...)
		d, err := rotation.OpenFolder(dir)
		require.NoError(t, err)
		defer d.Close()
		within(t, "3 compressed copies and the active file", func() bool {
			names := list(t, d)
			return len(names) == 4 && strings.Count(strings.Join(names, " "), ".gz") == 3
		})
		require.NoError(t, f.Close())
		got := allLines(t, d)
		require.Equal(t, lines[len(lines)-len(got):], got, "the newest, without a gap")
	})
}
