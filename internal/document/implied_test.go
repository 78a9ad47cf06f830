package document_test

import (
	"bytes"
	"context"
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/steplog/steplog/internal/document"
	"github.com/steplog/steplog/internal/journal"
	"github.com/steplog/steplog/internal/vfs"
	"github.com/steplog/steplog/logger"
	"github.com/steplog/steplog/query"
)

// counting counts how often it is asked for steps.
type counting struct {
	query.Backend
	steps int
}

func (c *counting) Steps(ctx context.Context, f query.StepFilter, w query.Window) (query.Result[query.SubLog], error) {
	c.steps++
	return c.Backend.Steps(ctx, f, w)
}

// A run that ends closes its open steps: of those, the errors of its document are the
// ones that nobody ended later, and they are not asked for one by one.
func TestErrorsOfImpliedEnds(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	store, err := logger.Open(dir, nil)
	require.NoError(t, err)
	ctx, run := store.Server("edge-1").Service("orders").Operation("ship").Start(t.Context())
	const steps = 300
	var late []*logger.Step
	for i := range steps {
		_, step := logger.StartStep(ctx, "a")
		if i%3 == 0 {
			late = append(late, step)
		}
	}
	run.End(nil)
	for _, step := range late {
		step.End(nil, nil)
	}
	require.NoError(t, store.Close())

	j, err := journal.OpenReader(vfs.OS(), dir)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, j.Close()) })
	backend := &counting{Backend: query.OverJournal(j)}
	e := query.New(backend)
	page, err := e.MainLogs(t.Context(), query.RunFilter{}, query.Paging{})
	require.NoError(t, err)
	log, err := document.Find(t.Context(), e, page.Items[0].ID)
	require.NoError(t, err)
	var text bytes.Buffer
	require.NoError(t, log.WriteJSON(t.Context(), &text))
	var got struct{ Errors, Steps []struct{ ID uint64 } }
	require.NoError(t, json.Unmarshal(text.Bytes(), &got))
	require.Len(t, got.Steps, steps)
	require.Len(t, got.Errors, steps-len(late))
	require.LessOrEqual(t, backend.steps, 4)
}

// What was closed as failed because its process died, and goes on or ended well later, is
// no error of the document.
func TestErrorsOfARunThatGoesOn(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	open := func() *logger.Store {
		store, err := logger.Open(dir, nil)
		require.NoError(t, err)
		return store
	}
	start := func(store *logger.Store) (*logger.Run, *logger.Step) {
		ctx, run := store.Server("edge-1").Service("orders").Operation("ship").Start(t.Context(), logger.ID("r-1"))
		_, step := logger.StartStep(ctx, "a", logger.ID("s-1"))
		return run, step
	}
	store := open()
	start(store)
	require.NoError(t, store.Close())

	store = open()
	t.Cleanup(func() { require.NoError(t, store.Close()) })
	page, err := store.Query().MainLogs(t.Context(), query.RunFilter{}, query.Paging{})
	require.NoError(t, err)
	require.Len(t, page.Items, 1)
	log, err := document.Find(t.Context(), store.Query(), page.Items[0].ID)
	require.NoError(t, err)
	require.Equal(t, 2, errorsOf(t, log), "run and step were closed as failed")
	run, step := start(store)
	require.Zero(t, errorsOf(t, log))
	step.End(nil, nil)
	run.End(nil)
	require.Zero(t, errorsOf(t, log))
}

func errorsOf(t *testing.T, log *document.Log) int {
	t.Helper()
	var text bytes.Buffer
	require.NoError(t, log.WriteJSON(t.Context(), &text))
	var got struct{ Errors []json.RawMessage }
	require.NoError(t, json.Unmarshal(text.Bytes(), &got))
	return len(got.Errors)
}
