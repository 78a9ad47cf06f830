package logger_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/steplog/steplog/levels"
	"github.com/steplog/steplog/logger"
)

// However a text is cut into writes, its lines are logged whole and in order.
func FuzzWriter(f *testing.F) {
	f.Add("one\ntwo\r\n\nlast", uint8(3))
	f.Add("\r\r\n\n\r", uint8(1))
	f.Add(strings.Repeat("x", 70_000)+"\nnext", uint8(255))
	f.Fuzz(func(t *testing.T, text string, part uint8) {
		store := logger.OpenMemory(nil)
		w := store.Server("edge-1").Writer(levels.Info)
		for rest := text; rest != ""; {
			n := min(len(rest), int(part)+1)
			written, err := w.Write([]byte(rest[:n]))
			require.NoError(t, err)
			require.Equal(t, n, written)
			rest = rest[n:]
		}
		require.NoError(t, w.Close())

		var want []string
		for line := range strings.Lines(text) {
			whole := strings.TrimSuffix(line, "\n")
			whole = strings.TrimSuffix(whole, "\r")
			want = append(want, string([]rune(whole))) // each byte that is no UTF-8 becomes U+FFFD
		}
		got := host(t, store)
		require.Len(t, got, len(want))
		for i, r := range got {
			if r.Truncated {
				require.Greater(t, len(want[i]), 60_000)
				continue
			}
			require.Equal(t, want[i], r.Message)
		}
		require.NoError(t, store.Close())
	})
}
