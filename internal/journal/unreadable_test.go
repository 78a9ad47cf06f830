package journal_test

import (
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap/zapcore"

	"github.com/steplog/steplog/internal/journal"
	"github.com/steplog/steplog/internal/vfs"
	"github.com/steplog/steplog/rotation"
)

// A closed file that a disk cannot read, or that this process may not, keeps nobody from
// the rest of the log, whether it has its sidecar or not: the host opens it, and hears of
// that file, and readers find the others. Once it can be read again it is there as before.
func TestClosedFileUnreadable(t *testing.T) {
	t.Parallel()
	for _, compression := range []rotation.Compression{rotation.None, rotation.Gzip, rotation.Zstd} {
		for _, at := range []struct {
			power bool
			file  int // the newest has the number 2
		}{{false, 1}, {true, 1}, {false, 2}, {true, 2}} {
			for name, broken := range map[string]func(op vfs.Op) error{
				"a disk that cannot read it": func(op vfs.Op) error {
					switch op.Kind {
					case vfs.OpRead, vfs.OpReadAt, vfs.OpMap:
						return syscall.EIO
					}
					return nil
				},
				"no rights": func(op vfs.Op) error {
					switch op.Kind {
					case vfs.OpOpen, vfs.OpRootOpen:
						return fs.ErrPermission
					}
					return nil
				},
			} {
				for _, sealed := range []bool{false, true} {
					t.Run(fmt.Sprintf("%s, file %d, %v, after a power cut %v, sealed %v", name, at.file, compression, at.power, sealed), func(t *testing.T) {
						t.Parallel()
						testClosedFileUnreadable(t, rotation.Rule{Compression: compression}, at.power, at.file, sealed, broken)
					})
				}
			}
		}
	}
}

func testClosedFileUnreadable(t *testing.T, rule rotation.Rule, power bool, file int, sealed bool, broken func(vfs.Op) error) {
	mem := vfs.NewMem()
	set := func(o *journal.Options) { o.Rule, o.Boot = rule, "one" }
	f := open(t, mem, set)
	for range 3 {
		for i, m := range numbered(100) {
			_, err := f.log("user", identity(i%7, 0), zapcore.InfoLevel, m)
			require.NoError(t, err)
		}
		require.NoError(t, f.Rotate("user"))
	}
	stored := map[rotation.Compression]string{rotation.None: ".log", rotation.Gzip: ".log.gz", rotation.Zstd: ".log.zst"}[rule.Compression]
	require.Eventually(t, func() bool { // and no plain form is left beside a compressed one
		return len(named(t, mem, ".log.idx")) == 3 && len(named(t, mem, stored)) == 3 && len(named(t, mem, "")) == 6
	}, 10*time.Second, time.Millisecond)
	fsys := vfs.FS(mem)
	if power {
		fsys = mem.Kill()
		set = func(o *journal.Options) { o.Rule, o.Boot = rule, "two" }
	}
	require.NoError(t, f.Close())
	for _, name := range named(t, fsys, ".log.idx") {
		if !sealed {
			require.NoError(t, fsys.Remove(filepath.Join(dir, name)))
		}
	}
	closed := named(t, fsys, stored)
	lost := closed[file]
	faulty := vfs.Inject(fsys, func(op vfs.Op) error {
		if filepath.Base(op.Name) == lost {
			return broken(op)
		}
		return nil
	})

	r, err := journal.OpenReader(faulty, dir)
	require.NoError(t, err)
	require.Len(t, messages(t, r, "user"), 200)
	require.NoError(t, r.Close())

	g := open(t, faulty, set)
	require.Len(t, messages(t, g.Journal, "user"), 200)
	_, err = g.log("user", identity(1, 0), zapcore.InfoLevel, "message 100")
	require.NoError(t, err)
	require.NoError(t, g.Flush())
	require.Len(t, messages(t, g.Journal, "user"), 201)
	require.Eventually(t, g.problemSeen, 10*time.Second, time.Millisecond)
	require.NoError(t, g.Close())
	require.Len(t, g.told(rotation.PlainName(lost)), 1)

	again := open(t, fsys, set)
	require.Len(t, messages(t, again.Journal, "user"), 301)
}

// Where nobody may look into the folder for a while, no file in it is given up.
func TestFolderUnreadable(t *testing.T) {
	t.Parallel()
	mem := vfs.NewMem()
	f := open(t, mem)
	for _, m := range numbered(100) {
		_, err := f.log("user", identity(1, 0), zapcore.InfoLevel, m)
		require.NoError(t, err)
	}
	require.NoError(t, f.Rotate("user"))
	require.Eventually(t, func() bool { return len(named(t, mem, ".log.idx")) == 1 && len(named(t, mem, "")) == 2 }, 10*time.Second, time.Millisecond)
	require.NoError(t, f.Close())
	var locked atomic.Bool
	g := open(t, vfs.Inject(mem, func(op vfs.Op) error {
		switch op.Kind {
		case vfs.OpOpen, vfs.OpRootOpen, vfs.OpLstat, vfs.OpRootLstat:
			if locked.Load() && filepath.Dir(op.Name) == dir {
				return fs.ErrPermission
			}
		}
		return nil
	}))
	locked.Store(true)
	_, err := g.Snapshot().Segments[0].Read(0, nil)
	require.ErrorIs(t, err, fs.ErrPermission)
	require.NotErrorIs(t, err, journal.ErrGone)
	locked.Store(false)
	require.Len(t, messages(t, g.Journal, "user"), 100)
}

// named returns the names of a folder's closed files that end so.
func named(t *testing.T, fsys vfs.FS, ext string) (names []string) {
	t.Helper()
	infos, err := fsys.ReadDir(dir)
	require.NoError(t, err)
	for _, info := range infos {
		if strings.HasSuffix(info.Name(), ext) && strings.Contains(info.Name(), "-20") {
			names = append(names, info.Name())
		}
	}
	return names
}
