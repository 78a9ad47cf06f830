package rotation_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/steplog/steplog/internal/block"
	"github.com/steplog/steplog/internal/vfs"
	"github.com/steplog/steplog/rotation"
)

// viewed is a folder with one text in every form a file can have.
func viewed(t *testing.T, text string) (*rotation.Folder, map[string]string) {
	fsys := vfs.NewMem()
	forms := map[string]string{"active": "user.log", "plain": closedAt("user", day), "gzip": closedAt("gz", day) + ".gz", "zstd": closedAt("zst", day) + ".zst"}
	for form, name := range forms {
		data := text
		for want, format := range map[string]block.Format{"gzip": block.Gzip, "zstd": block.Zstd} {
			if form == want {
				var b bytes.Buffer
				w, err := block.NewWriter(&b, format)
				require.NoError(t, err)
				_, err = io.WriteString(w, text)
				require.NoError(t, err)
				require.NoError(t, w.Close())
				data = b.String()
			}
		}
		put(t, fsys, "logs/"+name, data)
	}
	return openFolder(t, fsys, "logs"), forms
}

func TestHeadTailLines(t *testing.T) {
	long := strings.Repeat("é", 600_000)                                      // more than the 1 MiB that a view shows
	lines := append(numbered(0, 3000), "", long, strings.Repeat("x", 70_000)) // over one block each
	lines = append(lines, numbered(3000, 5000)...)
	shown := append([]string{}, lines...)
	shown[3001] = long[:1<<20]
	n := len(lines)
	d, forms := viewed(t, strings.Join(lines, "\n")+"\n")
	for form, name := range forms {
		t.Run(form, func(t *testing.T) {
			same := func(want, got []string, err error) {
				t.Helper()
				require.NoError(t, err)
				require.Len(t, got, len(want))
				for i := range want {
					require.True(t, want[i] == got[i], "line %d of %d", i, len(want))
				}
			}
			for _, k := range []int{0, 1, 100, 2002, 2003, 3001, 3002, n, 10_000} {
				got, err := d.Head(name, k)
				same(shown[:min(k, n)], got, err)
				got, err = d.Tail(name, k)
				same(shown[max(0, n-k):], got, err)
			}
			for _, at := range []int{1, 2, 1000, 3001, 3002, 3003, n, n + 1, 1 << 30} {
				got, err := d.Lines(name, at, 3)
				same(shown[min(at-1, n):min(at+2, n)], got, err)
			}
			for _, bad := range [][2]int{{0, 1}, {-1, 1}, {1, -1}, {1, 10_001}} {
				_, err := d.Lines(name, bad[0], bad[1])
				require.ErrorIs(t, err, rotation.ErrRange)
			}
			_, err := d.Tail(name, -1)
			require.ErrorIs(t, err, rotation.ErrRange)
			_, err = d.Head(name, 10_001)
			require.ErrorIs(t, err, rotation.ErrRange)
		})
	}
}

func TestShortTexts(t *testing.T) {
	for _, text := range []string{"", "\n", "\n\n", "a\n", "a\n\nb\n", "a", "a\nb"} {
		t.Run(fmt.Sprintf("%q", text), func(t *testing.T) {
			d, forms := viewed(t, text)
			for form, name := range forms {
				want := splitLines(text)
				if form == "active" { // whole lines only: the last one is being written
					want = splitLines(text[:strings.LastIndexByte(text, '\n')+1])
				}
				if text == "" && (form == "gzip" || form == "zstd") {
					want = nil
				}
				head, err := d.Head(name, 100)
				require.NoError(t, err)
				require.Equal(t, want, head, form)
				tail, err := d.Tail(name, 100)
				require.NoError(t, err)
				require.Equal(t, want, tail, form)
			}
		})
	}
}

func TestViewIsBounded(t *testing.T) {
	fsys := vfs.NewMem()
	name := closedAt("user", day)
	put(t, fsys, "logs/"+name, strings.Repeat(strings.Repeat("x", 1<<20)+"\n", 18))
	d := openFolder(t, fsys, "logs")
	for _, view := range []func(string, int) ([]string, error){d.Head, d.Tail} {
		got, err := view(name, 18)
		require.NoError(t, err)
		require.Len(t, got, 16) // MiB
	}
}

// TestTailReadsFromTheEnd: the end of a large file costs what a small one does.
func TestTailReadsFromTheEnd(t *testing.T) {
	mem := vfs.NewMem()
	put(t, mem, "logs/"+closedAt("user", day), strings.Repeat("a line of text\n", 1<<20))
	var rec vfs.Recorder
	d := openFolder(t, vfs.Inject(mem, rec.Hook), "logs")
	got, err := d.Tail(closedAt("user", day), 50)
	require.NoError(t, err)
	require.Len(t, got, 50)
	require.LessOrEqual(t, rec.Count(vfs.Kinds(vfs.OpRead, vfs.OpReadAt)), 2)
}

func TestReaderAt(t *testing.T) {
	lines := numbered(0, 2000)
	text := strings.Join(lines, "\n") + "\n"
	d, forms := viewed(t, text)
	for form, name := range forms {
		t.Run(form, func(t *testing.T) {
			r, err := d.ReaderAt(name)
			require.NoError(t, err)
			require.EqualValues(t, len(text), r.Size())
			require.Equal(t, form == "gzip" || form == "zstd", r.Compressed())
			buf := make([]byte, len(lines[1234]))
			_, err = r.ReadAt(buf, int64(strings.Index(text, lines[1234])))
			require.NoError(t, err)
			require.Equal(t, lines[1234], string(buf))
			require.NoError(t, r.Close())

			s, err := d.Open(name)
			require.NoError(t, err)
			_, err = s.Seek(-int64(len(lines[1999])+1), io.SeekEnd)
			require.NoError(t, err)
			rest, err := io.ReadAll(s)
			require.NoError(t, err)
			require.Equal(t, lines[1999]+"\n", string(rest))
			require.NoError(t, s.Close())
		})
	}
}

func TestOpenStored(t *testing.T) {
	text := strings.Join(numbered(0, 2000), "\n") + "\n"
	d, forms := viewed(t, text)
	for form, name := range forms {
		t.Run(form, func(t *testing.T) {
			var heard []string
			d.OnAct(func(_ context.Context, act rotation.Act, file string) {
				require.Equal(t, rotation.Downloaded, act)
				heard = append(heard, file)
			})
			s, err := d.DownloadStored(t.Context(), name)
			require.NoError(t, err)
			require.NoError(t, s.Close())
			require.Equal(t, []string{name}, heard)
			s, err = d.OpenStored(name)
			require.NoError(t, err)
			stored, err := io.ReadAll(s)
			require.NoError(t, err)
			require.NoError(t, s.Close())
			if form == "active" || form == "plain" {
				require.Equal(t, text, string(stored))
				return
			}
			r, err := block.Open(bytes.NewReader(stored), int64(len(stored)))
			require.NoError(t, err)
			require.EqualValues(t, len(text), r.Size())
			_, err = d.OpenStored(strings.TrimSuffix(strings.TrimSuffix(name, ".gz"), ".zst"))
			require.ErrorIs(t, err, rotation.ErrNotFound, "another form is another file")
		})
	}
	fsys := vfs.NewMem()
	put(t, fsys, "logs/user.log", "whole\ntorn")
	s, err := openFolder(t, fsys, "logs").OpenStored("user.log")
	require.NoError(t, err)
	whole, err := io.ReadAll(s)
	require.NoError(t, err)
	require.Equal(t, "whole\n", string(whole))
	require.NoError(t, s.Close())
}

func TestOnlyLogFiles(t *testing.T) {
	dir := t.TempDir()
	outside := filepath.Join(t.TempDir(), "secret")
	require.NoError(t, os.WriteFile(outside, []byte("secret\n"), 0o600))
	for _, name := range []string{"user.log", "notes.txt", ".hidden.log", "Upper.log", "user.log.broken", "audit.key",
		closedAt("user", day) + ".idx", closedAt("user", day) + ".gz.tmp"} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte("line\n"), 0o600))
	}
	require.NoError(t, os.Mkdir(filepath.Join(dir, "folder.log"), 0o700))
	require.NoError(t, os.Symlink(outside, filepath.Join(dir, "link.log")))
	require.NoError(t, os.Symlink(outside, filepath.Join(dir, closedAt("link", day))))
	require.NoError(t, os.Symlink("user.log", filepath.Join(dir, "inside.log")))
	require.NoError(t, os.Mkdir(filepath.Join(dir, closedAt("folder", day)), 0o700))

	d, err := rotation.OpenFolder(dir)
	require.NoError(t, err)
	defer d.Close()
	list, err := d.List()
	require.NoError(t, err)
	require.Len(t, list, 1)
	require.Equal(t, "user.log", list[0].Name)
	require.True(t, list[0].Active)
	files, err := d.Files()
	require.NoError(t, err)
	list[0].First, list[0].Last = time.Time{}, time.Time{}
	require.Equal(t, list, files)
	before := names(t, vfs.OS(), dir)
	for _, bad := range []string{"", ".", "..", "/", "notes.txt", ".hidden.log", "Upper.log", "audit.key", "user.log.broken",
		"../" + filepath.Base(outside), outside, "./user.log", "x/../user.log", "user.log/", "user.log\x00", "..%2fuser.log",
		"link.log", "inside.log", closedAt("link", day), "folder.log", closedAt("folder", day), "absent.log", closedAt("absent", day),
		closedAt("user", day) + ".idx", "user.log.gz", `..\user.log`} {
		_, err := d.Open(bad)
		require.ErrorIs(t, err, rotation.ErrNotFound, bad)
		_, err = d.ReaderAt(bad)
		require.Error(t, err, bad)
		_, err = d.OpenStored(bad)
		require.Error(t, err, bad)
		_, err = d.Head(bad, 1)
		require.Error(t, err, bad)
		_, err = d.Tail(bad, 1)
		require.Error(t, err, bad)
		require.Error(t, d.Delete(t.Context(), bad), bad)
	}
	require.Equal(t, before, names(t, vfs.OS(), dir), "nothing was deleted")
	_, err = d.Open("absent.log")
	require.ErrorIs(t, err, rotation.ErrNotFound)
	require.ErrorIs(t, err, os.ErrNotExist)
	_, err = rotation.OpenFolder(filepath.Join(dir, "absent"))
	require.ErrorIs(t, err, os.ErrNotExist)
}

func TestDelete(t *testing.T) {
	fsys := vfs.NewMem()
	name := closedAt("user", day)
	for _, n := range []string{"user.log", name, name + ".gz", name + ".idx", closedAt("user", day.AddDate(0, 0, 1)) + ".zst"} {
		put(t, fsys, "logs/"+n, "line\n")
	}
	d := openFolder(t, fsys, "logs")
	var deleted []string
	d.OnDelete(func(n string) { deleted = append(deleted, n) })
	require.ErrorIs(t, d.Delete(t.Context(), "user.log"), rotation.ErrActive)
	require.ErrorIs(t, d.Delete(t.Context(), "absent.log"), rotation.ErrNotFound)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, d.Delete(ended, name), context.Canceled)
	require.Empty(t, deleted)
	require.NoError(t, d.Delete(t.Context(), name+".gz"), "by either name")
	require.Equal(t, []string{name}, deleted)
	require.Equal(t, []string{closedAt("user", day.AddDate(0, 0, 1)) + ".zst", "user.log"}, names(t, fsys, "logs"))
	require.ErrorIs(t, d.Delete(t.Context(), name), rotation.ErrNotFound)
	require.NoError(t, d.Delete(t.Context(), closedAt("user", day.AddDate(0, 0, 1))))
	require.Len(t, deleted, 2)
}

func TestListOrder(t *testing.T) {
	fsys := vfs.NewMem()
	want := []string{closedAt("b", day), closedAt("b", day.AddDate(1, 0, 0)), "b.log", "b-c.log", closedAt("user", day), "user.log"}
	for _, n := range want {
		put(t, fsys, "logs/"+n, record(1, day)+"\n")
	}
	put(t, fsys, "logs/"+closedAt("user", day)+".gz", "being made")
	d := openFolder(t, fsys, "logs")
	for range 2 { // read, and remembered
		list, err := d.List()
		require.NoError(t, err)
		var got []string
		for _, i := range list {
			got = append(got, i.Name)
			require.Equal(t, day, i.First)
			require.Equal(t, day, i.Last)
			require.False(t, i.Compressed)
		}
		require.Equal(t, want, got)
	}
}

// TestListIsCheap: what a closed file says of its times is read once.
func TestListIsCheap(t *testing.T) {
	mem := vfs.NewMem()
	closedFiles(t, mem, 20)
	var rec vfs.Recorder
	d := openFolder(t, vfs.Inject(mem, rec.Hook), "logs")
	_, err := d.List()
	require.NoError(t, err)
	opened := rec.Count(vfs.Kinds(vfs.OpRootOpen))
	require.Equal(t, 20, opened)
	_, err = d.List()
	require.NoError(t, err)
	require.Equal(t, opened, rec.Count(vfs.Kinds(vfs.OpRootOpen)))
}

func TestDamagedFile(t *testing.T) {
	fsys := vfs.NewMem()
	name := closedAt("user", day) + ".gz"
	put(t, fsys, "logs/"+name, "not what it says")
	d := openFolder(t, fsys, "logs")
	list, err := d.List()
	require.NoError(t, err, "the others are still listed")
	require.Len(t, list, 1)
	_, err = d.Open(name)
	require.ErrorIs(t, err, block.ErrFormat)
	require.ErrorContains(t, err, name)
}

// TestReadingWhileWriting: a reader sees whole lines, and a file it has open
// stays readable through rotation, compression and deletion.
func TestReadingWhileWriting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fsys := vfs.NewMem()
		f, err := rotation.OpenFS(fsys, "logs/user.log", nil)
		require.NoError(t, err)
		d := openFolder(t, fsys, "logs")
		lines := numbered(0, 500)
		write(t, f, lines...)
		r, err := d.Open("user.log")
		require.NoError(t, err)
		write(t, f, "later")
		require.NoError(t, f.Rotate())
		synctest.Wait()
		list, err := d.List()
		require.NoError(t, err)
		require.NoError(t, d.Delete(t.Context(), list[0].Name))
		text, err := io.ReadAll(r)
		require.NoError(t, err)
		require.Equal(t, lines, splitLines(string(text)), "what was there when it was opened")
		require.NoError(t, r.Close())
		require.NoError(t, f.Close())
	})
}

// TestListTimes: lines without a time, as checkpoints of an audit trail are, do not
// hide the times of their neighbours.
func TestListTimes(t *testing.T) {
	checkpoint := `{"checkpoint":"` + strings.Repeat("x", 3000) + `"}` + "\n"
	later := day.Add(time.Hour)
	for text, want := range map[string][2]time.Time{
		checkpoint + record(1, day) + "\n" + record(2, later) + "\n" + checkpoint: {day, later},
		checkpoint + record(1, day) + "\n":                                        {day, day},
		record(1, day) + "\n" + strings.Repeat(checkpoint, 5):                     {day, {}},
		strings.Repeat(checkpoint, 5) + record(1, day) + "\n":                     {{}, day},
		checkpoint: {},
		"\n\n":     {},
	} {
		fsys := vfs.NewMem()
		put(t, fsys, "logs/audit.log", text)
		list, err := openFolder(t, fsys, "logs").List()
		require.NoError(t, err)
		require.Equal(t, want, [2]time.Time{list[0].First, list[0].Last}, "%.40q", text)
	}
}
