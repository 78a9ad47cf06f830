package levels_test

import (
	"log/slog"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap/zapcore"

	"github.com/steplog/steplog/levels"
)

// ascending is the ordered set.
var ascending = [...]zapcore.Level{levels.Trace, levels.Debug, levels.Info, levels.Warn, levels.Error, levels.Fatal}

func TestOrder(t *testing.T) {
	t.Parallel()
	for i, l := range ascending[1:] {
		require.Greater(t, l, ascending[i])
	}
	require.Zero(t, levels.Info)
}

func TestParse(t *testing.T) {
	t.Parallel()
	good := func(in string, want zapcore.Level) {
		t.Helper()
		got, err := levels.Parse(in)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	for _, l := range ascending {
		good(levels.Name(l), l)
		good(strings.ToUpper(levels.Name(l)), l)
	}
	good("warning", levels.Warn)
	good("WARNING", levels.Warn)
	good("Warning", levels.Warn)
	good("DPanic", levels.Error)
	good("panic", levels.Error)

	for _, in := range []string{"", " info", "info ", "information", "2", "warn,error", "\x00", "ınfo", "İnfo"} {
		got, err := levels.Parse(in)
		require.ErrorIs(t, err, levels.ErrUnknown, "%q", in)
		require.Equal(t, levels.Info, got)
	}
}

func TestName(t *testing.T) {
	t.Parallel()
	f := func(l zapcore.Level, want string) {
		t.Helper()
		require.Equal(t, want, levels.Name(l))
	}
	f(-128, "trace")
	f(levels.Trace, "trace")
	f(levels.Debug, "debug")
	f(levels.Info, "info")
	f(levels.Warn, "warn")
	f(levels.Error, "error")
	f(zapcore.DPanicLevel, "error")
	f(zapcore.PanicLevel, "error")
	f(levels.Fatal, "fatal")
	f(127, "fatal")
}

func TestSlog(t *testing.T) {
	t.Parallel()
	for _, l := range ascending {
		require.Equal(t, l, levels.FromSlog(levels.ToSlog(l)))
	}
	f := func(in slog.Level, want zapcore.Level) {
		t.Helper()
		require.Equal(t, want, levels.FromSlog(in))
	}
	f(-1000, levels.Trace)
	f(slog.LevelDebug-1, levels.Trace)
	f(slog.LevelDebug, levels.Debug)
	f(slog.LevelDebug+1, levels.Debug)
	f(slog.LevelInfo, levels.Info)
	f(slog.LevelWarn-1, levels.Info)
	f(slog.LevelWarn, levels.Warn)
	f(slog.LevelError, levels.Error)
	f(11, levels.Error)
	f(12, levels.Fatal)
	f(1000, levels.Fatal)
	require.Equal(t, slog.LevelError, levels.ToSlog(zapcore.PanicLevel))
	require.Equal(t, slog.LevelDebug, levels.ToSlog(levels.Debug))
	require.Equal(t, slog.LevelInfo, levels.ToSlog(levels.Info))
	require.Equal(t, slog.LevelWarn, levels.ToSlog(levels.Warn))
}

func TestOTel(t *testing.T) {
	t.Parallel()
	// The first SeverityNumber of each range of the data model's table.
	for i, want := range []int{1, 5, 9, 13, 17, 21} {
		require.Equal(t, want, levels.OTel(ascending[i]))
	}
	require.Equal(t, 17, levels.OTel(zapcore.DPanicLevel))
	require.Equal(t, 1, levels.OTel(-100))
	require.Equal(t, 21, levels.OTel(100))
}

// Whatever Parse accepts is one of the six, and its name parses to the same.
func FuzzParse(f *testing.F) {
	for _, s := range []string{"trace", "WARNING", "DPanic", "", "fatal\n", "infO"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		l, err := levels.Parse(s)
		if err != nil {
			require.ErrorIs(t, err, levels.ErrUnknown)
			return
		}
		require.Contains(t, ascending, l)
		again, err := levels.Parse(levels.Name(l))
		require.NoError(t, err)
		require.Equal(t, l, again)
	})
}
