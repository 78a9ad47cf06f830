package audit_test

import (
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/steplog/steplog/audit"
	"github.com/steplog/steplog/internal/vfs"
)

// A folder that nobody may look into any more, and a file that is there all the same:
// its write and its sync tell. Where nothing tells whether it is there, nothing is
// acknowledged.
func TestFolderCannotBeRead(t *testing.T) {
	for _, tt := range []struct {
		err      syscall.Errno
		recorded bool
	}{{syscall.EACCES, true}, {syscall.EPERM, true}, {syscall.ENOTDIR, false}, {syscall.EIO, false}} {
		t.Run(tt.err.Error(), func(t *testing.T) {
			var failing atomic.Bool
			mem := vfs.NewMem()
			r, err := hosted(vfs.Inject(mem, vfs.Matching(vfs.Kinds(vfs.OpLstat), func(vfs.Op) error {
				if failing.Load() {
					return tt.err
				}
				return nil
			})), audit.Options{})
			require.NoError(t, err)
			failing.Store(true)
			_, err = flow(r, "one")
			if tt.recorded {
				require.NoError(t, err)
				require.NoError(t, r.Close())
			} else {
				require.ErrorIs(t, err, audit.ErrUnavailable)
				require.ErrorIs(t, err, tt.err)
				_ = r.Close()
			}
			_, err = verify(t, mem)
			require.NoError(t, err)
		})
	}
}

// Somebody removes, moves, replaces, cuts or grows the file that is written, between two
// records or while one is on its way: nothing is acknowledged from then on, and the
// trail goes on once the file is as it was.
func TestChangedBySomebodyElse(t *testing.T) {
	const name = dir + "/audit.log"
	put := func(t *testing.T, fsys vfs.FS, flag int, text []byte) {
		f, err := fsys.OpenFile(name, os.O_WRONLY|os.O_CREATE|flag, 0o600)
		require.NoError(t, err)
		_, err = f.Write(text)
		require.NoError(t, err)
		require.NoError(t, f.Close())
	}
	for what, harm := range map[string]func(t *testing.T, fsys vfs.FS, text []byte){
		"removed": func(t *testing.T, fsys vfs.FS, _ []byte) { require.NoError(t, fsys.Remove(name)) },
		"moved":   func(t *testing.T, fsys vfs.FS, _ []byte) { require.NoError(t, fsys.Rename(name, dir+"/audit.1")) },
		"replaced": func(t *testing.T, fsys vfs.FS, text []byte) {
			require.NoError(t, fsys.Remove(name))
			put(t, fsys, 0, text)
		},
		"cut":   func(t *testing.T, fsys vfs.FS, text []byte) { put(t, fsys, os.O_TRUNC, text[:len(text)/2]) },
		"grown": func(t *testing.T, fsys vfs.FS, _ []byte) { put(t, fsys, os.O_APPEND, []byte("{}\n")) },
	} {
		for _, when := range []vfs.OpKind{vfs.OpWriteAt, vfs.OpSync} { // before the write, and before its sync
			t.Run(what+" before "+when.String(), func(t *testing.T) {
				mem := vfs.NewMem()
				var armed atomic.Bool
				fsys := vfs.Inject(mem, func(op vfs.Op) error {
					if op.Kind == when && strings.HasSuffix(op.Name, "audit.log") && armed.Swap(false) {
						harm(t, mem, content(t, mem, "audit.log"))
					}
					return nil
				})
				r, err := hosted(fsys, audit.Options{})
				require.NoError(t, err)
				_, err = flow(r, "one")
				require.NoError(t, err)
				good := content(t, mem, "audit.log")
				if when == vfs.OpWriteAt {
					harm(t, mem, good)
				} else {
					armed.Store(true)
				}
				for range 2 {
					_, err = flow(r, "two")
					require.ErrorIs(t, err, audit.ErrUnavailable)
					require.ErrorIs(t, err, audit.ErrDamaged)
				}
				if len(content(t, mem, "audit.log")) < len(good) {
					require.ErrorIs(t, r.Reopen(t.Context()), audit.ErrDamaged)
				}
				put(t, mem, os.O_TRUNC, good)
				require.NoError(t, r.Reopen(t.Context()))
				_, err = flow(r, "three")
				require.NoError(t, err)
				require.NoError(t, r.Close())
				_, err = verify(t, mem)
				require.NoError(t, err)
			})
		}
	}
}

// Somebody puts an older state of the folder in the place of the trail, or takes it away:
// what was acknowledged is missing, and the Recorder that did so does not go on without it.
func TestOlderStateBySomebodyElse(t *testing.T) {
	files := []string{"audit.log", "audit.checkpoint"}
	for what, older := range map[string]int{"of no record": 0, "of one record": 1, "nothing": -1} {
		t.Run(what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				mem := vfs.NewMem()
				r, err := hosted(mem, audit.Options{})
				require.NoError(t, err)
				defer func() { require.NoError(t, r.Close()) }()
				var states []map[string][]byte
				for range 3 {
					time.Sleep(2 * time.Second) // audit.checkpoint is the newest
					synctest.Wait()
					state := map[string][]byte{}
					for _, name := range files {
						state[name] = content(t, mem, name)
					}
					states = append(states, state)
					_, err = flow(r, "one")
					require.NoError(t, err)
				}
				time.Sleep(2 * time.Second)
				synctest.Wait()
				newest := content(t, mem, "audit.log")
				for _, name := range files {
					if older < 0 {
						require.NoError(t, mem.Remove(dir+"/"+name))
					} else {
						put(t, mem, name, states[older][name])
					}
				}

				_, err = flow(r, "two")
				require.ErrorIs(t, err, audit.ErrDamaged)
				for range 2 {
					require.ErrorIs(t, r.Reopen(t.Context()), audit.ErrDamaged)
					_, err = flow(r, "two")
					require.ErrorIs(t, err, audit.ErrUnavailable)
				}
				put(t, mem, "audit.log", newest)
				require.NoError(t, r.Reopen(t.Context()))
				_, err = flow(r, "two")
				require.NoError(t, err)
				require.NoError(t, r.Close())
				_, err = verify(t, mem)
				require.NoError(t, err)
			})
		})
	}
}
