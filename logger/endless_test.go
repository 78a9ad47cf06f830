package logger_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/steplog/steplog/logger"
	"github.com/steplog/steplog/query"
	"github.com/stretchr/testify/require"
)

// ownCause is an error that is its own cause, once or several times.
type ownCause struct{ times int }

func (e *ownCause) Error() string { return "its own cause" }

func (e *ownCause) Unwrap() []error {
	all := make([]error, e.times)
	for i := range all {
		all[i] = e
	}
	return all
}

// loop is an error whose chain leads back to it.
type loop struct{}

func (l *loop) Error() string { return "a loop" }
func (l *loop) Unwrap() error { return l }

func TestEndlessErrors(t *testing.T) {
	for name, err := range map[string]error{
		"a loop": &loop{}, "a cause of its own": &ownCause{1}, "two causes of its own": &ownCause{2},
		"joined": errors.Join(errors.New("first"), &ownCause{2}),
	} {
		t.Run("R6.10 library: an error without end ends a run and its steps, "+name, func(t *testing.T) {
			store := openMemory(t, nil)
			ctx, run := operation(store).Start(t.Context())
			_, step := logger.StartStep(ctx, "a")
			step.End(nil, err)
			run.EndAs(query.Running, err)
			require.Equal(t, query.Failed, mainLog(t, store, run.ID()).Outcome)
			require.Equal(t, query.Failed, subLogs(t, store, query.StepFilter{})[0].Outcome)
		})
	}
	t.Run("R6.10 library: a cause is found wherever it stands", func(t *testing.T) {
		store := openMemory(t, nil)
		many := make([]error, 0, 2000)
		for i := range cap(many) {
			many = append(many, fmt.Errorf("item %d", i))
		}
		for err, want := range map[error]query.Outcome{
			errors.Join(append(many, fmt.Errorf("stopped: %w", context.Canceled))...): query.Cancelled,
			fmt.Errorf("late: %w", errors.Join(nil, context.DeadlineExceeded)):        query.TimedOut,
			errors.Join(many...): query.Failed,
		} {
			_, run := operation(store).Start(t.Context())
			run.End(err)
			require.Equal(t, want, mainLog(t, store, run.ID()).Outcome)
		}
	})
}
