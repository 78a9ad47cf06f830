package logger_test

import (
	"errors"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/steplog/steplog/internal/vfs"
	"github.com/steplog/steplog/levels"
	"github.com/steplog/steplog/logger"
	"github.com/steplog/steplog/query"
)

// What was dropped of a log that could not be opened is said when the store is closed, by
// the log if it can be opened by now though nobody logs there any more, or else by Close.
func TestMissedIsSaid(t *testing.T) {
	full := errors.New("too many open files")
	for _, lifted := range []bool{true, false} {
		var failing atomic.Bool // looked at by the journal's goroutines too
		mem := vfs.NewMem()
		store, err := logger.OpenFS(vfs.Inject(mem, func(op vfs.Op) error {
			if failing.Load() && strings.Contains(op.Name, "email") {
				return full
			}
			return nil
		}), "logs", nil)
		require.NoError(t, err)
		failing.Store(true)
		store.Server("edge-1").To("email").Log(levels.Warn, "lost")
		store.Server("edge-1").To("email").Log(levels.Fatal, "lost")
		failing.Store(!lifted)
		err = store.Close()
		if !lifted {
			require.ErrorIs(t, err, full)
			require.ErrorContains(t, err, "email: 2 records were dropped, and no log says so: ")
			continue
		}
		require.NoError(t, err)
		again, err := logger.OpenFS(mem, "logs", nil)
		require.NoError(t, err)
		require.Equal(t, []string{"dropped 2"}, messages(records(t, again, query.Filter{Files: []string{"email"}})))
		require.NoError(t, again.Close())
	}
}
