package rotation_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"

	"github.com/steplog/steplog/internal/vfs"
	"github.com/steplog/steplog/rotation"
)

var errDisk = errors.New("input/output error")

func TestCompress(t *testing.T) {
	tests := []struct {
		compression rotation.Compression
		ext         string
		decode      func(t *testing.T, r io.Reader) io.Reader
	}{
		{rotation.Gzip, ".gz", func(t *testing.T, r io.Reader) io.Reader {
			z, err := gzip.NewReader(r)
			require.NoError(t, err)
			return z
		}},
		{rotation.Zstd, ".zst", func(t *testing.T, r io.Reader) io.Reader {
			z, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1))
			require.NoError(t, err)
			t.Cleanup(z.Close)
			return z
		}},
		{rotation.None, "", func(_ *testing.T, r io.Reader) io.Reader { return r }},
	}
	for _, tt := range tests {
		t.Run(tt.compression.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				fsys := vfs.NewMem()
				var h heard
				o := h.options(rotation.Rule{Compression: tt.compression})
				o.Clock = (&clock{at: day}).now
				f, err := rotation.OpenFS(fsys, "logs/user.log", o)
				require.NoError(t, err)
				lines := numbered(0, 3000)
				write(t, f, lines...)
				require.NoError(t, f.Rotate())
				synctest.Wait()
				name := closedAt("user", day)
				require.Equal(t, []string{name + tt.ext, "user.log"}, names(t, fsys, "logs"))

				d := openFolder(t, fsys, "logs")
				list, err := d.List()
				require.NoError(t, err)
				info, err := fsys.Lstat("logs/" + name + tt.ext)
				require.NoError(t, err)
				require.Equal(t, rotation.Info{Name: name + tt.ext, Log: "user", Bytes: info.Size(), First: day,
					Last: day.Add(2999 * time.Second), Compressed: tt.ext != ""}, list[0])
				require.Equal(t, lines, splitLines(readFile(t, d, name)), "by the name it had")
				require.Equal(t, lines, splitLines(readFile(t, d, name+tt.ext)), "by the name it has")

				raw, err := fsys.OpenFile("logs/"+name+tt.ext, 0, 0)
				require.NoError(t, err)
				text, err := io.ReadAll(tt.decode(t, raw))
				require.NoError(t, err)
				require.Equal(t, lines, splitLines(string(text)), "the ordinary tools read it too")
				require.NoError(t, raw.Close())
				require.NoError(t, f.Close())
				require.Empty(t, h.Problems())
			})
		})
	}
}

// TestCompressInOrder: temporary, sync, rename, sync of the folder, unlink.
func TestCompressInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var rec vfs.Recorder
		f, err := rotation.OpenFS(vfs.Inject(vfs.NewMem(), rec.Hook), "logs/user.log", nil)
		require.NoError(t, err)
		write(t, f, numbered(0, 100)...)
		require.NoError(t, f.Rotate())
		synctest.Wait()
		require.NoError(t, f.Close())
		var steps []string
		for _, op := range rec.Ops() {
			name := op.Name
			if !strings.Contains(name, ".tmp") && !(len(steps) > 0 && op.Writes()) {
				continue
			}
			switch op.Kind {
			case vfs.OpWrite, vfs.OpRemove, vfs.OpSync, vfs.OpRename, vfs.OpSyncDir:
				steps = append(steps, op.Kind.String()+" "+filepath.Ext(name))
			}
		}
		want := []string{"remove .tmp", "write .tmp", "write .tmp", "sync .tmp", "rename .tmp", "syncdir ", "remove .log"}
		require.Equal(t, want, steps[:len(want)], "%q", steps)
	})
}

// A new rule does not wait for a file that is being compressed.
func TestRuleWhileCompressing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mem := vfs.NewMem()
		writes, free := 0, make(chan struct{})
		f, err := rotation.OpenFS(vfs.Inject(mem, func(op vfs.Op) error {
			if op.Kind == vfs.OpWrite && strings.HasSuffix(op.Name, ".tmp") {
				if writes++; writes == 1 || writes == 8 {
					<-free
				}
			}
			return nil
		}), "logs/user.log", &rotation.Options{Clock: (&clock{at: day}).now})
		require.NoError(t, err)
		for range 3 {
			write(t, f, numbered(0, 8_000)...)
			require.NoError(t, f.Rotate())
		}
		synctest.Wait()
		require.Equal(t, 1, writes)
		require.NoError(t, f.SetRule(rotation.Rule{MaxFiles: 1}))
		free <- struct{}{}
		synctest.Wait()
		require.Equal(t, 8, writes, "it goes on")
		closed := slices.DeleteFunc(names(t, mem, "logs"), func(name string) bool {
			return name == "user.log" || strings.HasSuffix(name, ".tmp")
		})
		require.Len(t, closed, 1, "what the rule does not keep is gone")
		close(free)
		require.NoError(t, f.Close())
	})
}

// TestAfterACrashInCompression: what the next Open finds is resolved, whatever
// step the process had come to.
func TestAfterACrashInCompression(t *testing.T) {
	name := closedAt("user", day)
	plain := strings.Join(numbered(0, 100), "\n") + "\n"
	tests := []struct {
		name string
		put  map[string]string
	}{
		{"before", map[string]string{name: plain}},
		{"the temporary is half written", map[string]string{name: plain, name + ".gz.tmp": "\x1f\x8b half"}},
		{"both are there", map[string]string{name: plain, name + ".gz": "\x1f\x8b not to be believed"}},
		{"both are there, and it was another format", map[string]string{name: plain, name + ".zst": "not to be believed"}},
		{"a rotation had made its next file", map[string]string{name: plain, "user.log.next": ""}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				fsys := vfs.NewMem()
				for n, text := range tt.put {
					put(t, fsys, "logs/"+n, text)
				}
				var h heard
				d := openFolder(t, fsys, "logs")
				require.Equal(t, plain, readFile(t, d, name), "a reader takes the plain one")
				f, err := rotation.OpenFS(fsys, "logs/user.log", h.options(rotation.Rule{}))
				require.NoError(t, err)
				synctest.Wait()
				require.Equal(t, []string{name + ".gz", "user.log"}, names(t, fsys, "logs"))
				require.Equal(t, plain, readFile(t, d, name+".gz"))
				require.NoError(t, f.Close())
				require.Empty(t, h.Problems())
			})
		})
	}
}

// TestStopAtEveryStepOfCompression: the system stops after each operation in
// turn, or loses power there; the lines are all there after the next Open.
func TestStopAtEveryStepOfCompression(t *testing.T) {
	lines := numbered(0, 200)
	text := strings.Join(lines, "\n") + "\n"
	for n := int64(1); ; n++ {
		mem := vfs.NewMem()
		var cut *vfs.Mem
		var once sync.Once
		hook := func(op vfs.Op) error {
			if op.N == n {
				once.Do(func() { cut = mem.Crash(nil, vfs.CrashOptions{}) })
			}
			return nil
		}
		synctest.Test(t, func(t *testing.T) {
			put(t, mem, "logs/"+closedAt("user", day), text) // here, where it is not younger than what is made of it
			require.NoError(t, mem.SyncDir("."))
			require.NoError(t, mem.SyncDir("logs"))
			f, err := rotation.OpenFS(vfs.Inject(mem, hook), "logs/user.log", nil)
			require.NoError(t, err)
			synctest.Wait()
			require.NoError(t, f.Close())
		})
		if cut == nil {
			require.Greater(t, n, int64(20))
			return
		}
		synctest.Test(t, func(t *testing.T) {
			f, err := rotation.OpenFS(cut, "logs/user.log", nil)
			require.NoError(t, err)
			synctest.Wait()
			require.NoError(t, f.Close())
			require.Equal(t, lines, allLines(t, openFolder(t, cut, "logs")), "stopped at operation %d", n)
			require.Equal(t, []string{closedAt("user", day) + ".gz", "user.log"}, names(t, cut, "logs"))
		})
	}
}

// TestCompressionFails: the plain file stays, nothing is left over in the end, and it is
// tried again.
func TestCompressionFails(t *testing.T) {
	for name, fails := range map[string]func(op vfs.Op) bool{
		"open":        func(op vfs.Op) bool { return op.Kind == vfs.OpOpen && strings.HasSuffix(op.Name, ".tmp") },
		"read":        func(op vfs.Op) bool { return op.Kind == vfs.OpRead && strings.Contains(op.Name, "user-") },
		"write":       func(op vfs.Op) bool { return op.Kind == vfs.OpWrite && strings.HasSuffix(op.Name, ".tmp") },
		"sync":        func(op vfs.Op) bool { return op.Kind == vfs.OpSync && strings.HasSuffix(op.Name, ".tmp") },
		"rename":      func(op vfs.Op) bool { return op.Kind == vfs.OpRename && strings.HasSuffix(op.Name, ".tmp") },
		"sync folder": func(op vfs.Op) bool { return op.Kind == vfs.OpSyncDir },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				mem := vfs.NewMem()
				var failing atomic.Bool
				var h heard
				f, err := rotation.OpenFS(vfs.Inject(mem, func(op vfs.Op) error {
					if failing.Load() && fails(op) {
						return errDisk
					}
					return nil
				}), "logs/user.log", h.options(rotation.Rule{}))
				require.NoError(t, err)
				write(t, f, "line")
				synctest.Wait()
				failing.Store(true)
				require.NoError(t, f.Rotate())
				synctest.Wait()
				require.NotEmpty(t, h.Problems())
				require.ErrorIs(t, h.Problems()[0], errDisk)
				plain := h.Closed()[0].Name
				require.Equal(t, []string{plain, "user.log"},
					slices.DeleteFunc(names(t, mem, "logs"), func(name string) bool { return strings.HasPrefix(name, plain+".gz") }))
				require.Equal(t, []string{"line"}, allLines(t, openFolder(t, mem, "logs")))
				failing.Store(false)
				<-time.After(2 * time.Minute)
				synctest.Wait()
				require.Equal(t, []string{plain + ".gz", "user.log"}, names(t, mem, "logs"))
				require.NoError(t, f.Close())
			})
		})
	}
}

// TestDeletedWhileCompressed: a file that is deleted while it is compressed
// does not come back.
func TestDeletedWhileCompressed(t *testing.T) {
	for _, step := range []vfs.OpKind{vfs.OpWrite, vfs.OpSync, vfs.OpRename} {
		t.Run(step.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				mem := vfs.NewMem()
				name := closedAt("user", day)
				put(t, mem, "logs/"+name, "line\n")
				d := openFolder(t, mem, "logs")
				deleted := false
				fsys := vfs.Inject(mem, func(op vfs.Op) error {
					if op.Kind == step && strings.HasSuffix(op.Name, ".tmp") && !deleted {
						deleted = true
						require.NoError(t, d.Delete(t.Context(), name))
					}
					return nil
				})
				f, err := rotation.OpenFS(fsys, "logs/user.log", nil)
				require.NoError(t, err)
				synctest.Wait()
				require.True(t, deleted)
				require.Equal(t, []string{"user.log"}, names(t, mem, "logs"))
				require.NoError(t, f.Close())
			})
		})
	}
}

// TestCompressedByOthersMeanwhile: somebody else compresses a file while it is
// compressed here, comes first, and removes the plain form. That is no deletion.
func TestCompressedByOthersMeanwhile(t *testing.T) {
	for _, step := range []vfs.OpKind{vfs.OpWrite, vfs.OpSync, vfs.OpRename} {
		t.Run(step.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				mem := vfs.NewMem()
				name := closedAt("user", day)
				plain := strings.Join(numbered(0, 100), "\n") + "\n"
				put(t, mem, "logs/"+name, plain)
				var compressed bytes.Buffer
				z := gzip.NewWriter(&compressed)
				_, err := z.Write([]byte(plain))
				require.NoError(t, err)
				require.NoError(t, z.Close())
				begun, done := false, false
				fsys := vfs.Inject(mem, func(op vfs.Op) error {
					if strings.HasSuffix(op.Name, ".tmp") && !begun {
						begun = true
						put(t, mem, "logs/"+name+".gz", compressed.String())
					}
					if op.Kind == step && strings.HasSuffix(op.Name, ".tmp") && !done {
						done = true
						require.NoError(t, mem.Remove("logs/"+name))
					}
					return nil
				})
				sealed := map[string]int{}
				f, err := rotation.OpenFS(fsys, "logs/user.log", &rotation.Options{Seal: func(_ context.Context, c rotation.Closed) error {
					sealed[c.File]++
					if c.Temp == "" {
						return nil
					}
					out, err := fsys.OpenFile(c.Temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
					require.NoError(t, err)
					_, err = out.Write(compressed.Bytes())
					return errors.Join(err, out.Sync(), out.Close())
				}})
				require.NoError(t, err)
				synctest.Wait()
				require.True(t, done)
				require.Equal(t, []string{name + ".gz", "user.log"}, names(t, mem, "logs"))
				require.Equal(t, plain, readFile(t, openFolder(t, mem, "logs"), name))
				require.NoError(t, f.Close())
				if step != vfs.OpRename {
					require.Equal(t, map[string]int{name: 1, name + ".gz": 1}, sealed, "as the others made it")
				}
			})
		})
	}
}

// TestOpenWhileOthersCompress: a File is opened while somebody else compresses a closed
// file, who goes on then and removes the plain form at the end. It stays whole.
func TestOpenWhileOthersCompress(t *testing.T) {
	plain := strings.Join(numbered(0, 1000), "\n") + "\n"
	var compressed bytes.Buffer
	z := gzip.NewWriter(&compressed)
	_, err := z.Write([]byte(plain))
	require.NoError(t, err)
	require.NoError(t, z.Close())
	half := compressed.Len() / 2
	for kind, last := range map[rotation.Compression]string{rotation.None: ".gz", rotation.Gzip: ".gz", rotation.Zstd: ".zst"} {
		t.Run(kind.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				mem := vfs.NewMem()
				name := closedAt("user", day)
				put(t, mem, "logs/"+name, plain)
				time.Sleep(time.Second)
				theirs, err := mem.OpenFile("logs/"+name+".gz", os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
				require.NoError(t, err)
				_, err = theirs.Write(compressed.Bytes()[:half])
				require.NoError(t, err)
				f, err := rotation.OpenFS(mem, "logs/user.log", &rotation.Options{Rule: rotation.Rule{Compression: kind}})
				require.NoError(t, err)
				synctest.Wait()
				require.Equal(t, plain, readFile(t, openFolder(t, mem, "logs"), name))
				_, err = theirs.Write(compressed.Bytes()[half:])
				require.NoError(t, err)
				require.NoError(t, theirs.Close())
				require.NoError(t, vfs.IgnoreNotExist(mem.Remove("logs/"+name)))
				require.Equal(t, []string{name + last, "user.log"}, names(t, mem, "logs"))
				require.Equal(t, plain, readFile(t, openFolder(t, mem, "logs"), name))
				require.NoError(t, f.Close())
			})
		})
	}
}

// TestCloseInterruptsCompression: Close does not wait for a large file.
func TestCloseInterruptsCompression(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mem := vfs.NewMem()
		name := closedAt("user", day)
		put(t, mem, "logs/"+name, string(bytes.Repeat([]byte("a line of text\n"), 1<<16)))
		var f *rotation.File
		var closing sync.WaitGroup
		reads := 0
		fsys := vfs.Inject(mem, func(op vfs.Op) error {
			if op.Kind == vfs.OpRead && strings.HasSuffix(op.Name, name) {
				if reads++; reads == 2 {
					closing.Go(func() { _ = f.Close() })
					<-time.After(time.Second) // until it has begun
				}
			}
			return nil
		})
		ready := make(chan struct{})
		f, err := rotation.OpenFS(vfs.Inject(fsys, func(op vfs.Op) error {
			if op.Kind == vfs.OpRead {
				<-ready
			}
			return nil
		}), "logs/user.log", nil)
		require.NoError(t, err)
		close(ready)
		synctest.Wait()
		<-time.After(time.Minute)
		closing.Wait()
		require.LessOrEqual(t, reads, 3)
		require.Equal(t, []string{name, "user.log"}, names(t, mem, "logs"), "nothing half done")
	})
}

// TestRetentionBeforeCompression: however far compression is behind, files
// over the limit go.
func TestRetentionBeforeCompression(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mem := vfs.NewMem()
		compressed := []string{}
		fsys := vfs.Inject(mem, func(op vfs.Op) error {
			if op.Kind == vfs.OpRename && strings.HasSuffix(op.Name, ".tmp") {
				compressed = append(compressed, op.NewName)
				<-time.After(time.Minute) // a slow machine
			}
			return nil
		})
		var h heard
		f, err := rotation.OpenFS(fsys, "logs/user.log", h.options(rotation.Rule{MaxBytes: 10, MaxFiles: 3}))
		require.NoError(t, err)
		for i := range 100 {
			write(t, f, fmt.Sprintf("line %04d", i))
		}
		<-time.After(10 * time.Minute)
		synctest.Wait()
		require.Len(t, h.Removed(), 96)
		require.Less(t, len(compressed), 10, "what goes anyway is not compressed first")
		kept := slices.DeleteFunc(names(t, mem, "logs"), func(n string) bool { return n == "user.log" })
		require.Len(t, kept, 3)
		require.NoError(t, f.Close())
	})
}

// Somebody decompresses a file beside its compressed form, and may not have come to the
// end: nobody takes what is there for the file, compresses it, or removes what it was made
// of, whether the folder is open or is opened then.
func TestDecompressedBeside(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fsys := vfs.NewMem()
		var h heard
		o := h.options(rotation.Rule{})
		o.Clock = (&clock{at: day}).now
		f, err := rotation.OpenFS(fsys, "logs/user.log", o)
		require.NoError(t, err)
		lines := numbered(0, 3000)
		write(t, f, lines...)
		require.NoError(t, f.Rotate())
		synctest.Wait()
		name := closedAt("user", day)
		time.Sleep(time.Second)
		put(t, fsys, "logs/"+name, strings.Join(lines[:1000], "\n")+"\n")

		there := func() {
			t.Helper()
			require.Equal(t, []string{name, name + ".gz", "user.log"}, names(t, fsys, "logs"))
			d := openFolder(t, fsys, "logs")
			list, err := d.List()
			require.NoError(t, err)
			require.Equal(t, name+".gz", list[0].Name)
			require.Equal(t, day.Add(2999*time.Second), list[0].Last)
			require.Equal(t, lines, splitLines(readFile(t, d, name)))
			require.Equal(t, lines, splitLines(readFile(t, d, name+".gz")))
		}
		there()
		require.NoError(t, f.SetRule(rotation.Rule{Compression: rotation.Zstd}))
		time.Sleep(2 * time.Minute)
		there()
		require.NoError(t, f.Close())
		f, err = rotation.OpenFS(fsys, "logs/user.log", o)
		require.NoError(t, err)
		time.Sleep(2 * time.Minute)
		there()
		require.NoError(t, f.Close())
		require.Empty(t, h.Problems())
	})
}
