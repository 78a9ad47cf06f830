package querytest

import (
	"encoding/json"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap/zapcore"

	"github.com/steplog/steplog/levels"
	"github.com/steplog/steplog/query"
	"github.com/steplog/steplog/query/querytest/oracle"
)

// same compares records, in order.
func (c *checker) same(want []*oracle.Record, got []query.Record) {
	c.Helper()
	ids := make([]uint64, len(want))
	for i, w := range want {
		ids[i] = w.Seq
	}
	require.Equal(c, ids, seqs(got), c.what)
	for i, w := range want {
		c.sameRecord(w, got[i])
	}
}

func (c *checker) sameRecord(w *oracle.Record, g query.Record) {
	c.Helper()
	if string(w.Text) != string(g.Raw) {
		require.Equal(c, string(w.Text), string(g.Raw), c.what)
	}
	for _, f := range [...]struct{ key, want, got string }{
		{"level", w.Level, levels.Name(g.Level)}, {"kind", w.Kind, string(g.Kind)}, {"file", w.File, g.File},
		{"server", w.String("server"), g.Server}, {"server_name", w.String("server_name"), g.ServerName},
		{"service", w.String("service"), g.Service}, {"service_name", w.String("service_name"), g.ServiceName},
		{"project", w.String("project"), g.Project}, {"operation", w.String("operation"), g.Operation},
		{"operation_name", w.String("operation_name"), g.OperationName},
		{"parent_operation", w.String("parent_operation"), g.ParentOperation}, {"run", w.String("run"), g.Run},
		{"root_run", w.String("root_run"), g.RootRun}, {"parent_run", w.String("parent_run"), g.ParentRun},
		{"parent_step", w.String("parent_step"), g.ParentStep}, {"step", w.String("step"), g.Step},
		{"action", w.String("action"), g.Action}, {"action_name", w.String("action_name"), g.ActionName},
		{"topic", w.String("topic"), g.Topic}, {"trace", w.String("trace"), g.Trace}, {"span", w.String("span"), g.Span},
		{"logger", w.String("logger"), g.Logger}, {"caller", w.String("caller"), g.Caller}, {"stack", w.String("stack"), g.Stack},
		{"label", w.String("label"), g.Label}, {"phase", w.String("phase"), g.Phase},
		{"message", w.String("message"), g.Message}, {"error.message", w.ErrorMessage(), g.ErrorMessage},
		{"error.code", w.ErrorCode(), g.ErrorCode},
	} {
		if f.want != f.got {
			require.Equal(c, f.want, f.got, "%s of record %d, %s", f.key, w.Seq, c.what)
		}
	}
	if !w.Time.Equal(g.Time) || w.Int("attempt") != int64(g.Attempt) || w.Bool("truncated") != g.Truncated {
		require.Fail(c, "time, attempt or truncated", "of record %d, %s", w.Seq, c.what)
	}
	details, err := g.Details()
	require.NoError(c, err, c.what)
	if len(w.Details())+len(details) > 0 {
		require.Equal(c, w.Details(), details, c.what)
	}
}

// named gives the counts of levels by name.
func named(counts map[zapcore.Level]int64) map[string]int64 {
	m := map[string]int64{}
	for l, n := range counts {
		m[levels.Name(l)] = n
	}
	return m
}

func (c *checker) sameRun(w *oracle.Execution, g query.MainLog) {
	c.Helper()
	r := w.Start
	want := query.MainLog{
		ID: w.ID, Project: r.String("project"), Operation: r.String("operation"), OperationName: r.String("operation_name"),
		Server: r.String("server"), Service: r.String("service"), Run: w.Run, RootRun: r.String("root_run"),
		ParentRun: r.String("parent_run"), ParentStep: r.String("parent_step"), ParentOperation: r.String("parent_operation"),
		Started: w.Started, Ended: w.Ended, Duration: w.Duration, State: w.State, Status: w.Status,
		Outcome: outcomes([]string{w.Outcome})[0], Reason: w.Reason,
		Counts:  query.Counts{Processed: w.Processed, Succeeded: w.Succeeded, Failed: w.Failed, Fragments: w.Fragments},
		Counted: w.Counted, TriggeredBy: w.TriggeredBy, Schedule: r.String("schedule"), Inbound: r.Bool("inbound"),
		Archived: w.Archived, Order: 1, Steps: len(w.Steps), Bytes: w.Bytes, Lines: g.Lines, SubLogs: g.SubLogs,
	}
	require.Equal(c, want, g, c.what)
	require.Equal(c, w.Lines, named(g.Lines), c.what)
	require.NotNil(c, g.SubLogs, c.what)
	require.Len(c, g.SubLogs, min(len(w.Steps), query.MaxSubLogs), c.what)
	for i, s := range g.SubLogs {
		c.sameStep(w.Steps[i], s)
	}
}

func (c *checker) sameStep(w *oracle.Execution, g query.SubLog) {
	c.Helper()
	r, run := w.Start, w.Parent.Start
	want := query.SubLog{
		ID: w.ID, Project: r.String("project"), Operation: r.String("operation"), OperationName: r.String("operation_name"),
		Server: r.String("server"), Service: r.String("service"), Run: w.Run, RootRun: r.String("root_run"),
		ParentRun: r.String("parent_run"), ParentStep: r.String("parent_step"), ParentOperation: r.String("parent_operation"),
		Step: w.Step, Action: r.String("action"), ActionName: r.String("action_name"),
		Attempt: max(1, int(r.Int("attempt"))), RowNum: w.RowNum,
		Started: w.Started, Ended: w.Ended, Duration: w.Duration, State: w.State, Status: w.Status,
		Outcome: outcomes([]string{w.Outcome})[0], Reason: w.Reason,
		Counts:  query.Counts{Processed: w.Processed, Succeeded: w.Succeeded, Failed: w.Failed, Fragments: w.Fragments},
		Counted: w.Counted, TriggeredBy: w.TriggeredBy, Schedule: run.String("schedule"), Inbound: run.Bool("inbound"),
		Archived: w.Archived, Order: w.Order, Bytes: w.Bytes, Lines: g.Lines, Iteration: g.Iteration,
	}
	require.Equal(c, want, g, c.what)
	require.Equal(c, w.Lines, named(g.Lines), c.what)
	index, value, ok := r.Iteration()
	require.Equal(c, ok, g.Iteration != nil, c.what)
	if ok {
		require.Equal(c, index, g.Iteration.Index, c.what)
		var got any
		if g.Iteration.Value != nil {
			require.NoError(c, json.Unmarshal(g.Iteration.Value, &got), c.what)
		}
		want, err := json.Marshal(value)
		require.NoError(c, err, c.what)
		again, err := json.Marshal(got)
		require.NoError(c, err, c.what)
		require.Equal(c, string(want), string(again), c.what)
	}
}
