package rotation_test

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/steplog/steplog/internal/vfs"
	"github.com/steplog/steplog/rotation"
)

func TestWriteGoesWholeToOneFile(t *testing.T) {
	for _, tt := range []struct {
		name string
		fs   vfs.FS
		dir  string
	}{{"real", vfs.OS(), t.TempDir()}, {"memory", vfs.NewMem(), "."}} {
		t.Run(tt.name, func(t *testing.T) {
			dir := filepath.Join(tt.dir, "a", "b")
			var h heard
			f, err := rotation.OpenFS(tt.fs, filepath.Join(dir, "user.log"), h.options(rotation.Rule{MaxBytes: 300}))
			require.NoError(t, err)
			lines := numbered(0, 100)
			for i := 0; i < len(lines); i += 2 {
				write(t, f, lines[i]+"\n"+lines[i+1]) // two records in one write stay together
			}
			require.LessOrEqual(t, f.Size(), int64(300))
			require.NoError(t, f.Close())
			d := openFolder(t, tt.fs, dir)
			require.Equal(t, lines, allLines(t, d))
			list, err := d.List()
			require.NoError(t, err)
			require.Len(t, list, 50)
			require.Len(t, h.Closed(), 49)
			require.Empty(t, h.Problems())
			for i, info := range list {
				require.Equal(t, i == 49, info.Active)
				require.Len(t, splitLines(readFile(t, d, info.Name)), 2)
			}
		})
	}
}

func TestOpenRefuses(t *testing.T) {
	dir := t.TempDir()
	for _, bad := range []string{"User.log", "user", "user.txt", ".log", "", "us er.log",
		"user-2026-11-21T02-03-04.123.log", strings.Repeat("u", 65) + ".log"} {
		_, err := rotation.Open(filepath.Join(dir, "x", bad), nil)
		require.ErrorIs(t, err, rotation.ErrName, bad)
	}
	require.NoDirExists(t, filepath.Join(dir, "x"))
	require.NoError(t, os.Mkdir(filepath.Join(dir, "folder.log"), 0o700))
	_, err := rotation.Open(filepath.Join(dir, "folder.log"), nil)
	require.Error(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "elsewhere"), []byte("secret\n"), 0o600))
	require.NoError(t, os.Symlink(filepath.Join(dir, "elsewhere"), filepath.Join(dir, "link.log")))
	_, err = rotation.Open(filepath.Join(dir, "link.log"), nil)
	require.Error(t, err, "links are not followed")
	_, err = rotation.Open(filepath.Join(dir, "elsewhere", "user.log"), nil)
	require.Error(t, err, "a file where the folder should be")
}

func TestRuleValidation(t *testing.T) {
	bad := []struct {
		rule rotation.Rule
		text string
	}{
		{rotation.Rule{MaxBytes: -1}, "MaxBytes is -1"},
		{rotation.Rule{MaxBytes: 1<<30 + 1}, "MaxBytes is 1073741825"},
		{rotation.Rule{MaxFiles: -1}, "MaxFiles is -1"},
		{rotation.Rule{MaxAge: -time.Second}, "MaxAge is -1s"},
		{rotation.Rule{MaxTotalBytes: -5}, "MaxTotalBytes is -5"},
		{rotation.Rule{Compression: 9}, "Compression is 9"},
	}
	f, err := rotation.OpenFS(vfs.NewMem(), "user.log", nil)
	require.NoError(t, err)
	for _, tt := range bad {
		require.ErrorIs(t, tt.rule.Validate(), rotation.ErrRule)
		require.ErrorContains(t, tt.rule.Validate(), tt.text)
		require.ErrorIs(t, f.SetRule(tt.rule), rotation.ErrRule)
		_, err := rotation.OpenFS(vfs.NewMem(), "user.log", &rotation.Options{Rule: tt.rule})
		require.ErrorIs(t, err, rotation.ErrRule)
	}
	require.Equal(t, rotation.Rule{MaxBytes: rotation.DefaultMaxBytes}, f.Rule(), "unchanged")
	require.NoError(t, f.SetRule(rotation.Rule{MaxBytes: 1 << 30, Compression: rotation.None}))
	require.NoError(t, f.Close())
}

func TestRuleAsJSON(t *testing.T) {
	rule := rotation.Rule{MaxBytes: 5, MaxFiles: 3, MaxAge: time.Hour, MaxTotalBytes: 9, Compression: rotation.Zstd}
	text, err := json.Marshal(rule)
	require.NoError(t, err)
	require.JSONEq(t, `{"max_bytes":5,"max_files":3,"max_age":3600000000000,"max_total_bytes":9,"compression":"zstd"}`, string(text))
	var back rotation.Rule
	require.NoError(t, json.Unmarshal(text, &back))
	require.Equal(t, rule, back)
	for _, c := range []rotation.Compression{rotation.Gzip, rotation.Zstd, rotation.None} {
		text, err := c.MarshalText()
		require.NoError(t, err)
		var back rotation.Compression
		require.NoError(t, back.UnmarshalText(text))
		require.Equal(t, c, back)
	}
	require.ErrorIs(t, back.Compression.UnmarshalText([]byte("lz4")), rotation.ErrRule)
	_, err = rotation.Compression(7).MarshalText()
	require.ErrorIs(t, err, rotation.ErrRule)
}

func TestWriteWholeLinesOnly(t *testing.T) {
	f, err := rotation.OpenFS(vfs.NewMem(), "user.log", nil)
	require.NoError(t, err)
	n, err := f.Write(nil)
	require.NoError(t, err)
	require.Zero(t, n)
	_, err = f.Write([]byte("half"))
	require.ErrorIs(t, err, rotation.ErrUnfinished)
	require.Zero(t, f.Size())
	_, err = f.Write([]byte("\n"))
	require.NoError(t, err)
	require.NoError(t, f.Close())
}

func TestClose(t *testing.T) {
	f, err := rotation.OpenFS(vfs.NewMem(), "user.log", nil)
	require.NoError(t, err)
	write(t, f, "line")
	require.NoError(t, f.Close())
	require.NoError(t, f.Close())
	_, err = f.Write([]byte("late\n"))
	require.ErrorIs(t, err, rotation.ErrClosed)
	require.ErrorIs(t, f.Rotate(), rotation.ErrClosed)
	require.ErrorIs(t, f.Sync(), rotation.ErrClosed)
}

func TestRotate(t *testing.T) {
	fsys := vfs.NewMem()
	c := &clock{at: day}
	var h heard
	o := h.options(rotation.Rule{Compression: rotation.None})
	o.Clock = c.now
	f, err := rotation.OpenFS(fsys, "logs/user.log", o)
	require.NoError(t, err)
	require.NoError(t, f.Rotate())
	require.Empty(t, h.Closed(), "an empty file is left as it is")
	write(t, f, numbered(0, 3)...)
	size := f.Size()
	require.NoError(t, f.Rotate())
	require.Zero(t, f.Size())
	require.Equal(t, []rotation.Info{{Name: closedAt("user", day), Log: "user", Bytes: size, First: day, Last: day.Add(2 * time.Second)}}, h.Closed())

	write(t, f, "no record at all")
	c.set(day.Add(-time.Hour))
	require.NoError(t, f.Rotate())
	require.Equal(t, closedAt("user", day.Add(time.Millisecond)), h.Closed()[1].Name, "bumped past the newest")
	require.True(t, h.Closed()[1].First.IsZero())
	require.NoError(t, f.Close())

	// The newest name counts after a restart too.
	f, err = rotation.OpenFS(fsys, "logs/user.log", o)
	require.NoError(t, err)
	write(t, f, "line")
	require.NoError(t, f.Rotate())
	require.Equal(t, closedAt("user", day.Add(2*time.Millisecond)), h.Closed()[2].Name)

	// And names that somebody else puts there meanwhile are passed, not replaced.
	put(t, fsys, "logs/"+closedAt("user", day.Add(3*time.Millisecond)), "theirs\n")
	put(t, fsys, "logs/"+closedAt("user", day.Add(9*time.Millisecond))+".gz", "theirs")
	write(t, f, "line")
	require.NoError(t, f.Rotate())
	require.Equal(t, closedAt("user", day.Add(10*time.Millisecond)), h.Closed()[3].Name)
	require.NoError(t, fsys.MkdirAll("logs/"+closedAt("user", day.Add(11*time.Millisecond)), 0o700))
	write(t, f, "line")
	require.NoError(t, f.Rotate())
	require.Equal(t, closedAt("user", day.Add(12*time.Millisecond)), h.Closed()[4].Name, "also those that are no files")
	require.NoError(t, f.Close())
	require.Empty(t, h.Problems())
	require.Contains(t, readFile(t, openFolder(t, fsys, "logs"), closedAt("user", day.Add(3*time.Millisecond))), "theirs")
}

// TestHookOrder: when a close is announced the file has its name, the next one
// is there, and no byte is in it.
func TestHookOrder(t *testing.T) {
	fsys := vfs.NewMem()
	d := func() *rotation.Folder {
		d, err := rotation.OpenFolderFS(fsys, "logs")
		require.NoError(t, err)
		return d
	}
	calls := 0
	f, err := rotation.OpenFS(fsys, "logs/user.log", &rotation.Options{
		Rule: rotation.Rule{MaxBytes: 10},
		OnClose: func(i rotation.Info) {
			calls++
			folder := d()
			defer folder.Close()
			require.Equal(t, fmt.Sprintf("line %d\n", calls), readFile(t, folder, i.Name))
			require.Empty(t, readFile(t, folder, "user.log"))
		},
	})
	require.NoError(t, err)
	for i := range 20 {
		write(t, f, fmt.Sprintf("line %d", i+1))
		require.Equal(t, i, calls)
	}
	require.NoError(t, f.Close())
}

func TestTornLastLine(t *testing.T) {
	tests := []struct{ name, text, want string }{
		{"whole", "one\ntwo\n", "one\ntwo\n"},
		{"torn", "one\ntw", "one\n"},
		{"only torn", "on", ""},
		{"empty", "", ""},
		{"torn over many pages", "one\n" + strings.Repeat("x", 300_000), "one\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			fsys := vfs.NewMem()
			put(t, fsys, "logs/user.log", tt.text)
			f, err := rotation.OpenFS(fsys, "logs/user.log", nil)
			require.NoError(t, err)
			require.EqualValues(t, len(tt.text)-len(tt.want), f.Torn())
			require.EqualValues(t, len(tt.want), f.Size())
			write(t, f, "next")
			require.NoError(t, f.Close())
			require.Equal(t, tt.want+"next\n", readFile(t, openFolder(t, fsys, "logs"), "user.log"))
		})
	}
	t.Run("what is no line at all stays", func(t *testing.T) {
		fsys := vfs.NewMem()
		foreign := strings.Repeat("x", 17<<20)
		put(t, fsys, "logs/user.log", "one\n"+foreign)
		f, err := rotation.OpenFS(fsys, "logs/user.log", nil)
		require.NoError(t, err)
		require.Zero(t, f.Torn())
		write(t, f, "next")
		require.NoError(t, f.Close())
		require.True(t, readFile(t, openFolder(t, fsys, "logs"), "user.log") == "one\n"+foreign+"\nnext\n")
	})
}

func TestModes(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data", "logs")
	f, err := rotation.Open(filepath.Join(dir, "user.log"), &rotation.Options{Rule: rotation.Rule{MaxBytes: 10}})
	require.NoError(t, err)
	for range 3 {
		write(t, f, "a long line")
	}
	require.Eventually(t, func() bool {
		return len(slices.DeleteFunc(names(t, vfs.OS(), dir), func(n string) bool { return !strings.HasSuffix(n, ".gz") })) == 2
	}, 10*time.Second, time.Millisecond)
	require.NoError(t, f.Close())
	for _, p := range []string{dir, filepath.Dir(dir)} {
		info, err := os.Stat(p)
		require.NoError(t, err)
		require.Equal(t, fs.FileMode(0o700), info.Mode().Perm())
	}
	infos, err := vfs.OS().ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, infos, 3)
	for _, info := range infos {
		require.Equal(t, fs.FileMode(0o600), info.Mode(), info.Name())
	}
}

// TestWhileRulesChange: 8 writers, a goroutine that changes every limit, one
// that rotates, one that syncs; every line is there once.
func TestWhileRulesChange(t *testing.T) {
	const writers, each = 8, 500
	dir := t.TempDir()
	var h heard
	f, err := rotation.Open(filepath.Join(dir, "user.log"), h.options(rotation.Rule{MaxBytes: 1500})) // which others only make less
	require.NoError(t, err)
	stop := make(chan struct{})
	var others, wg sync.WaitGroup
	others.Go(func() {
		for i := int64(1); ; i++ {
			select {
			case <-stop:
				return
			default:
				rule := rotation.Rule{MaxBytes: 300 + i%5*300, MaxFiles: 100_000, MaxAge: time.Duration(i) * time.Hour,
					MaxTotalBytes: 1<<40 + i, Compression: rotation.Compression(i % 3)}
				if err := f.SetRule(rule); err != nil {
					t.Error(err)
				}
				f.Rule()
			}
		}
	})
	others.Go(func() {
		for range 20 {
			if err := f.Rotate(); err != nil {
				t.Error(err)
			}
			if err := f.Sync(); err != nil {
				t.Error(err)
			}
		}
	})
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				if _, err := fmt.Fprintf(f, "writer %d line %04d\n", w, i); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	close(stop)
	others.Wait()
	require.NoError(t, f.Close())
	require.Empty(t, h.Problems())
	got := allLines(t, openFolder(t, vfs.OS(), dir))
	require.Len(t, got, writers*each)
	for w := range writers {
		mine := slices.DeleteFunc(slices.Clone(got), func(l string) bool { return !strings.HasPrefix(l, fmt.Sprintf("writer %d ", w)) })
		require.Len(t, mine, each)
		require.True(t, slices.IsSorted(mine), "in the order in which they were written")
	}
	require.Greater(t, len(h.Closed()), 20)
	for i, c := range h.Closed()[1:] {
		require.Less(t, h.Closed()[i].Name, c.Name)
	}
}

// TestNothingRunsAfterClose also shows that files in memory work in a bubble
// of package synctest.
func TestNothingRunsAfterClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, err := rotation.OpenFS(vfs.NewMem(), "logs/user.log", &rotation.Options{Rule: rotation.Rule{MaxBytes: 100}})
		require.NoError(t, err)
		write(t, f, numbered(0, 50)...)
		<-time.After(5 * time.Minute)
		require.NoError(t, f.Close())
	})
}
