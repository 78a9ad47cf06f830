package logger_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/steplog/steplog/audit"
	"github.com/steplog/steplog/export"
	"github.com/steplog/steplog/logger"
	"github.com/steplog/steplog/query"
)

// TestAuditOfReads reads logs in every way, for somebody and for nobody.
func TestAuditOfReads(t *testing.T) {
	t.Parallel()
	// readAll reads everything and returns what the trail has of it.
	readAll := func(t *testing.T, queries bool, actor audit.Actor) []string {
		store := trailStore(t, t.TempDir(), logger.Options{Audit: &audit.Options{RecordQueries: queries}})
		_, run := store.Server("edge").Service("orders").Operation("sync").Start(t.Context(), logger.ID("r1"), logger.Project("p"))
		run.Info("fetched")
		run.End(nil)
		store.Audit()
		ctx := t.Context()
		if actor != (audit.Actor{}) {
			ctx = audit.WithActor(ctx, actor)
		}
		q := store.Query()
		f := query.Filter{Project: "p", Operation: "sync", Run: "r1"}
		_, err := q.MainLogs(ctx, query.RunFilter{Run: "r1"}, query.Paging{})
		require.NoError(t, err)
		_, err = q.SubLogs(ctx, query.StepFilter{Run: "r1"}, query.Paging{})
		require.NoError(t, err)
		page, err := q.LineLogs(ctx, f, query.Paging{})
		require.NoError(t, err)
		require.Len(t, page.Items, 1)
		_, err = q.Records(ctx, f, query.Paging{})
		require.NoError(t, err)
		_, err = q.Record(ctx, page.Items[0].Seq)
		require.NoError(t, err)
		_, err = q.Record(ctx, 1<<40)
		require.ErrorIs(t, err, query.ErrNotFound, "who finds nothing has seen nothing")
		_, err = q.Around(ctx, page.Items[0].Seq, 1, 1)
		require.NoError(t, err)
		_, err = q.Access(ctx, query.AccessFilter{}, query.Paging{})
		require.NoError(t, err)
		_, err = q.Audit(ctx, query.AuditFilter{FlowID: "sync"}, query.Paging{})
		require.NoError(t, err)
		tail, cancel := context.WithTimeout(ctx, time.Minute)
		for _, err := range q.Tail(tail, f, query.TailOptions{Backlog: 1}) {
			require.NoError(t, err)
			cancel()
		}
		cancel()
		store.Files().Viewed(ctx, "user.log")

		var out bytes.Buffer
		_, err = export.NDJSON(&out, q.All(ctx, f))
		require.NoError(t, err)
		reader := q.Reader(ctx, f)
		_, err = io.Copy(&out, reader)
		require.NoError(t, err)
		require.NoError(t, reader.Close())
		require.NoError(t, export.Zip(ctx, &out, q, page.Items[0].Seq))
		_, err = export.ZipRuns(ctx, &out, q, query.RunFilter{Project: "p", Operation: "sync"})
		require.NoError(t, err)
		require.NoError(t, export.Files(ctx, &out, store.Files(), "user.log"))

		var got []string
		for _, r := range audited(t, store, query.AuditFilter{Modules: []string{"log"}}) {
			if r.Target.ID == fmt.Sprintf("log %d", page.Items[0].Seq) {
				r.Target.ID = "the log"
			}
			got = append(got, r.Event[len("steplog.log."):]+" "+r.Target.ID)
			if r.Event != audit.LogDownloaded.Name && r.Target.Type == "log" {
				require.Equal(t, actor, r.Actor)
			}
			if r.Event == audit.LogExported.Name {
				require.Equal(t, "p sync", r.Project+" "+r.FlowID)
			}
		}
		slices.Reverse(got)
		return got
	}
	ops := audit.User("ops@example.com")
	t.Run("R4.1 library: what somebody takes out is recorded", func(t *testing.T) {
		got := readAll(t, false, ops)
		require.Equal(t, []string{"exported records", "exported records", "exported the log", "exported main logs", "downloaded user.log"}, got)
	})
	t.Run("R4.1 library: what somebody looks at is recorded when the host asks for it", func(t *testing.T) {
		got := readAll(t, true, ops)
		require.Equal(t, []string{"viewed main logs", "viewed sub logs", "viewed line logs", "viewed records", "viewed a record",
			"viewed records", "viewed access records", "viewed audit records", "viewed records", "viewed user.log",
			"exported records", "exported records", "exported the log", "exported main logs", "downloaded user.log"}, got)
	})
	t.Run("R4.1 library: what the process reads for itself is nobody's act", func(t *testing.T) {
		require.Equal(t, []string{"downloaded user.log"}, readAll(t, false, audit.Actor{}))
	})
}
