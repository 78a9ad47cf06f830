package journal_test

import (
	"io"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap/zapcore"

	"github.com/steplog/steplog/internal/journal"
	"github.com/steplog/steplog/internal/vfs"
)

// A file that is decompressed just while its process looks whether it is there is not
// taken for a deleted one.
func TestDecompressedWhileLookedFor(t *testing.T) {
	t.Parallel()
	mem := vfs.NewMem()
	var name string // set before armed
	var armed, done atomic.Bool
	var looked atomic.Int64
	fsys := vfs.Inject(mem, func(op vfs.Op) error {
		if op.Kind != vfs.OpLstat {
			return nil
		}
		if armed.Load() && filepath.Base(op.Name) == name+".gz" && !done.Swap(true) {
			gunzip(t, mem, filepath.Join(dir, name))
		}
		if done.Load() {
			looked.Add(1)
		}
		return nil
	})
	f := open(t, fsys, func(o *journal.Options) { o.SyncEvery = time.Millisecond })
	for i, m := range numbered(100) {
		_, err := f.log("user", identity(i%7, 0), zapcore.InfoLevel, m)
		require.NoError(t, err)
	}
	require.NoError(t, f.Rotate("user"))
	require.Eventually(t, func() bool { return len(named(t, mem, ".log.gz")) == 1 && len(named(t, mem, ".log")) == 0 }, 10*time.Second, time.Millisecond)
	plain := named(t, mem, ".log.gz")[0]
	name = plain[:len(plain)-len(".gz")]
	armed.Store(true)
	require.Eventually(t, func() bool { return looked.Load() > 20 }, 10*time.Second, time.Millisecond)
	require.Len(t, messages(t, f.Journal, "user"), 100)
}

// gunzip does what gunzip does to a file, by its plain name.
func gunzip(t *testing.T, fsys vfs.FS, plain string) {
	in, err := fsys.OpenFile(plain+".gz", os.O_RDONLY, 0)
	require.NoError(t, err)
	info, err := in.Stat()
	require.NoError(t, err)
	z, err := gzip.NewReader(io.NewSectionReader(in, 0, info.Size()))
	require.NoError(t, err)
	text, err := io.ReadAll(z)
	require.NoError(t, err)
	require.NoError(t, in.Close())
	out, err := fsys.OpenFile(plain, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	require.NoError(t, err)
	_, err = out.Write(text)
	require.NoError(t, err)
	require.NoError(t, out.Close())
	require.NoError(t, fsys.Remove(plain+".gz"))
}
