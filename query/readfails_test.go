package query_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/steplog/steplog/internal/journal"
	"github.com/steplog/steplog/internal/vfs"
	"github.com/steplog/steplog/query"
	"github.com/steplog/steplog/query/querytest"
	"github.com/steplog/steplog/rotation"
)

// TestReadsThatFail has an operation of the disk fail while somebody asks, an earlier or a
// later one each time: the answer is the right one, or there is an error; and it is right
// when it is asked for again.
func TestReadsThatFail(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "logs")
	j := openIndexed(t, dir, rotation.Rule{MaxBytes: 64 << 10}, func(err error) { t.Error(err) })
	appendEntries(t, j, querytest.NewGenerator(61).Entries(1000))
	flush(t, j)
	awaitSealed(t, dir)
	require.NoError(t, j.Close())

	page := func(t *testing.T, e *query.Engine, f query.Filter) (string, error) {
		p, err := e.Records(t.Context(), f, query.Paging{Limit: 20})
		text := fmt.Sprint(p.Total)
		for _, r := range p.Items {
			text += "\n" + string(r.Raw)
		}
		return text, err
	}
	for name, ask := range map[string]func(t *testing.T, e *query.Engine) (string, error){
		"a page of lines that are read": func(t *testing.T, e *query.Engine) (string, error) {
			return page(t, e, query.Filter{Where: query.Not(query.Eq("sku", "x"))})
		},
		"a page of words": func(t *testing.T, e *query.Engine) (string, error) { return page(t, e, query.Filter{Search: "e"}) },
		"runs": func(t *testing.T, e *query.Engine) (string, error) {
			p, err := e.MainLogs(t.Context(), query.RunFilter{}, query.Paging{Limit: 100})
			text, failed := json.Marshal(p.Items)
			require.NoError(t, failed)
			return fmt.Sprint(p.Total, string(text)), err
		},
		"a histogram": func(t *testing.T, e *query.Engine) (string, error) {
			b, err := e.Histogram(t.Context(), query.Filter{Search: "e"}, 200_000*time.Hour)
			return fmt.Sprint(b), err
		},
		"values": func(t *testing.T, e *query.Engine) (string, error) {
			v, err := e.Facets(t.Context(), query.Filter{}, "sku", 100)
			return fmt.Sprint(v), err
		},
		"everything": func(t *testing.T, e *query.Engine) (string, error) {
			var text bytes.Buffer
			for r, err := range e.All(t.Context(), query.Filter{}) {
				if err != nil {
					return "", err
				}
				text.Write(r.Raw)
			}
			return text.String(), nil
		},
		"everything as text": func(t *testing.T, e *query.Engine) (string, error) {
			r := e.Reader(t.Context(), query.Filter{})
			text, err := io.ReadAll(r)
			require.NoError(t, r.Close())
			return string(text), err
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var left atomic.Int64 // operations until one fails; 0 when it did, below when none does
			fsys := vfs.Inject(vfs.OS(), func(op vfs.Op) error {
				if op.Kind != vfs.OpClose && op.Kind != vfs.OpUnmap && left.Add(-1) == 0 {
					return syscall.EIO
				}
				return nil
			})
			open := func() *query.Engine {
				left.Store(-1)
				r, err := journal.OpenReader(fsys, dir)
				require.NoError(t, err)
				t.Cleanup(func() { require.NoError(t, r.Close()) })
				return query.New(query.OverJournal(r))
			}
			want, err := ask(t, open())
			require.NoError(t, err)
			for n := int64(1); ; n += 1 + n/8 {
				e := open()
				left.Store(n)
				got, err := ask(t, e)
				if left.Swap(-1) > 0 {
					require.Greater(t, n, int64(4))
					return
				}
				if err == nil {
					require.Equal(t, want, got, "operation %d", n)
				} else {
					require.ErrorIs(t, err, syscall.EIO)
				}
				again, err := ask(t, e)
				require.NoError(t, err)
				require.Equal(t, want, again, "operation %d", n)
			}
		})
	}
}

// A file that cannot be read is an error for who counts, whichever of the files it is.
func TestFileThatCannotBeCounted(t *testing.T) {
	t.Parallel()
	const lines = 400
	dir := filepath.Join(t.TempDir(), "logs")
	j := openIndexed(t, dir, rotation.Rule{}, func(err error) { t.Error(err) })
	logs := []string{"a", "b", "c", "d", "e"}
	text := fmt.Appendf(nil, `{"timestamp":"2026-11-21T02:03:04.000000000Z","level":"info","kind":"line","message":%q}`, strings.Repeat("x", 1<<10))
	for _, log := range logs {
		appendEntries(t, j, slices.Repeat([]querytest.Entry{{File: log, Text: text}}, lines))
	}
	require.NoError(t, j.Close())

	var broken atomic.Value
	broken.Store("")
	fsys := vfs.Inject(vfs.OS(), func(op vfs.Op) error {
		if name := broken.Load().(string); name != "" && op.Kind == vfs.OpReadAt && filepath.Base(op.Name) == name {
			return syscall.EIO
		}
		return nil
	})
	r, err := journal.OpenReader(fsys, dir)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, r.Close()) })
	e := query.New(query.OverJournal(r))
	f := query.Filter{Where: query.Not(query.Eq("none", "x"))}
	for _, log := range logs {
		broken.Store(log + ".log")
		_, err := e.Records(t.Context(), f, query.Paging{Limit: 1})
		require.ErrorIs(t, err, syscall.EIO, log)
	}
	broken.Store("")
	page, err := e.Records(t.Context(), f, query.Paging{Limit: 1})
	require.NoError(t, err)
	require.Equal(t, query.Total{N: lines * int64(len(logs)), Exact: true}, page.Total)
}
