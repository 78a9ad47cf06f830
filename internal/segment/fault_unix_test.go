//go:build unix

package segment_test

import (
	"io"
	"os"
	"path/filepath"
	"runtime/debug"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/steplog/steplog/internal/block"
	"github.com/steplog/steplog/internal/segment"
)

// cutting cuts a file when something is written for the first time.
type cutting struct {
	t *testing.T
	f *os.File
}

func (c *cutting) Write(p []byte) (int, error) {
	require.NoError(c.t, c.f.Truncate(0))
	return len(p), nil
}

// A text that is mapped may go away under the feet: what then happens happens in the
// goroutine that called, which can be ready for it.
func TestSealOfATextThatGoesAway(t *testing.T) {
	for _, when := range []string{"before", "while it is written"} {
		t.Run(when, func(t *testing.T) {
			text := workflow(20_000, 3)
			path := filepath.Join(t.TempDir(), "user.log")
			require.NoError(t, os.WriteFile(path, text, 0o600))
			f, err := os.OpenFile(path, os.O_RDWR, 0)
			require.NoError(t, err)
			defer f.Close()
			mapped, err := unix.Mmap(int(f.Fd()), 0, len(text), unix.PROT_READ, unix.MAP_SHARED)
			require.NoError(t, err)
			defer func() { require.NoError(t, unix.Munmap(mapped)) }()
			var out io.Writer = &cutting{t, f}
			if when == "before" {
				require.NoError(t, f.Truncate(0))
			}
			defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
			defer func() {
				_, fault := recover().(interface{ Addr() uintptr })
				require.True(t, fault)
			}()
			_, err = segment.Seal(t.Context(), mapped, out, segment.Options{Format: block.Gzip, Fields: []string{"sku", "order_id"}})
			require.Fail(t, "it was sealed", "%v", err)
		})
	}
}
