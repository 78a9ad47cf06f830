package journal_test

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap/zapcore"

	"github.com/steplog/steplog/internal/journal"
	"github.com/steplog/steplog/internal/line"
	"github.com/steplog/steplog/internal/vfs"
)

// saying is what the records of a log say was dropped.
type saying struct {
	Seq     uint64
	Level   string
	Kind    string
	Topic   string
	Message string
	Details struct {
		Count       int
		ByLevel     map[string]int `json:"by_level"`
		First, Last time.Time
	}
}

// sayings returns the records of a log that say what was dropped.
func sayings(t *testing.T, j *journal.Journal, log string) (list []saying) {
	t.Helper()
	snap := j.Snapshot()
	for i := range snap.Segments {
		for seg, r := &snap.Segments[i], 0; seg.File() == log && r < seg.Len(); r++ {
			raw, err := seg.Read(r, nil)
			require.NoError(t, err)
			var s saying
			require.NoError(t, json.Unmarshal(raw, &s))
			if strings.HasPrefix(s.Message, "dropped ") {
				list = append(list, s)
			}
		}
	}
	return list
}

// tooLong is as long as a line gets.
var tooLong = strings.Repeat("z", 1<<20)

// disk is one whose texts have no room while it is full.
type disk struct {
	*vfs.Mem
	full atomic.Bool
}

func (d *disk) fs() vfs.FS {
	return vfs.Inject(d.Mem, func(op vfs.Op) error {
		if d.full.Load() && op.Kind == vfs.OpWrite && strings.HasSuffix(op.Name, ".log") {
			return vfs.Short(0, syscall.ENOSPC)
		}
		return nil
	})
}

// kill returns what a kill of all processes leaves.
func (d *disk) kill(full bool) *disk {
	left := &disk{Mem: d.Mem.Kill()}
	left.full.Store(full)
	return left
}

// dropAll offers records of some levels that are dropped.
func (f *folder) dropAll(log string, levels ...zapcore.Level) {
	f.t.Helper()
	for _, level := range levels {
		_, err := f.log(log, run, level, tooLong)
		require.Error(f.t, err)
	}
}

// fill has a full disk notice that it is, and leaves no room in the ring.
func (f *folder) fill() {
	f.t.Helper()
	require.Eventually(f.t, func() bool {
		_, err := f.log("email", run, zapcore.ErrorLevel, tooLong)
		return err != nil && f.Stats().Failing
	}, 10*time.Second, time.Millisecond)
}

// filled is a folder on a full disk, with something in each of three logs.
func filled(t *testing.T, mode journal.Mode) (*disk, *folder) {
	t.Helper()
	d := &disk{Mem: vfs.NewMem()}
	f := open(t, d.fs(), system("one"), inMode(mode))
	for _, log := range []string{"user", "application", "email"} {
		_, err := f.log(log, run, zapcore.InfoLevel, "first")
		require.NoError(t, err)
	}
	require.NoError(t, f.Sync(t.Context()))
	d.full.Store(true)
	if mode == journal.ModeJournal {
		f.fill()
	}
	return d, f
}

func inMode(mode journal.Mode) func(*journal.Options) {
	return func(o *journal.Options) { o.Mode = mode }
}

// A process that is killed while the disk is full has counted what it dropped. The
// next one says so, once, each log its own.
func TestDroppedAndKilled(t *testing.T) {
	t.Parallel()
	for _, mode := range []journal.Mode{journal.ModeJournal, journal.ModeWrite} {
		t.Run("R6.1 library: after a kill on a full disk a record says what was dropped, mode "+mode.String(), func(t *testing.T) {
			t.Parallel()
			d, f := filled(t, mode)
			before := time.Now()
			f.dropAll("user", zapcore.DebugLevel, zapcore.InfoLevel, zapcore.ErrorLevel, zapcore.InfoLevel)
			f.dropAll("application", zapcore.WarnLevel)
			for range 3 { // killed on the full disk again
				d = d.kill(true)
				f = open(t, d.fs(), system("one"), inMode(mode))
				f.dropAll("user", zapcore.WarnLevel)
				require.Equal(t, int64(1), f.Stats().Files["user"].Dropped, "since it was opened")
			}
			after := time.Now()
			for range 2 {
				d = d.kill(false)
				f = open(t, d.fs(), system("one"), inMode(mode))
				_, err := f.log("user", run, zapcore.InfoLevel, "next")
				require.NoError(t, err)
				said := sayings(t, f.Journal, "user")
				count, byLevel := 0, map[string]int{}
				for _, s := range said {
					require.Equal(t, "warn event system", s.Level+" "+s.Kind+" "+s.Topic)
					require.Equal(t, fmt.Sprint("dropped ", s.Details.Count), s.Message)
					require.False(t, s.Details.First.Before(before))
					require.False(t, s.Details.Last.Before(s.Details.First))
					require.False(t, after.Before(s.Details.Last))
					count += s.Details.Count
					for level, n := range s.Details.ByLevel {
						byLevel[level] += n
					}
				}
				require.Equal(t, 7, count)
				require.Equal(t, map[string]int{"debug": 1, "info": 2, "error": 1, "warn": 3}, byLevel)
				if mode == journal.ModeWrite { // what is said needs room in the text; in the ring there may be some
					require.Len(t, said, 1)
				}
				said = sayings(t, f.Journal, "application")
				require.Len(t, said, 1)
				require.Equal(t, map[string]int{"warn": 1}, said[0].Details.ByLevel)
			}
		})
	}
}

// A log without room to say what was dropped says it when it is opened again.
func TestDroppedAndClosed(t *testing.T) {
	t.Parallel()
	d, f := filled(t, journal.ModeWrite)
	f.dropAll("user", zapcore.InfoLevel, zapcore.InfoLevel)
	require.ErrorContains(t, f.Close(), "user: 2 records were dropped, and the log does not say so until it is opened again")
	d.full.Store(false)
	for _, mode := range []journal.Mode{journal.ModeWrite, journal.ModeJournal} {
		g := open(t, d.fs(), system("one"), inMode(mode))
		require.Equal(t, []string{"first", "dropped 2"}, messages(t, g.Journal, "user"))
		require.NoError(t, g.Close())
	}
}

// What was said is not said again: not by a process that was killed right after it had
// said so and before it noted that, and not after a power cut that brings back what was
// noted before.
func TestDroppedIsSaidOnce(t *testing.T) {
	t.Parallel()
	for _, boot := range []string{"one", "two"} {
		for _, rotated := range []bool{false, true} {
			d, f := filled(t, journal.ModeJournal)
			f.dropAll("user", zapcore.InfoLevel, zapcore.ErrorLevel)
			unsaid := contentOf(t, d, ".journal/dropped")
			d = d.kill(false)
			f = open(t, d.fs(), system("one"))
			f.sayAll("user", []string{"second", "third"})
			require.NoError(t, f.Sync(t.Context()))
			if rotated {
				require.NoError(t, f.Rotate("user"))
			}
			want := []string{"first", "dropped 2", "second", "third"}
			require.Equal(t, want, messages(t, f.Journal, "user"))
			d = d.kill(false)
			overwrite(t, d, ".journal/dropped", 0, unsaid)
			f = open(t, d.fs(), system(boot))
			require.Equal(t, want, messages(t, f.Journal, "user"))
			// And what is dropped later is something else.
			d.full.Store(true)
			f.fill()
			f.dropAll("user", zapcore.InfoLevel)
			d = d.kill(false)
			f = open(t, d.fs(), system(boot))
			require.Equal(t, append(want, "dropped 1"), messages(t, f.Journal, "user"))
			require.NoError(t, f.Close())
		}
	}
}

// A kill between two stores leaves what was counted before, or what is counted now.
func TestDroppedTorn(t *testing.T) {
	t.Parallel()
	d, f := filled(t, journal.ModeWrite)
	states := []string{contentOf(t, d, ".journal/dropped")}
	for range 3 {
		f.dropAll("user", zapcore.InfoLevel)
		states = append(states, contentOf(t, d, ".journal/dropped"))
	}
	for n := range 3 {
		before, after := states[n], states[n+1]
		from, to := 0, len(after)
		for before[from] == after[from] {
			from++
		}
		for before[to-1] == after[to-1] {
			to--
		}
		require.LessOrEqual(t, to-from, 128)
		for at := from; at <= to; at++ {
			left := d.kill(false)
			overwrite(t, left, ".journal/dropped", 0, after[:at]+before[at:])
			g := open(t, left.fs(), system("one"), inMode(journal.ModeWrite))
			count := 0
			for _, s := range sayings(t, g.Journal, "user") {
				count += s.Details.Count
			}
			if at < to {
				require.Equal(t, n, count, "up to byte %d of %d", at-from, to-from)
			} else {
				require.Equal(t, n+1, count)
			}
			require.NoError(t, g.Close())
		}
	}
}

// A file that is not what was written is put aside, reported, and made anew; one that
// is missing, as in a folder of an earlier version, is made.
func TestDroppedDamaged(t *testing.T) {
	t.Parallel()
	for name, damage := range map[string]func(t *testing.T, fsys *vfs.Mem){
		"no header": func(t *testing.T, fsys *vfs.Mem) { overwrite(t, fsys, ".journal/dropped", 0, "not ours") },
		"version 0": func(t *testing.T, fsys *vfs.Mem) { overwrite(t, fsys, ".journal/dropped", 16, "\x00") },
		"checksum":  func(t *testing.T, fsys *vfs.Mem) { overwrite(t, fsys, ".journal/dropped", 20, "crc!") },
		"cut":       func(t *testing.T, fsys *vfs.Mem) { replaceFile(t, fsys, "dropped", []byte("steplog")) },
		"empty":     func(t *testing.T, fsys *vfs.Mem) { replaceFile(t, fsys, "dropped", nil) },
		"missing":   func(t *testing.T, fsys *vfs.Mem) { require.NoError(t, fsys.Remove(dir+"/.journal/dropped")) },
	} {
		d, f := filled(t, journal.ModeJournal)
		f.dropAll("user", zapcore.InfoLevel)
		d = d.kill(false)
		damage(t, d.Mem)
		f = open(t, d.fs(), system("one"))
		require.Equal(t, []string{"first"}, messages(t, f.Journal, "user"), name)
		if name != "missing" {
			require.Eventually(t, f.problemSeen, 30*time.Second, time.Millisecond, name)
			_, err := d.Lstat(dir + "/.journal/dropped.broken")
			require.NoError(t, err, name)
		}
		require.Len(t, contentOf(t, d, ".journal/dropped"), 1<<16)
		require.NoError(t, f.Close())
	}
}

// A file that cannot be read now keeps no folder shut, and is there another time.
func TestDroppedCannotBeRead(t *testing.T) {
	t.Parallel()
	d, f := filled(t, journal.ModeWrite)
	f.dropAll("user", zapcore.InfoLevel)
	d = d.kill(false)
	g := open(t, vfs.Inject(d.Mem, vfs.Matching(vfs.Kinds(vfs.OpOpen), func(op vfs.Op) error {
		if strings.HasSuffix(op.Name, "/dropped") {
			return syscall.EMFILE
		}
		return nil
	})), system("one"))
	require.Eventually(t, g.problemSeen, 30*time.Second, time.Millisecond)
	require.Equal(t, []string{"first"}, messages(t, g.Journal, "user"))
	require.NoError(t, g.Close())
	h := open(t, d.fs(), system("one"))
	require.Equal(t, []string{"first", "dropped 1"}, messages(t, h.Journal, "user"))
}

// Which log a count is of stands in the table of files: without that, the host hears.
func TestDroppedOfNoLog(t *testing.T) {
	t.Parallel()
	d, f := filled(t, journal.ModeWrite)
	f.dropAll("user", zapcore.InfoLevel)
	d = d.kill(false)
	replaceFile(t, d, "files.json", []byte(`{"version":1,"names":[]}`))
	for n := range 2 {
		f = open(t, d.fs(), system("one"))
		for _, log := range []string{"user", "application"} {
			require.Equal(t, []string{"first"}, messages(t, f.Journal, log))
		}
		require.NoError(t, f.Close())
		f.mu.Lock()
		require.Equal(t, n == 0, strings.Contains(fmt.Sprint(f.problems), "1 records were dropped of a log that no file names any more"))
		f.mu.Unlock()
	}
}

// A log whose text is gone is made to say it.
func TestDroppedOfDeletedLog(t *testing.T) {
	t.Parallel()
	d, f := filled(t, journal.ModeWrite)
	f.dropAll("user", zapcore.InfoLevel)
	d = d.kill(false)
	require.NoError(t, d.Remove(dir+"/user.log"))
	f = open(t, d.fs(), system("one"))
	require.Equal(t, []string{"dropped 1"}, messages(t, f.Journal, "user"))
}

// What is counted is right whatever the file has: nothing panics, nothing is
// allocated by it, and the folder opens or says that it was written by a newer version.
func FuzzDropped(f *testing.F) {
	left := leftFolder(f)
	file, err := left.OpenFile(dir+"/.journal/dropped", os.O_RDONLY, 0)
	require.NoError(f, err)
	whole := make([]byte, 1<<16)
	_, err = file.ReadAt(whole, 0)
	require.NoError(f, err)
	require.NoError(f, file.Close())
	f.Add([]byte{}, false)
	f.Add([]byte("\x01"), true)
	f.Add(binary.LittleEndian.AppendUint64(make([]byte, 16), 1<<60), true)
	f.Fuzz(func(t *testing.T, slot []byte, sums bool) {
		fsys, content := left.Kill(), append([]byte(nil), whole...)
		for code := range 2 { // the same in both slots of two logs
			for turn := range 2 {
				at := content[256+(2*code+turn)*128:][:128]
				copy(at, slot)
				if sums {
					binary.LittleEndian.PutUint32(at[120:], crc32.Checksum(at[:120], crc32.MakeTable(crc32.Castagnoli)))
				}
			}
		}
		replaceFile(t, fsys, "dropped", content)
		openLeft(t, fsys, journal.ModeJournal, "one")
		again := open(t, fsys, system("one"))
		for _, log := range []string{"user", "email"} {
			for _, s := range sayings(t, again.Journal, log) {
				require.True(t, sums && s.Details.Count > 0, "%+v", s)
				require.LessOrEqual(t, uint64(s.Details.Count), uint64(len(line.Levels{}))<<53)
			}
		}
		require.NoError(t, again.Close())
	})
}
