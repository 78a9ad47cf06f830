package levels_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap/zapcore"

	"github.com/steplog/steplog/levels"
)

func TestSet(t *testing.T) {
	t.Parallel()

	t.Run("R1.11 library: an exact set has its levels and no other", func(t *testing.T) {
		t.Parallel()
		// Every subset of the six.
		for mask := range 1 << len(ascending) {
			var in []zapcore.Level
			for i, l := range ascending {
				if mask&(1<<i) != 0 {
					in = append(in, l)
				}
			}
			set := levels.Of(in...)
			for i, l := range ascending {
				require.Equal(t, mask&(1<<i) != 0, set.Has(l), "%v has %s", set, levels.Name(l))
			}
		}
	})

	t.Run("R1.11 library: a minimum has its level and every one above", func(t *testing.T) {
		t.Parallel()
		for i, min := range ascending {
			set := levels.AtLeast(min)
			require.Equal(t, levels.Of(ascending[i:]...), set)
			for _, l := range ascending {
				require.Equal(t, l >= min, set.Has(l))
			}
		}
	})

	t.Run("the zero value is every level", func(t *testing.T) {
		t.Parallel()
		var every levels.Set
		for l := -128; l < 128; l++ {
			require.True(t, every.Has(zapcore.Level(l)))
		}
	})

	t.Run("Of without levels is empty and not the zero value", func(t *testing.T) {
		t.Parallel()
		none := levels.Of()
		require.NotZero(t, none)
		for l := -128; l < 128; l++ {
			require.False(t, none.Has(zapcore.Level(l)))
		}
	})

	t.Run("levels outside the six count as one of them", func(t *testing.T) {
		t.Parallel()
		require.Equal(t, levels.Of(levels.Error), levels.Of(zapcore.DPanicLevel))
		require.Equal(t, levels.AtLeast(levels.Error), levels.AtLeast(zapcore.PanicLevel))
		require.True(t, levels.Of(levels.Error).Has(zapcore.PanicLevel))
		require.False(t, levels.Of(levels.Fatal).Has(zapcore.PanicLevel))
		require.True(t, levels.Of(levels.Trace).Has(-100))
		require.True(t, levels.Of(levels.Fatal).Has(100))
	})

	t.Run("it prints its levels", func(t *testing.T) {
		t.Parallel()
		require.Equal(t, "trace,debug,info,warn,error,fatal", levels.Set(0).String())
		require.Equal(t, "none", levels.Of().String())
		require.Equal(t, "warn,fatal", levels.Of(levels.Fatal, levels.Warn).String())
	})
}
