package logger

import (
	"context"
	"iter"
	"time"

	"github.com/steplog/steplog/audit"
	"github.com/steplog/steplog/audit/access"
	"github.com/steplog/steplog/internal/vfs"
	"github.com/steplog/steplog/levels"
	"github.com/steplog/steplog/query"
	"github.com/steplog/steplog/rotation"
)

// nothing is what a nil Store answers queries from: it is closed.
type nothing struct{}

func (nothing) Find(context.Context, query.Filter, query.Window) (query.Result[query.Record], error) {
	return query.Result[query.Record]{}, query.ErrClosed
}

func (nothing) Runs(context.Context, query.RunFilter, query.Window) (query.Result[query.MainLog], error) {
	return query.Result[query.MainLog]{}, query.ErrClosed
}

func (nothing) Steps(context.Context, query.StepFilter, query.Window) (query.Result[query.SubLog], error) {
	return query.Result[query.SubLog]{}, query.ErrClosed
}

func (nothing) Audit(context.Context, query.AuditFilter, query.Window) (query.Result[audit.Record], error) {
	return query.Result[audit.Record]{}, query.ErrClosed
}

func (nothing) Access(context.Context, query.AccessFilter, query.Window) (query.Result[access.Record], error) {
	return query.Result[access.Record]{}, query.ErrClosed
}

func (nothing) Histogram(context.Context, query.Filter, time.Duration) ([]query.Bucket, error) {
	return nil, query.ErrClosed
}

func (nothing) Facets(context.Context, query.Filter, string, int) ([]query.FacetValue, error) {
	return nil, query.ErrClosed
}

func (nothing) Tail(context.Context, query.Filter, query.TailOptions) iter.Seq2[query.Tailed, error] {
	return func(yield func(query.Tailed, error) bool) { yield(query.Tailed{}, query.ErrClosed) }
}

func (nothing) Close() error { return nil }

// noFiles is the folder of a nil Store: there is no file in it. It lies in memory
// and holds nothing of the system, so that nobody has to close it.
func noFiles() *rotation.Folder {
	fs := vfs.NewMem()
	_ = fs.MkdirAll(memoryDir, 0o700)                 // memory does not fail
	folder, _ := rotation.OpenFolderFS(fs, memoryDir) // nor here
	return folder
}

// noLevels are the settings of a nil Store: they are nobody's.
func noLevels() *levels.Tree { return levels.NewTree(levels.Info, nil) }
