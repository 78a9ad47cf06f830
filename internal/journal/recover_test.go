package journal_test

import (
	"io"
	"math/rand/v2"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap/zapcore"

	"github.com/steplog/steplog/internal/journal"
	"github.com/steplog/steplog/internal/line"
	"github.com/steplog/steplog/internal/vfs"
	"github.com/steplog/steplog/rotation"
)

// contentOf returns what a file holds.
func contentOf(t *testing.T, fsys vfs.FS, name string) string {
	t.Helper()
	f, err := fsys.OpenFile(dir+"/"+name, os.O_RDONLY, 0)
	require.NoError(t, err)
	defer f.Close()
	raw, err := io.ReadAll(f)
	require.NoError(t, err)
	return string(raw)
}

// overwrite puts bytes into a file, which grows as needed.
func overwrite(t *testing.T, fsys vfs.FS, name string, at int64, content string) {
	t.Helper()
	f, err := fsys.OpenFile(dir+"/"+name, os.O_RDWR|os.O_CREATE, 0o600)
	require.NoError(t, err)
	_, err = f.WriteAt([]byte(content), at)
	require.NoError(t, err)
	require.NoError(t, f.Close())
}

func system(boot string) func(*journal.Options) {
	return func(o *journal.Options) {
		o.Boot, o.RingBytes, o.SyncEvery = boot, 4<<20, time.Hour
		o.Rule.Compression = rotation.None
	}
}

func (f *folder) sayAll(log string, list []string) {
	f.t.Helper()
	for _, m := range list {
		_, err := f.log(log, run, zapcore.InfoLevel, m)
		require.NoError(f.t, err)
	}
}

// closedFile returns the name of the only closed file of user.
func closedFile(t *testing.T, fsys vfs.FS) string {
	t.Helper()
	var closed []string
	for _, name := range userFiles(t, fsys) {
		if name != "user.log" {
			closed = append(closed, name)
		}
	}
	require.Len(t, closed, 1)
	return closed[0]
}

// A process that is killed while it recovers from a power cut leaves the next one
// with the same task, although it runs under the same boot.
func TestPowerLossIsRememberedUntilRecovered(t *testing.T) {
	t.Parallel()
	fsys := vfs.NewMem()
	f := open(t, fsys, system("one"))
	f.sayAll("user", numbered(3))
	killed := fsys.Kill()
	seen := ""
	g := open(t, vfs.Inject(killed, func(op vfs.Op) error {
		if op.Kind == vfs.OpAllocate && seen == "" {
			seen = contentOf(t, killed, ".journal/numbers.json")
		}
		return nil
	}), system("two"))
	require.Contains(t, seen, `"boot":"one"`, "until there is a new ring")
	require.Contains(t, contentOf(t, killed, ".journal/numbers.json"), `"boot":"two"`)
	require.Equal(t, numbered(3), messages(t, g.Journal, "user"))
}

// After Close the ring is of no interest, whatever a power cut leaves of it.
func TestRingOfAClosedFolder(t *testing.T) {
	t.Parallel()
	fsys := vfs.NewMem()
	f := open(t, fsys, system("one"))
	f.sayAll("user", numbered(5))
	old := contentOf(t, fsys, ".journal/ring")
	require.NoError(t, f.Rotate("user"))
	f.sayAll("user", []string{"later"})
	require.NoError(t, f.Folder().Delete(t.Context(), closedFile(t, fsys)))
	require.NoError(t, f.Close())
	overwrite(t, fsys, ".journal/ring", 0, old)
	g := open(t, fsys, system("two"))
	require.Equal(t, []string{"later"}, messages(t, g.Journal, "user"))
	require.Zero(t, g.Recovery().Replayed)
}

// Closed files are synced later than the records are accepted, and so a power cut
// may damage them.
func TestPowerCutDamagesAClosedFile(t *testing.T) {
	t.Parallel()
	for _, damage := range []string{"in the middle", "from the start", "at the end"} {
		t.Run(damage, func(t *testing.T) {
			t.Parallel()
			fsys := vfs.NewMem()
			f := open(t, fsys, system("one"))
			f.sayAll("user", numbered(5))
			require.NoError(t, f.Rotate("user"))
			f.sayAll("user", []string{"later"})
			require.NoError(t, f.Flush())
			crashed := fsys.Kill()
			closed := closedFile(t, crashed)
			text := contentOf(t, crashed, closed)
			want := append(numbered(2), "later")
			third := strings.Index(text, `"message":"message 2"`)
			switch damage {
			case "in the middle":
				overwrite(t, crashed, closed, int64(third), strings.Repeat("\x00", 100))
			case "from the start":
				overwrite(t, crashed, closed, 0, strings.Repeat("\x00", 100))
				want = []string{"later"}
			case "at the end":
				f, err := crashed.OpenFile(dir+"/"+closed, os.O_RDWR, 0)
				require.NoError(t, err)
				require.NoError(t, f.Truncate(int64(third)))
				require.NoError(t, f.Close())
			}
			g := open(t, crashed, system("two"))
			found := messages(t, g.Journal, "user")
			if damage != "at the end" {
				require.True(t, strings.HasPrefix(found[len(found)-1], "gap: "))
				found = found[:len(found)-1]
				require.Positive(t, g.Recovery().PutAside)
			}
			require.Equal(t, want, found)
			require.Zero(t, g.Recovery().Foreign)
			for _, name := range userFiles(t, crashed) {
				left := contentOf(t, crashed, name)
				require.NotContains(t, left, "\x00")
				require.True(t, left == "" || strings.HasSuffix(left, "\n"), name)
			}
		})
	}
}

// What somebody wrote into the text by hand is no reason to put aside what was
// synced after it.
func TestPowerCutAfterForeignBytes(t *testing.T) {
	t.Parallel()
	fsys := vfs.NewMem()
	f := open(t, fsys, system("one"))
	f.sayAll("user", []string{"before"})
	require.NoError(t, f.Sync(t.Context()))
	size := len(contentOf(t, fsys, "user.log"))
	overwrite(t, fsys, "user.log", int64(size), "a note by hand, äöü\t1\n")
	require.Eventually(t, f.problemSeen, 30*time.Second, time.Millisecond)
	f.sayAll("user", []string{"after"})
	require.NoError(t, f.Sync(t.Context()))
	crashed := fsys.Crash(nil, vfs.CrashOptions{Unsynced: vfs.SurviveNone})
	g := open(t, crashed, system("two"))
	require.Equal(t, []string{"before", "after"}, messages(t, g.Journal, "user"))
	require.Zero(t, g.Recovery().PutAside)
}

// A power cut undid the second rename of a rotation: what stands in the file
// that was made ahead is found at once.
func TestPowerCutWithinARotation(t *testing.T) {
	t.Parallel()
	fsys := vfs.NewMem()
	f := open(t, fsys, system("one"))
	f.sayAll("user", numbered(5))
	require.NoError(t, f.Sync(t.Context()))
	crashed := fsys.Kill()
	require.NoError(t, crashed.Rename(dir+"/user.log", dir+"/user.log.next"))
	text := contentOf(t, crashed, "user.log.next")
	overwrite(t, crashed, "user.log.next", int64(strings.LastIndex(text, `"message":"message 4"`)), strings.Repeat("\x00", 10))
	g := open(t, crashed, system("two"))
	found := messages(t, g.Journal, "user")
	require.Equal(t, numbered(4), found[:4])
	require.Zero(t, g.Recovery().Foreign)
}

// The file table is trusted only as far as it can be what was written.
func TestDamagedFileTable(t *testing.T) {
	t.Parallel()
	for _, table := range []string{`{"names":["../../outside"]}`, `{"names":["user","user"]}`, `{"names":[""]}`, `{"names":`, "\x00\x00"} {
		fsys := vfs.NewMem()
		f := open(t, fsys, system("one"))
		f.sayAll("user", numbered(3))
		killed := fsys.Kill()
		require.NoError(t, killed.Remove(dir+"/.journal/files.json"))
		overwrite(t, killed, ".journal/files.json", 0, table)
		g := open(t, killed, system("one"))
		require.Empty(t, messages(t, g.Journal, "user"), table)
		require.Positive(t, g.Recovery().LostBytes, table)
		require.Eventually(t, g.problemSeen, 30*time.Second, time.Millisecond)
		g.sayAll("email", numbered(2))
		h := open(t, killed.Kill(), system("one"))
		require.Equal(t, numbered(2), messages(t, h.Journal, "email"), table)
		_, err := killed.Lstat("/outside.log")
		require.ErrorIs(t, err, os.ErrNotExist)
	}
}

// A newer version may have accepted records that this one cannot read: it leaves
// everything as it is.
func TestNewerVersion(t *testing.T) {
	t.Parallel()
	for name, content := range map[string]string{
		"numbers.json": `{"version":2,"next":7}`,
		"files.json":   `{"version":2,"logs":{}}`,
		"ring":         "steplog ring\n\x00\x03\x00",
		"dropped":      "steplog dropped\n\x02\x00",
	} {
		fsys := vfs.NewMem()
		f := open(t, fsys, system("one"))
		f.sayAll("user", numbered(3))
		killed := fsys.Kill()
		if name != "ring" {
			require.NoError(t, killed.Remove(dir+"/.journal/"+name))
		}
		overwrite(t, killed, ".journal/"+name, 0, content)
		before := contentOf(t, killed, ".journal/"+name)
		_, err := journal.Open(dir, journal.Options{FS: killed, Boot: "one"})
		require.ErrorIs(t, err, journal.ErrVersion, name)
		require.Equal(t, before, contentOf(t, killed, ".journal/"+name))
	}
}

// Numbers beyond what JSON readers can tell apart are not ours.
func TestNumbersOutOfRange(t *testing.T) {
	t.Parallel()
	fsys := vfs.NewMem()
	f := open(t, fsys, system("one"))
	f.sayAll("user", numbered(3))
	require.NoError(t, f.Close())
	size := len(contentOf(t, fsys, "user.log"))
	overwrite(t, fsys, "user.log", int64(size), `{"seq":18446744073709551615,"message":"from elsewhere"}`+"\n")
	overwrite(t, fsys, ".journal/numbers.json", 0, `{"next":18446744073709551615,"clean":true}`+strings.Repeat(" ", 50))
	g := open(t, fsys, system("one"))
	seq, err := g.log("user", run, zapcore.InfoLevel, "message 3")
	require.NoError(t, err)
	require.Less(t, seq, uint64(1<<53))
	require.Eventually(t, func() bool { return len(g.told("file of reserved numbers is damaged")) == 1 }, 30*time.Second, time.Millisecond)
	h := open(t, fsys.Kill(), system("one"))
	require.Equal(t, numbered(4), messages(t, h.Journal, "user"))
}

// The file of numbers is damaged, or gone, with records in the ring that are not in the
// text. They are there, no number is given twice, and the host hears of damage.
func TestNumbersAreDamaged(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, content string
		told          int
	}{
		{"cut to nothing", "", 1},
		{"no JSON", "\x00\x00\x00", 1},
		{"no number", `{"version":1}`, 1},
		{"a megabyte", `{"version":1,"next":1048577,"boot":"one"}` + strings.Repeat(" ", 1<<20), 1},
		{"whole", `{"version":1,"next":1048577,"boot":"one"}`, 0},
		{"gone", "gone", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			fsys := vfs.NewMem()
			f := open(t, vfs.Inject(fsys, func(op vfs.Op) error {
				if op.Kind == vfs.OpWrite && strings.HasSuffix(op.Name, ".log") {
					return syscall.EIO
				}
				return nil
			}), system("one"))
			f.sayAll("user", numbered(5))
			last := f.Stats().Newest
			killed := fsys.Kill()
			if c.content == "gone" {
				require.NoError(t, killed.Remove(dir+"/.journal/numbers.json"))
			} else {
				replaceFile(t, killed, "numbers.json", []byte(c.content))
			}
			g := open(t, killed, system("one"))
			require.Equal(t, numbered(5), messages(t, g.Journal, "user"))
			seq, err := g.log("user", run, zapcore.InfoLevel, "message 5")
			require.NoError(t, err)
			require.Greater(t, seq, last)
			require.NoError(t, g.Close())
			require.Len(t, g.told("file of reserved numbers is damaged"), c.told)
			require.EqualValues(t, c.told, g.Stats().Problems)
			h := open(t, killed, system("one"))
			require.Equal(t, numbered(6), messages(t, h.Journal, "user"))
			require.Empty(t, h.told(""))
		})
	}
}

// A process is killed with text that is not synced. The next Sync of another
// speaks for it too.
func TestSyncCoversWhatADeadProcessLeft(t *testing.T) {
	t.Parallel()
	for _, mode := range []journal.Mode{journal.ModeJournal, journal.ModeWrite} {
		t.Run(mode.String(), func(t *testing.T) {
			t.Parallel()
			boot := func(name string) func(*journal.Options) {
				return func(o *journal.Options) {
					o.Mode, o.Boot, o.SyncEvery = mode, name, time.Hour
					o.Rule = rotation.Rule{MaxBytes: 600, Compression: rotation.None}
				}
			}
			fsys := vfs.NewMem()
			f := open(t, fsys, boot("one"))
			for _, m := range numbered(10) {
				_, err := f.log("user", run, zapcore.InfoLevel, m)
				require.NoError(t, err)
			}
			killed := fsys.Kill()
			g := open(t, killed, boot("one"))
			require.NoError(t, g.Sync(t.Context()))
			cut := killed.Crash(rand.New(rand.NewPCG(1, 1)), vfs.CrashOptions{Unsynced: vfs.SurviveNone})
			require.Equal(t, numbered(10), messages(t, open(t, cut, boot("two")).Journal, "user"))
		})
	}
}

// Records that a dead process had accepted, and that no text can take because somebody
// has added a younger one meanwhile, are put aside whole, and told of at once.
func TestOvertakenIsPutAside(t *testing.T) {
	t.Parallel()
	for _, full := range []bool{false, true} {
		fsys := vfs.NewMem()
		f := open(t, fsys)
		f.sayAll("user", []string{"in the text"})
		require.NoError(t, f.Sync(t.Context()))
		fsys.SetSpace(fsys.Used()) // all that follows stays in the ring
		f.sayAll("user", numbered(300))
		killed := fsys.Kill()
		killed.SetSpace(-1)
		text := contentOf(t, killed, "user.log")
		younger := strings.NewReplacer(text[:strings.IndexByte(text, ',')], `{"seq":100000`, "in the text", "added").Replace(text)
		overwrite(t, killed, "user.log", int64(len(text)), younger)
		if full {
			killed.SetSpace(killed.Used())
		}
		g := open(t, killed)
		require.Equal(t, []string{"in the text", "added"}, messages(t, g.Journal, "user"))
		require.NoError(t, g.Close())
		require.Len(t, g.problems, 1)
		require.ErrorContains(t, g.problems[0], "300 records from 2 on would come after 100000 in user.log")
		if full {
			require.ErrorIs(t, g.problems[0], syscall.ENOSPC)
			require.ErrorContains(t, g.problems[0], "are lost")
			require.Positive(t, g.Recovery().LostBytes)
			continue
		}
		require.ErrorContains(t, g.problems[0], "put aside in user.log.broken")
		require.Zero(t, g.Recovery().LostBytes)
		aside := contentOf(t, killed, "user.log.broken")
		require.Len(t, aside, int(g.Recovery().PutAside))
		require.Equal(t, 300, strings.Count(aside, "\n"))
		for i, raw := range strings.SplitAfter(aside, "\n")[:300] {
			var rec line.Record
			require.NoError(t, line.Parse([]byte(strings.TrimSuffix(raw, "\n")), &rec))
			require.Equal(t, numbered(300)[i], rec.Message)
		}
		require.Zero(t, open(t, killed).Recovery().PutAside, "and no second time")
	}
}
