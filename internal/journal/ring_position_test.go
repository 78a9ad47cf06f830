package journal_test

import (
	"encoding/binary"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap/zapcore"

	"github.com/steplog/steplog/internal/vfs"
)

// A ring whose positions would not fit their 64 bits after some more records is damaged:
// with one, what is in the text would not be shown, and what comes be lost with a kill.
func TestRingPositionsTooLarge(t *testing.T) {
	t.Parallel()
	fsys := vfs.NewMem()
	f := open(t, fsys, system("one"))
	f.sayAll("user", []string{"first"})
	require.NoError(t, f.Flush())
	killed := fsys.Kill()
	at := binary.LittleEndian.AppendUint64(nil, 1<<64-32)
	overwrite(t, killed, ".journal/ring", 64, string(at))
	overwrite(t, killed, ".journal/ring", 128, string(at))
	f = open(t, killed, system("one"))
	require.Equal(t, []string{"first"}, messages(t, f.Journal, "user"))
	_, err := f.log("user", run, zapcore.InfoLevel, "next")
	require.NoError(t, err)
	again := open(t, killed.Kill(), system("one"))
	require.Equal(t, []string{"first", "next"}, messages(t, again.Journal, "user"))
}
