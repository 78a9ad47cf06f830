package document_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/steplog/steplog/internal/document"
	"github.com/steplog/steplog/levels"
	"github.com/steplog/steplog/logger"
	"github.com/steplog/steplog/logger/loggertest"
	"github.com/steplog/steplog/query"
)

func TestAppendEntries(t *testing.T) {
	t.Parallel()
	sink := loggertest.New(t)
	service := sink.Server("edge-1").Service("user-service")
	f := func(l *logger.Logger, level zapcore.Level, want string, fields ...zap.Field) {
		t.Helper()
		l.Log(level, "Failed to <authenticate>", fields...)
		page, err := sink.Query().Records(t.Context(), query.Filter{}, query.Paging{Limit: 1})
		require.NoError(t, err)
		page.Items[0].Time = time.Date(2023, 10, 27, 10, 35, 15, 0, time.UTC)
		text, err := document.AppendEntries(nil, append(page.Items, page.Items...))
		require.NoError(t, err)
		require.JSONEq(t, "["+want+","+want+"]", string(text))
	}
	const head = `{"timestamp":"2023-10-27T10:35:15Z","service":"user-service","message":"Failed to <authenticate>",`
	f(service.Logger, levels.Error, head+`"level":"ERROR","details":{"user_id":12345,"ip_address":"192.168.1.100"}}`,
		zap.Int("user_id", 12345), zap.String("ip_address", "192.168.1.100"))
	f(service.Logger, levels.Warn, head+`"level":"WARN"}`)
	f(service.Logger, levels.Trace, head+`"level":"TRACE"}`)
	f(service.Logger, levels.Fatal, head+`"level":"FATAL"}`)
	f(sink.Server("edge-1").Logger, levels.Info,
		`{"timestamp":"2023-10-27T10:35:15Z","level":"INFO","service":"","message":"Failed to <authenticate>"}`)

	bad := zap.Error(errors.New("no answer"))
	f(service.Logger, levels.Error, head+`"level":"ERROR","details":{"error":{"message":"no answer"}}}`, bad)
	f(service.Logger, levels.Error, head+`"level":"ERROR","details":{"error":{"message":"no answer","code":"E1"},"a":1,"b":{}}}`,
		bad, logger.Code("E1"), zap.Int("a", 1), zap.Reflect("b", map[string]any{}))
	f(service.Logger, levels.Error, head+`"level":"ERROR","details":{"error":{"own":1}}}`,
		bad, zap.Dict("error", zap.Int("own", 1)))
}

func TestAppendEntriesOfOtherText(t *testing.T) {
	t.Parallel()
	// What a remote engine or a hand has written: blanks, other keys, no details.
	f := func(raw, want string) {
		t.Helper()
		text, err := document.AppendEntries(nil, []query.Record{{Seq: 1, Raw: []byte(raw)}})
		require.NoError(t, err)
		var got []struct{ Details json.RawMessage }
		require.NoError(t, json.Unmarshal(text, &got))
		require.Equal(t, want, string(got[0].Details))
	}
	f(`{"seq":1}`, "")
	f(`{"seq":1,"details":{}}`, "")
	f(`{"seq":1,"error":{"message":"m"},"details":{}}`, `{"error":{"message":"m"}}`)
	f(`{ "error" : {"message":"m"}, "details" : { "a" : 1 }, "seq":1 }`, `{"error":{"message":"m"}, "a" : 1 }`)
	_, err := document.AppendEntries(nil, []query.Record{{Seq: 7, Raw: []byte(`not JSON`)}})
	require.ErrorContains(t, err, "record 7")
}

func TestFind(t *testing.T) {
	t.Parallel()
	sink := loggertest.New(t)
	ctx, run := sink.Server("edge-1").Service("orders").Operation("flow-1").Start(t.Context(), logger.Project("p-1"))
	_, step := logger.StartStep(ctx, "fetch")
	step.Info("fetched")
	main := sink.MainLogs()[0]
	for kind, id := range map[int]uint64{
		document.TypeMain: main.ID,
		document.TypeSub:  main.SubLogs[0].ID,
		document.TypeLine: sink.LineLogs()[0].Seq,
	} {
		log, err := document.Find(t.Context(), sink.Query(), id)
		require.NoError(t, err)
		require.Equal(t, kind, log.Type)
		require.Equal(t, id, log.ID)
		require.Equal(t, "p-1", log.Project)
		require.Equal(t, "flow-1", log.Operation)
		require.False(t, log.Created.IsZero())
	}
	run.End(nil)
	// What a list shows of a log is what its download does.
	step.End(nil, nil)
	main = sink.MainLogs()[0]
	listed, err := document.AppendMains(nil, []query.MainLog{main})
	require.NoError(t, err)
	require.Equal(t, string(listed), "["+own(t, sink, main.ID)+"]")
	listed, err = document.AppendSubs(nil, main.SubLogs)
	require.NoError(t, err)
	require.Equal(t, string(listed), "["+own(t, sink, main.SubLogs[0].ID)+"]")
	listed, err = document.AppendLines(t.Context(), nil, sink.Query(), sink.LineLogs())
	require.NoError(t, err)
	require.Equal(t, string(listed), "["+own(t, sink, sink.LineLogs()[0].Seq)+"]")
	_, err = document.Find(t.Context(), sink.Query(), 0)
	require.ErrorIs(t, err, query.ErrNotFound)
}

// own is the document of a log in its download.
func own(t *testing.T, sink *loggertest.Sink, id uint64) string {
	t.Helper()
	log, err := document.Find(t.Context(), sink.Query(), id)
	require.NoError(t, err)
	var text bytes.Buffer
	require.NoError(t, log.WriteJSON(t.Context(), &text))
	var parts struct{ Log json.RawMessage }
	require.NoError(t, json.Unmarshal(text.Bytes(), &parts))
	return string(parts.Log)
}

func TestAppendLines(t *testing.T) {
	t.Parallel()
	sink := loggertest.New(t)
	ctx, run := sink.Server("edge-1").Service("orders").Operation("flow-1").Start(t.Context())
	for i := range 3 {
		actx, _ := logger.StartStep(ctx, "fetch", logger.Order(10+i), logger.Iteration(i, nil))
		logger.FromContext(actx).Info("fetched")
		logger.FromContext(actx).Info("again")
	}
	run.Info("outside")
	records := sink.LineLogs()
	records = append(records, query.Record{Run: "gone", Step: "gone", Action: "fetch", Raw: []byte(`{"seq":1}`)})
	text, err := document.AppendLines(t.Context(), nil, sink.Query(), records)
	require.NoError(t, err)
	var lines []struct {
		Order int `json:"flow_order"`
		Row   int `json:"row_num"`
	}
	require.NoError(t, json.Unmarshal(text, &lines))
	var got [][2]int
	for _, l := range lines {
		got = append(got, [2]int{l.Order, l.Row})
	}
	require.Equal(t, [][2]int{{10, 1}, {10, 1}, {11, 2}, {11, 2}, {12, 3}, {12, 3}, {1, 1}, {1, 1}}, got)
	_, err = document.AppendLines(t.Context(), nil, sink.Query(), []query.Record{{Raw: []byte(`{`)}})
	require.Error(t, err)
}
