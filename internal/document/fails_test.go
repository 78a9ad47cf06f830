package document_test

import (
	"bytes"
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/steplog/steplog/internal/document"
	"github.com/steplog/steplog/internal/journal"
	"github.com/steplog/steplog/internal/vfs"
	"github.com/steplog/steplog/logger"
	"github.com/steplog/steplog/query"
)

var errBackend = errors.New("the backend failed")

// failing fails one question: the one before which left are answered.
type failing struct {
	query.Backend
	left int
}

func (f *failing) next() error {
	f.left--
	if f.left == -1 {
		return errBackend
	}
	return nil
}

func (f *failing) Find(ctx context.Context, q query.Filter, w query.Window) (query.Result[query.Record], error) {
	if err := f.next(); err != nil {
		return query.Result[query.Record]{}, err
	}
	return f.Backend.Find(ctx, q, w)
}

func (f *failing) Runs(ctx context.Context, q query.RunFilter, w query.Window) (query.Result[query.MainLog], error) {
	if err := f.next(); err != nil {
		return query.Result[query.MainLog]{}, err
	}
	return f.Backend.Runs(ctx, q, w)
}

func (f *failing) Steps(ctx context.Context, q query.StepFilter, w query.Window) (query.Result[query.SubLog], error) {
	if err := f.next(); err != nil {
		return query.Result[query.SubLog]{}, err
	}
	return f.Backend.Steps(ctx, q, w)
}

// Whichever question of a document fails, the document says so: it is never one that
// looks whole and has nothing where the answer belongs.
func TestEveryQuestionFails(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	store, err := logger.Open(dir, nil)
	require.NoError(t, err)
	ctx, run := store.Server("edge-1").Service("orders").Operation("ship").Start(t.Context(), logger.Input(1))
	sctx, step := logger.StartStep(ctx, "a", logger.Input(2))
	logger.FromContext(sctx).Info("a line")
	step.End(3, nil)
	_, _ = logger.StartStep(ctx, "open")
	run.End(nil)
	page, err := store.Query().MainLogs(t.Context(), query.RunFilter{}, query.Paging{})
	require.NoError(t, err)
	lines, err := store.Query().LineLogs(t.Context(), query.Filter{}, query.Paging{})
	require.NoError(t, err)
	require.NoError(t, store.Close())

	j, err := journal.OpenReader(vfs.OS(), dir)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, j.Close()) })
	for name, id := range map[string]uint64{"main": page.Items[0].ID, "sub": page.Items[0].SubLogs[0].ID, "line": lines.Items[0].Seq} {
		t.Run(name, func(t *testing.T) {
			write := func(left int) (string, error) {
				e := query.New(&failing{query.OverJournal(j), left})
				log, err := document.Find(t.Context(), e, id)
				if err != nil {
					return "", err
				}
				var text bytes.Buffer
				err = log.WriteJSON(t.Context(), &text)
				return text.String(), err
			}
			whole, err := write(1 << 20)
			require.NoError(t, err)
			questions := 0
			for ; ; questions++ {
				text, err := write(questions)
				if err == nil {
					require.Equal(t, whole, text)
					break
				}
				require.ErrorIs(t, err, errBackend)
			}
			require.Greater(t, questions, 2)
		})
	}
}
