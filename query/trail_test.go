package query_test

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/steplog/steplog/audit"
	"github.com/steplog/steplog/logger"
	"github.com/steplog/steplog/query"
	"github.com/steplog/steplog/rotation"
)

// TestTrailIsDeleted asks about a trail before and after its oldest files are deleted:
// what is left has its numbers, and a cursor from before goes on.
func TestTrailIsDeleted(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	store, err := logger.Open(dir, nil)
	require.NoError(t, err)
	defer func() { require.NoError(t, store.Close()) }()
	n := 0
	record := func() {
		for range 10 {
			_, err := store.Audit().Record(t.Context(), audit.Entry{Event: audit.FlowUpdated, FlowID: fmt.Sprint("f-", n%3), Run: fmt.Sprint(n)})
			require.NoError(t, err)
			n++
		}
	}
	for range 4 {
		record()
		require.NoError(t, store.Audit().Rotate(t.Context()))
	}
	record()
	beside, err := query.Open(dir)
	require.NoError(t, err)
	defer func() { require.NoError(t, beside.Close()) }()

	engines := []*query.Engine{store.Query(), beside}
	all := func(e *query.Engine, f query.AuditFilter) (found []audit.Record) {
		t.Helper()
		for r, err := range e.AllAudit(t.Context(), f) {
			require.NoError(t, err)
			found = append(found, r)
		}
		page, err := e.Audit(t.Context(), f, query.Paging{Limit: 1})
		require.NoError(t, err)
		require.Equal(t, query.Total{N: int64(len(found)), Exact: true}, page.Total)
		return found
	}
	f := query.AuditFilter{Events: []string{audit.FlowUpdated.Name}, FlowID: "f-1"}
	was, next := all(beside, f), []string{}
	for _, e := range engines {
		require.Equal(t, was, all(e, f))
		page, err := e.Audit(t.Context(), f, query.Paging{Limit: 3})
		require.NoError(t, err)
		next = append(next, page.Next)
	}

	require.NoError(t, store.Audit().SetRule(t.Context(), rotation.Rule{MaxFiles: 2}))
	require.Eventually(t, func() bool {
		files, err := filepath.Glob(filepath.Join(dir, "audit-*.gz"))
		plain, err2 := filepath.Glob(filepath.Join(dir, "audit-*.log"))
		return err == nil && err2 == nil && len(files) == 2 && len(plain) == 0 // none is yet to be compressed
	}, 30*time.Second, time.Millisecond)
	for i, e := range engines {
		left := all(e, f)
		require.Equal(t, was[7:], left)
		page, err := e.Audit(t.Context(), f, query.Paging{Cursor: next[i]})
		require.NoError(t, err)
		require.Len(t, page.Items, len(left)-3)
		require.Equal(t, left[len(left)-4], page.Items[0])
		require.Equal(t, left[0], page.Items[len(page.Items)-1])
	}
	record()
	for _, e := range engines {
		left := all(e, query.AuditFilter{})
		require.Equal(t, fmt.Sprint(n-1), left[len(left)-1].Run)
	}
}

// TestTrailLimits asks with as much as a filter may hold, and with more.
func TestTrailLimits(t *testing.T) {
	t.Parallel()
	store := logger.OpenMemory(nil)
	defer store.Close()
	words := func(n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprint(&b, " w", i)
		}
		return b.String()
	}
	verbs := func(n int) (list []audit.Verb) {
		for range n {
			list = append(list, audit.VerbUpdate)
		}
		return list
	}
	for _, c := range []struct{ most, more query.AuditFilter }{
		{query.AuditFilter{Search: words(63) + " W0 w1"}, query.AuditFilter{Search: words(64)}},
		{query.AuditFilter{Search: strings.Repeat("x", query.MaxSearchBytes)}, query.AuditFilter{Search: strings.Repeat("x", query.MaxSearchBytes+1)}},
		{query.AuditFilter{Events: make([]string, query.MaxFilterValues)}, query.AuditFilter{Events: make([]string, query.MaxFilterValues+1)}},
		{query.AuditFilter{Modules: make([]string, query.MaxFilterValues)}, query.AuditFilter{Modules: make([]string, query.MaxFilterValues+1)}},
		{query.AuditFilter{Verbs: verbs(query.MaxFilterValues)}, query.AuditFilter{Verbs: verbs(query.MaxFilterValues + 1)}},
	} {
		_, err := store.Query().Audit(t.Context(), c.most, query.Paging{})
		require.NoError(t, err)
		_, err = store.Query().Audit(t.Context(), c.more, query.Paging{})
		require.ErrorIs(t, err, query.ErrInvalid)
	}
}

// TestTrailFilters compares what each condition selects with a plain loop.
func TestTrailFilters(t *testing.T) {
	t.Parallel()
	store := logger.OpenMemory(nil)
	defer store.Close()
	people := []audit.Actor{audit.User("ada@example.com"), {ID: "7", Email: "bob@example.com", Name: "Bob"}, {ID: "cy", Name: "\x1b[1mCy\x1b[0m"}, {}}
	for i := range 120 {
		_, err := store.Audit().Record(t.Context(), audit.Entry{
			Event: []audit.Event{audit.FlowCreated, audit.FlowUpdated, audit.UserUpdated}[i%3],
			Actor: people[i%4], OnBehalfOf: people[i/4%4], FlowID: []string{"", "f-1", "F-1"}[i/2%3], Project: []string{"", "p-1"}[i/3%2],
			Target:  audit.Target{Type: []string{"flow", "user"}[i/5%2], ID: fmt.Sprint("t-", i/6%4), Name: []string{"", "Prices"}[i%2]},
			Outcome: []audit.Outcome{audit.Success, audit.Failure, audit.Denied}[i/7%3]})
		require.NoError(t, err)
	}
	all := []audit.Record{}
	for r, err := range store.Query().AllAudit(t.Context(), query.AuditFilter{}) {
		require.NoError(t, err)
		all = append(all, r)
	}
	user := func(u string) func(*audit.Record) bool {
		return func(r *audit.Record) bool {
			return slices.Contains([]string{r.Actor.ID, r.Actor.Email, r.OnBehalfOf.ID, r.OnBehalfOf.Email}, u)
		}
	}
	search := func(words ...string) func(*audit.Record) bool {
		return func(r *audit.Record) bool {
			texts := []string{r.Title, r.Event, r.FlowID, r.Target.ID, r.Target.Name, r.Actor.ID, r.Actor.Email, r.Actor.Name,
				r.OnBehalfOf.ID, r.OnBehalfOf.Email, r.OnBehalfOf.Name}
			text := strings.ToLower(strings.Join(texts, "\n"))
			return !slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(text, w) })
		}
	}
	from, to := all[40].Time, all[43].Time
	for _, c := range []struct {
		filter query.AuditFilter
		want   func(r *audit.Record) bool
	}{
		{query.AuditFilter{From: from}, func(r *audit.Record) bool { return !r.Time.Before(from) }},
		{query.AuditFilter{To: to}, func(r *audit.Record) bool { return !r.Time.After(to) }},
		{query.AuditFilter{From: from, To: to}, func(r *audit.Record) bool { return !r.Time.Before(from) && !r.Time.After(to) }},
		{query.AuditFilter{Verbs: []audit.Verb{audit.VerbCreate}}, func(r *audit.Record) bool { return r.Verb == audit.VerbCreate }},
		{query.AuditFilter{Events: []string{audit.UserUpdated.Name}}, func(r *audit.Record) bool { return r.Event == audit.UserUpdated.Name }},
		{query.AuditFilter{Modules: []string{audit.UserUpdated.Module}}, func(r *audit.Record) bool { return r.Module == audit.UserUpdated.Module }},
		{query.AuditFilter{Outcomes: []audit.Outcome{audit.Failure, audit.Denied}}, func(r *audit.Record) bool { return r.Outcome != audit.Success }},
		{query.AuditFilter{User: "ada@example.com"}, user("ada@example.com")},
		{query.AuditFilter{User: "7"}, user("7")},
		{query.AuditFilter{User: "bob@example.com"}, user("bob@example.com")},
		{query.AuditFilter{User: "Bob"}, user("Bob")},
		{query.AuditFilter{FlowID: "f-1"}, func(r *audit.Record) bool { return r.FlowID == "f-1" }},
		{query.AuditFilter{Project: "p-1"}, func(r *audit.Record) bool { return r.Project == "p-1" }},
		{query.AuditFilter{TargetType: "user"}, func(r *audit.Record) bool { return r.Target.Type == "user" }},
		{query.AuditFilter{TargetID: "t-3"}, func(r *audit.Record) bool { return r.Target.ID == "t-3" }},
		{query.AuditFilter{Topic: "security"}, func(r *audit.Record) bool { return r.Topic == "security" }},
		{query.AuditFilter{Search: "PRICES f-1 Prices"}, search("prices", "f-1")},
		{query.AuditFilter{Search: "Cy t-2"}, search("cy", "t-2")},
		{query.AuditFilter{Search: "1mcy"}, func(*audit.Record) bool { return false }},
		{query.AuditFilter{Search: "bob", Outcomes: []audit.Outcome{audit.Denied}, TargetType: "flow"}, func(r *audit.Record) bool {
			return search("bob")(r) && r.Outcome == audit.Denied && r.Target.Type == "flow"
		}},
	} {
		want := []audit.Record{}
		for i := range all {
			if c.want(&all[i]) {
				want = append(want, all[i])
			}
		}
		page, err := store.Query().Audit(t.Context(), c.filter, query.Paging{Oldest: true, Limit: len(all)})
		require.NoError(t, err)
		require.Equal(t, want, page.Items, "%+v", c.filter)
		require.Equal(t, query.Total{N: int64(len(want)), Exact: true}, page.Total, "%+v", c.filter)
	}
}
