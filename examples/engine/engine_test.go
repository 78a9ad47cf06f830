package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/steplog/steplog/levels"
	"github.com/steplog/steplog/logger"
	"github.com/steplog/steplog/logger/loggertest"
	"github.com/steplog/steplog/query"
	"github.com/stretchr/testify/require"
)

// newEngine returns an engine over memory that knows the flows in texts, and
// actions beside the usual ones.
func newEngine(t *testing.T, more map[string]Do, texts ...string) (*Engine, *loggertest.Sink) {
	t.Helper()
	sink := loggertest.New(t)
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	actions := builtin(&http.Client{Transport: transport})
	for name, do := range more {
		actions[name] = do
	}
	files := fstest.MapFS{"rows.csv": {Data: []byte("sku,name\nA-1,first\n,no number\nA-2\nA-3,third\n")}}
	for i, text := range texts {
		files[fmt.Sprintf("%d.json", i)] = &fstest.MapFile{Data: []byte(text)}
	}
	flows, err := readFlows(files)
	require.NoError(t, err)
	for _, flow := range flows {
		require.NoError(t, flow.check(flows, actions))
	}
	service := sink.Server(engineServer).Service("flows")
	return &Engine{flows: flows, actions: actions, service: service, env: map[string]any{"folder": t.TempDir()}}, sink
}

// failing returns an action that fails the first n times, with a code.
func failing(n int) Do {
	calls := 0
	return func(context.Context, *Call) (any, error) {
		if calls++; calls <= n {
			return nil, &codedError{"BUSY", errors.New("not yet")}
		}
		return "at last", nil
	}
}

func TestRetries(t *testing.T) {
	t.Parallel()
	const flow = `{"id": "f", "actions": [{"id": "a", "use": "flaky", "retry": {"attempts": 3, "backoff_ms": 1, "on": ["BUSY"]}}], "output": {"$": "a"}}`
	engine, sink := newEngine(t, map[string]Do{"flaky": failing(2)}, flow)
	_, out, err := engine.Run(t.Context(), "f", nil)
	require.NoError(t, err)
	require.Equal(t, "at last", out)
	steps := sink.SubLogs()
	require.Len(t, steps, 3)
	for i, want := range []query.Outcome{query.Failed, query.Failed, query.Succeeded} {
		require.Equal(t, want, steps[i].Outcome)
		require.Equal(t, i+1, steps[i].Attempt)
		require.Equal(t, 1, steps[i].Order)
	}
	lines := sink.LineLogs()
	require.Len(t, lines, 2)
	require.Equal(t, levels.Warn, lines[0].Level)
	require.Equal(t, "BUSY", lines[0].ErrorCode)
	require.Equal(t, steps[0].Step, lines[0].Step)
}

func TestRetriesThatAreNotWorthIt(t *testing.T) {
	t.Parallel()
	const flow = `{"id": "f", "actions": [{"id": "a", "use": "flaky", "retry": {"attempts": 3, "on": ["TIMEOUT"]}, "hint": "call somebody"}]}`
	engine, sink := newEngine(t, map[string]Do{"flaky": failing(2)}, flow)
	_, _, err := engine.Run(t.Context(), "f", nil)
	require.ErrorContains(t, err, "a: not yet")
	require.Len(t, sink.SubLogs(), 1)
	lines := sink.LineLogs()
	require.Len(t, lines, 1)
	require.Equal(t, levels.Error, lines[0].Level)
	hint, _ := lines[0].Field("hint")
	require.Equal(t, "call somebody", hint)
	require.Equal(t, query.Failed, sink.MainLogs()[0].Outcome)
}

func TestLoops(t *testing.T) {
	t.Parallel()
	const flow = `{"id": "f", "actions": [
		{"id": "each", "use": "odd", "for_each": {"$": "input"}, "with": {"n": {"$": "item"}}, "on_error": "continue", "counts": true}],
		"output": {"$": "each"}}`
	odd := func(_ context.Context, call *Call) (any, error) {
		if n := call.With["n"].(float64); int(n)%2 == 0 {
			return nil, errors.New("even")
		}
		return call.With["n"], nil
	}
	engine, sink := newEngine(t, map[string]Do{"odd": odd}, flow)
	_, out, err := engine.Run(t.Context(), "f", []any{1.0, 2.0, 3.0})
	require.NoError(t, err)
	require.Equal(t, []any{map[string]any{"item": 1.0, "output": 1.0}, map[string]any{"item": 3.0, "output": 3.0}}, out)
	steps := sink.SubLogs()
	require.Len(t, steps, 3)
	for i, step := range steps {
		require.Equal(t, i, step.Iteration.Index)
		require.Equal(t, fmt.Sprint(i+1), string(step.Iteration.Value))
		require.Equal(t, i+1, step.RowNum)
	}
	require.Equal(t, query.Counts{Processed: 3, Succeeded: 2, Failed: 1}, sink.MainLogs()[0].Counts)

	_, _, err = engine.Run(t.Context(), "f", "no list")
	require.ErrorContains(t, err, "not a list")
}

func TestPanicsTimeoutsAndCancelledRuns(t *testing.T) {
	t.Parallel()
	wait := func(ctx context.Context, _ *Call) (any, error) { <-ctx.Done(); return nil, ctx.Err() }
	actions := map[string]Do{
		"panic": func(context.Context, *Call) (any, error) { panic("broken") },
		"wait":  wait,
	}
	engine, sink := newEngine(t, actions,
		`{"id": "panics", "actions": [{"id": "a", "use": "panic"}]}`,
		`{"id": "late", "actions": [{"id": "a", "use": "wait", "timeout_ms": 1}]}`,
		`{"id": "stopped", "actions": [{"id": "a", "use": "wait", "retry": {"attempts": 9}}, {"id": "b", "use": "panic"}]}`)

	_, _, err := engine.Run(t.Context(), "panics", nil)
	require.ErrorContains(t, err, "the action panicked: broken")
	_, _, err = engine.Run(t.Context(), "late", nil)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("interrupt"))
	_, _, err = engine.Run(ctx, "stopped", nil)
	require.Error(t, err)

	runs, steps := sink.MainLogs(), sink.SubLogs()
	require.Len(t, steps, 3)
	for i, want := range []query.Outcome{query.Panicked, query.TimedOut, query.Cancelled} {
		require.Equal(t, want, runs[i].Outcome)
		require.Equal(t, want, steps[i].Outcome)
	}
	require.Contains(t, runs[1].Reason, "not done within 1 ms")
}

func TestSubFlows(t *testing.T) {
	t.Parallel()
	engine, sink := newEngine(t, nil,
		`{"id": "outer", "actions": [{"id": "call", "use": "flow/run", "with": {"flow": "inner", "input": {"x": 7}}}], "output": {"$": "call"}}`,
		`{"id": "inner", "actions": [{"id": "say", "use": "system/log", "with": {"label": "Test", "level": "warning", "value": {"$": "input"}}}], "output": {"$": "input.x"}}`)
	id, out, err := engine.Run(t.Context(), "outer", nil)
	require.NoError(t, err)
	require.Equal(t, 7.0, out)
	runs := sink.MainLogs()
	require.Len(t, runs, 2)
	require.Equal(t, id, runs[1].ParentRun)
	require.Equal(t, id, runs[1].RootRun)
	require.Equal(t, "outer", runs[1].ParentOperation)
	lines := sink.LineLogs()
	require.Len(t, lines, 1)
	require.Equal(t, "Test", lines[0].Label)
	require.Equal(t, levels.Warn, lines[0].Level)
	value, _ := lines[0].Field("value.x")
	require.Equal(t, json.Number("7"), value)
}

func TestFiles(t *testing.T) {
	t.Parallel()
	engine, sink := newEngine(t, nil, `{"id": "f", "actions": [
		{"id": "rows", "use": "csv/read", "with": {"path": "flow:rows.csv", "required": ["sku"]}},
		{"id": "written", "use": "file/write", "with": {"path": [{"$": "env.folder"}, "new", "x.txt"], "lines": ["a", ["b", 1]]}},
		{"id": "text", "use": "file/read", "with": {"path": {"$": "written.path"}}},
		{"id": "folder", "use": "file/read", "with": {"path": {"$": "env.folder"}}}],
		"output": {"rows": {"$": "rows.rows"}, "lines": {"$": "text.lines"}, "files": {"$": "folder.files"}, "bytes": {"$": "folder.bytes"}, "entry": {"$": "folder.entries.0.name"}}}`)
	_, out, err := engine.Run(t.Context(), "f", nil)
	require.NoError(t, err)
	require.Equal(t, map[string]any{
		"rows":  []any{map[string]any{"sku": "A-1", "name": "first"}, map[string]any{"sku": "A-3", "name": "third"}},
		"lines": []any{"a", "b", "1"}, "files": int64(1), "bytes": int64(6), "entry": "new",
	}, out)
	require.Equal(t, query.Counts{Processed: 2, Failed: 2}, sink.MainLogs()[0].Counts)
	page, err := sink.Query().LineLogs(t.Context(), query.Filter{Search: `"row left out"`, Where: query.Eq("line", "3")}, query.Paging{})
	require.NoError(t, err)
	require.Len(t, page.Items, 1)
	problem, _ := page.Items[0].Field("problem")
	require.Equal(t, "no sku", problem)
}

func TestShell(t *testing.T) {
	t.Parallel()
	program, err := os.Executable()
	require.NoError(t, err)
	// The test binary as the program: prints its help, or says what is wrong.
	text := `{"id": "%s", "actions": [{"id": "a", "use": "shell/exec", "with": {"command": [%q, "%s"], "env": {"` + asProgram + `": "1"}, "stderr": "info"}}], "output": {"$": "a.stdout"}}`
	engine, sink := newEngine(t, nil, fmt.Sprintf(text, "good", program, "-h"), fmt.Sprintf(text, "bad", program, "-no"),
		`{"id": "values", "actions": [{"id": "a", "use": "shell/exec", "with": {"command": ["go", "env", "-json", "GOOS"], "stdout": "info", "parse": "json"}}], "output": {"$": "a.stdout.0.GOOS"}}`)
	_, _, err = engine.Run(t.Context(), "good", nil)
	require.NoError(t, err)
	var printed []string
	for _, line := range sink.LineLogs() {
		printed = append(printed, line.Message)
	}
	require.Contains(t, strings.Join(printed, "\n"), "-acks file")

	_, _, err = engine.Run(t.Context(), "bad", nil)
	require.Equal(t, "EXIT_2", code(err))

	_, out, err := engine.Run(t.Context(), "values", nil)
	require.NoError(t, err)
	require.Equal(t, runtime.GOOS, out)
	require.Equal(t, "}", sink.LineLogs()[len(sink.LineLogs())-1].Message)
}

func TestRequest(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer hidden-word" {
			w.WriteHeader(http.StatusUnauthorized)
		}
		fmt.Fprintf(w, "%s %s", r.Method, r.URL.RequestURI())
	}))
	t.Cleanup(server.Close)
	const flow = `{"id": "f", "actions": [{"id": "a", "use": "http/request", "with":
		{"method": "PUT", "url": {"$": "input.url"}, "path": ["x", "a/b"], "headers": {"Authorization": {"$": "input.authorization"}}, "body": 1}}],
		"output": {"$": "a.body"}}`
	engine, sink := newEngine(t, nil, flow)
	_, out, err := engine.Run(t.Context(), "f", map[string]any{"url": server.URL, "authorization": "Bearer hidden-word"})
	require.NoError(t, err)
	require.Equal(t, "PUT /x/a%2Fb", out)
	_, _, err = engine.Run(t.Context(), "f", map[string]any{"url": server.URL, "authorization": "Bearer wrong-word"})
	require.Equal(t, "HTTP_401", code(err))
	for record, err := range sink.Query().All(t.Context(), query.Filter{}) {
		require.NoError(t, err)
		require.NotContains(t, string(record.Raw), "hidden-word")
		require.NotContains(t, string(record.Raw), "wrong-word")
	}
}

func TestAcks(t *testing.T) {
	t.Parallel()
	engine, sink := newEngine(t, nil, `{"id": "f", "actions": [
		{"id": "rows", "use": "csv/read", "with": {"path": "flow:rows.csv", "required": ["sku"]}},
		{"id": "value", "use": "system/log", "with": {"label": "Test", "value": 1}},
		{"id": "quiet", "use": "system/log", "with": {"label": "Test", "level": "debug", "value": 1}},
		{"id": "shell", "use": "shell/exec", "with": {"command": ["go", "env", "-json", "GOOS"], "stdout": "info"}}]}`)
	sink.Levels().SetLevel(t.Context(), levels.Scope{}, levels.Info) // so that one line is not logged
	path := filepath.Join(t.TempDir(), "acks")
	nothing := func() int64 { return 0 }
	acks, err := openAcks(path, nothing)
	require.NoError(t, err)
	engine.acks = acks
	_, _, err = engine.Run(t.Context(), "f", nil)
	require.NoError(t, err)
	require.NoError(t, acks.Close())

	var logged []string
	for _, line := range sink.LineLogs() {
		word, ok := line.Field("ack")
		require.True(t, ok, string(line.Raw))
		logged = append(logged, word.(string))
	}
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, strings.Join(logged, "\n")+"\n", string(text))
	require.Len(t, logged, 2+1+1+1+3)

	require.NoError(t, os.WriteFile(path, append(text, "cut by a ki"...), 0o600))
	again, err := openAcks(path, nothing)
	require.NoError(t, err)
	require.NotEqual(t, acks.name, again.name)
	dropped := int64(0)
	again.dropped = func() int64 { return dropped }
	require.NoError(t, again.confirm("whole", func() error { return nil }))
	require.NoError(t, again.confirm("dropped", func() error { dropped++; return nil }))
	require.ErrorIs(t, again.confirm("failed", func() error { return io.ErrClosedPipe }), io.ErrClosedPipe)
	require.NoError(t, again.Close())
	mended, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, string(text)+"whole\n", string(mended))

	other := filepath.Join(t.TempDir(), "other")
	require.NoError(t, os.WriteFile(other, make([]byte, 1000), 0o600))
	_, err = openAcks(other, nothing)
	require.ErrorContains(t, err, "does not hold words")
}

func TestStartInput(t *testing.T) {
	t.Parallel()
	engine, sink := newEngine(t, nil, `{"id": "f", "project": "p"}`)
	_, _, err := engine.Run(t.Context(), "f", map[string]any{"sku": "A-1"}, logger.TriggeredBy("somebody"))
	require.NoError(t, err)
	runs := sink.MainLogs()
	require.Len(t, runs, 1)
	require.Equal(t, "somebody", runs[0].TriggeredBy)
	require.Equal(t, "p", runs[0].Project)
	_, _, err = engine.Run(t.Context(), "nothing", nil)
	require.Error(t, err)
}
