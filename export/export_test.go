package export_test

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"github.com/steplog/steplog/export"
	"github.com/steplog/steplog/logger"
	"github.com/steplog/steplog/query"
)

// How long a test waits for work in the background, and how often it looks.
const (
	waitFor = 10 * time.Second
	tick    = 5 * time.Millisecond
)

func sorted(names []string) []string { return slices.Sorted(slices.Values(names)) }

func TestNDJSON(t *testing.T) {
	t.Parallel()

	t.Run("R1.5 library: the lines of a query, byte for byte as they are stored", func(t *testing.T) {
		t.Parallel()
		s := newStore(t)
		main := s.run(t)
		var b bytes.Buffer
		n, err := export.NDJSON(&b, s.Query().All(t.Context(), query.Filter{Files: []string{"user"}}))
		require.NoError(t, err)
		require.EqualValues(t, strings.Count(b.String(), "\n"), n)
		file, err := s.Files().Open("user.log")
		require.NoError(t, err)
		stored, err := io.ReadAll(file)
		require.NoError(t, err)
		require.NoError(t, file.Close())
		require.Equal(t, string(stored), b.String())

		b.Reset()
		_, err = export.NDJSON(&b, s.Query().All(t.Context(), query.Filter{Step: main.SubLogs[1].Step}))
		require.NoError(t, err)
		for text := range strings.Lines(b.String()) {
			var line struct{ Step string }
			require.NoError(t, json.Unmarshal([]byte(text), &line))
			require.Equal(t, main.SubLogs[1].Step, line.Step)
		}
	})

	t.Run("R1.5 library: an action reads a query and a file while they are being written", func(t *testing.T) {
		t.Parallel()
		s := newStore(t)
		ctx, run := s.flow().Start(t.Context())
		for i := range 3 {
			logger.FromContext(ctx).Info(fmt.Sprint("line ", i))
			r := s.Query().Reader(t.Context(), query.Filter{Run: run.ID(), Kinds: []query.Kind{query.KindLine}})
			text, err := io.ReadAll(r)
			require.NoError(t, err)
			require.NoError(t, r.Close())
			require.Equal(t, i+1, strings.Count(string(text), "\n"))

			file, err := s.Files().Open("user.log")
			require.NoError(t, err)
			stored, err := io.ReadAll(file)
			require.NoError(t, err)
			require.NoError(t, file.Close())
			require.Equal(t, string(stored), string(text))
		}
	})

	t.Run("what came before an error is written", func(t *testing.T) {
		t.Parallel()
		bad := errors.New("bad")
		var b bytes.Buffer
		n, err := export.NDJSON(&b, failing(bad, `{"seq":1}`, `{"seq":2}`))
		require.ErrorIs(t, err, bad)
		require.EqualValues(t, 2, n)
		require.Equal(t, "{\"seq\":1}\n{\"seq\":2}\n", b.String())
		_, err = export.NDJSON(full{}, failing(nil, `{"seq":1}`))
		require.ErrorIs(t, err, errFull)
		n, err = export.NDJSON(full{}, failing(nil, slices.Repeat([]string{`{"seq":1}`}, 100_000)...))
		require.ErrorIs(t, err, errFull)
		require.Less(t, n, int64(100_000), "it stops reading")
	})
}

// failing yields records with these lines, then an error.
func failing(err error, lines ...string) iter.Seq2[query.Record, error] {
	return func(yield func(query.Record, error) bool) {
		for i, text := range lines {
			if !yield(query.Record{Seq: uint64(i) + 1, Raw: []byte(text)}, nil) {
				return
			}
		}
		if err != nil {
			yield(query.Record{}, err)
		}
	}
}

func TestCSV(t *testing.T) {
	t.Parallel()

	table := func(t *testing.T, s *store, f query.Filter, o *export.CSVOptions) [][]string {
		t.Helper()
		var b bytes.Buffer
		n, err := export.CSV(&b, s.Query().All(t.Context(), f), o)
		require.NoError(t, err)
		rows, err := csv.NewReader(&b).ReadAll()
		require.NoError(t, err)
		require.EqualValues(t, len(rows)-1, n)
		return rows
	}

	t.Run("every column has its cell", func(t *testing.T) {
		t.Parallel()
		s := newStore(t)
		main := s.run(t)
		step := main.SubLogs[0].Step
		rows := table(t, s, query.Filter{Step: step, Search: "slow"}, nil)
		require.Equal(t, export.DefaultColumns(), rows[0])
		require.Equal(t, []string{rows[1][0], "2023-06-23T11:33:17.186000000Z", "warn", "line", "edge-1", "orders", "p-1",
			"flow-1", main.Run, step, "write_price", "1", "", "slow", "no answer", "", ""}, rows[1])
	})

	t.Run("columns are chosen, details by path", func(t *testing.T) {
		t.Parallel()
		s := newStore(t)
		ctx, run := s.flow().Start(t.Context())
		logger.FromContext(ctx).Info("a, \"b\"\nc", zap.Strings("tags", []string{"x", "y"}), zap.String("a.b", "literal"),
			zap.Dict("order", zap.String("sku", "A-1"), zap.Int("rows", 42)))
		run.Error("bad", zap.Error(coded{errors.New("no")}))
		rows := table(t, s, query.Filter{Kinds: []query.Kind{query.KindLine}}, &export.CSVOptions{Columns: []string{"message",
			"file", "operation_name", "attempt", "error", "error_code", "details.order.sku", "details.order.rows",
			"details.tags", "details.a.b", "details.order", "details.nothing", "truncated"}})
		require.Equal(t, []string{"a, \"b\"\nc", "user", "price", "", "", "", "A-1", "42", "x\ny", "literal",
			`{"rows":42,"sku":"A-1"}`, "", "false"}, rows[1])
		require.Equal(t, []string{"bad", "user", "price", "", "price refused: no", "E42", "", "", "", "", "", "", "false"}, rows[2])
	})

	t.Run("cells that could be taken for formulas are made safe", func(t *testing.T) {
		t.Parallel()
		for _, cell := range []string{"=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\rx"} {
			s := newStore(t)
			s.Server("edge-1").Info(cell)
			s.Server("edge-1").Info("safe " + cell)
			f := query.Filter{Server: "edge-1"}
			var safe, plain bytes.Buffer
			_, err := export.CSV(&safe, s.Query().All(t.Context(), f), &export.CSVOptions{Columns: []string{"message"}})
			require.NoError(t, err)
			_, err = export.CSV(&plain, s.Query().All(t.Context(), f),
				&export.CSVOptions{Columns: []string{"message"}, Cells: export.PlainCells})
			require.NoError(t, err)
			quote := ""
			if strings.Contains(cell, "\r") {
				quote = `"`
			}
			require.Contains(t, safe.String(), "\n"+quote+"'"+cell)
			require.NotContains(t, plain.String(), "'")
			require.Contains(t, safe.String(), "safe "+cell)
		}
		var b bytes.Buffer
		_, err := export.CSV(&b, failing(nil, `{"seq":1,"details":{"a":"\u0000x","=b":"1"}}`),
			&export.CSVOptions{Columns: []string{"details.a", "details.=b"}})
		require.NoError(t, err)
		require.Equal(t, "details.a,details.=b\n'\x00x,1\n", b.String())
	})

	t.Run("unknown columns are refused before anything is written", func(t *testing.T) {
		t.Parallel()
		for _, name := range []string{"", "mesage", "details.", "Details.a", "error.message"} {
			var b bytes.Buffer
			_, err := export.CSV(&b, failing(nil), &export.CSVOptions{Columns: []string{"seq", name}})
			require.ErrorIs(t, err, export.ErrColumn)
			require.Zero(t, b.Len())
		}
		for _, name := range []string{"server_name", "service_name", "parent_operation", "root_run", "parent_run",
			"parent_step", "action_name", "topic", "trace", "span", "logger", "caller", "phase", "stack"} {
			_, err := export.CSV(io.Discard, failing(nil), &export.CSVOptions{Columns: []string{name}})
			require.NoError(t, err)
		}
	})

	t.Run("errors are returned, with what came before written", func(t *testing.T) {
		t.Parallel()
		bad := errors.New("bad")
		var b bytes.Buffer
		n, err := export.CSV(&b, failing(bad, `{"seq":1}`), &export.CSVOptions{Columns: []string{"seq"}})
		require.ErrorIs(t, err, bad)
		require.EqualValues(t, 1, n)
		require.Equal(t, "seq\n1\n", b.String())
		_, err = export.CSV(full{}, failing(nil, `{"seq":1}`), nil)
		require.ErrorIs(t, err, errFull)
		_, err = export.CSV(io.Discard, failing(nil, `{"seq":`), nil)
		require.Error(t, err)
	})
}
