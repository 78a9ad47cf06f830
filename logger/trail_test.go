package logger_test

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/steplog/steplog/audit"
	"github.com/steplog/steplog/audit/access"
	"github.com/steplog/steplog/logger"
	"github.com/steplog/steplog/query"
)

// trailStore is a store in a folder, with problems as failures.
func trailStore(t *testing.T, dir string, o logger.Options) *logger.Store {
	t.Helper()
	if o.OnProblem == nil {
		o.OnProblem = func(err error) { t.Error(err) }
	}
	store, err := logger.Open(dir, &o)
	require.NoError(t, err)
	t.Cleanup(func() { _ = store.Close() })
	return store
}

// audited asks for audit records, newest first.
func audited(t *testing.T, store *logger.Store, f query.AuditFilter) []audit.Record {
	t.Helper()
	page, err := store.Query().Audit(t.Context(), f, query.Paging{Limit: 1000})
	require.NoError(t, err)
	require.True(t, page.Total.Exact)
	require.EqualValues(t, page.Total.N, len(page.Items))
	return page.Items
}

func record(t *testing.T, store *logger.Store, e audit.Entry) audit.Receipt {
	t.Helper()
	receipt, err := store.Audit().Record(t.Context(), e)
	require.NoError(t, err)
	return receipt
}

func TestAuditEvents(t *testing.T) {
	store := trailStore(t, t.TempDir(), logger.Options{Audit: &audit.Options{
		RecordQueries: true,
		Events:        []audit.Event{{Name: "shop.order_placed", Module: "shop", Verb: audit.VerbCreate, Title: "Order Placed"}},
	}})
	t.Run("R4.1 library: every event of the document is a constant with its module, type and title", func(t *testing.T) {
		for _, c := range []struct {
			event        audit.Event
			name, module string
			verb         audit.Verb
			title        string
		}{
			{audit.ConfigUpdated, "config.updated", "config", "update", "Configuration Updated"},
			{audit.ConfigDeleted, "config.deleted", "config", "delete", "Configuration Deleted"},
			{audit.ACLRuleCreated, "acl.rule_created", "acl", "create", "ACL Rule Created"},
			{audit.ACLRuleUpdated, "acl.rule_updated", "acl", "update", "ACL Rule Updated"},
			{audit.ComponentAccessAssigned, "component.access_assigned", "component", "update", "Component Access Assigned"},
			{audit.FlowCreated, "flow.created", "flow", "create", "Flow Created"},
			{audit.FlowUpdated, "flow.updated", "flow", "update", "Flow Updated"},
			{audit.FlowStarted, "flow.started", "flow", "other", "Flow Started"},
			{audit.FlowStopped, "flow.stopped", "flow", "other", "Flow Stopped"},
			{audit.FlowDeleted, "flow.deleted", "flow", "delete", "Flow Deleted"},
			{audit.FlowCloned, "flow.cloned", "flow", "create", "Flow Cloned"},
			{audit.TemplateCreated, "template.created", "template", "create", "Integration Template Created"},
			{audit.TemplateUpdated, "template.updated", "template", "update", "Integration Template Updated"},
			{audit.TemplatePublished, "template.published", "template", "other", "Integration Template Published"},
			{audit.TemplatePublishedUpdated, "template.published_updated", "template", "update", "Published Integration Template Updated"},
			{audit.TemplateDeleted, "template.deleted", "template", "delete", "Integration Template Deleted"},
			{audit.TemplateTestStarted, "template_test.started", "template_test", "other", "Integration Template Test Started"},
			{audit.TemplateTestStopped, "template_test.stopped", "template_test", "other", "Integration Template Test Stopped"},
			{audit.TemplateTestDeleted, "template_test.deleted", "template_test", "delete", "Integration Template Test Deleted"},
			{audit.ConnectorInstalled, "connector.installed", "connector", "create", "Connector Installed"},
			{audit.ConnectorUpdated, "connector.updated", "connector", "update", "Connector Updated"},
			{audit.ConnectorUninstalled, "connector.uninstalled", "connector", "delete", "Connector Uninstalled"},
			{audit.UserCreated, "user.created", "user", "create", "User Created"},
			{audit.UserUpdated, "user.updated", "user", "update", "User Updated"},
			{audit.UserDeleted, "user.deleted", "user", "delete", "User Deleted"},
			{audit.UserLoggedIn, "user.logged_in", "user", "other", "User Logged In"},
			{audit.UserLoginFailed, "user.login_failed", "user", "other", "Login Failed"},
			{audit.UserPasswordChanged, "user.password_changed", "user", "update", "Password Changed"},
		} {
			receipt := record(t, store, audit.Entry{Event: c.event})
			got := audited(t, store, query.AuditFilter{Events: []string{c.name}})
			require.Len(t, got, 1, c.name)
			require.Equal(t, receipt.Seq, got[0].Seq)
			require.Equal(t, []string{c.name, c.module, string(c.verb), c.title},
				[]string{got[0].Event, got[0].Module, string(got[0].Verb), got[0].Title})
		}
		got := audited(t, store, query.AuditFilter{Verbs: []audit.Verb{audit.VerbQuery}})
		require.Empty(t, got)
		record(t, store, audit.Entry{Event: audit.LogViewed})
		require.Len(t, audited(t, store, query.AuditFilter{Verbs: []audit.Verb{audit.VerbQuery}}), 1)
	})
	t.Run("R4.1 library: hosts add their own", func(t *testing.T) {
		record(t, store, audit.Entry{Event: audit.Event{Name: "shop.order_placed"}})
		got := audited(t, store, query.AuditFilter{Modules: []string{"shop"}})
		require.Len(t, got, 1)
		require.Equal(t, "Order Placed", got[0].Title)
		_, err := store.Audit().Record(t.Context(), audit.Entry{Event: audit.Event{Name: "shop.other"}})
		require.ErrorIs(t, err, audit.ErrEvent)
		for _, wrong := range []audit.Event{
			{Name: "flow.updated", Module: "x", Verb: audit.VerbOther, Title: "x"},
			{Name: "steplog.mine", Module: "x", Verb: audit.VerbOther, Title: "x"},
			{Name: "nodots", Module: "x", Verb: audit.VerbOther, Title: "x"},
			{Name: "Upper.case", Module: "x", Verb: audit.VerbOther, Title: "x"},
			{Name: "a.b", Module: "x", Verb: "burn", Title: "x"},
			{Name: "a.b", Module: "x", Verb: audit.VerbOther},
		} {
			_, err := audit.Open(t.TempDir(), &audit.Options{Events: []audit.Event{wrong}})
			require.ErrorIs(t, err, audit.ErrEvent, "%v", wrong)
		}
	})
}

func TestAuditRecords(t *testing.T) {
	dir := t.TempDir()
	store := trailStore(t, dir, logger.Options{})
	t.Run("R4.2 library: a record says who did what to which thing, when, from where and why", func(t *testing.T) {
		before := time.Now().Add(-time.Second)
		record(t, store, audit.Entry{
			Event: audit.FlowUpdated, Actor: audit.Actor{ID: "u-1", Email: "admin@example.com", Name: "Ada", Type: "user"},
			OnBehalfOf: audit.User("owner@example.com"), Target: audit.Target{Type: "flow", ID: "f-1", Name: "Sync prices"},
			FlowID: "f-1", Project: "tenant-1", Request: "req-1", Run: "run-1", IP: netip.MustParseAddr("203.0.113.9"),
			Before: map[string]int{"a": 1}, After: map[string]int{"a": 2}, Outcome: audit.Failure, Reason: "the disk is full",
		})
		got := audited(t, store, query.AuditFilter{FlowID: "f-1"})
		require.Len(t, got, 1)
		r := got[0]
		require.Equal(t, "Flow Updated", r.Title)
		require.Equal(t, audit.VerbUpdate, r.Verb)
		require.Equal(t, "flow", r.Module)
		require.Equal(t, audit.Actor{ID: "u-1", Email: "admin@example.com", Name: "Ada", Type: "user"}, r.Actor)
		require.Equal(t, "owner@example.com", r.OnBehalfOf.Email)
		require.Equal(t, "tenant-1", r.Project)
		require.WithinRange(t, r.Time, before, time.Now().Add(time.Second))
		require.Equal(t, audit.Target{Type: "flow", ID: "f-1", Name: "Sync prices"}, r.Target)
		require.Equal(t, []string{"203.0.113.9", "req-1", "run-1"}, []string{r.IP, r.Request, r.Run})
		require.Equal(t, audit.Failure, r.Outcome)
		require.Equal(t, "the disk is full", r.Reason)
		require.Equal(t, []audit.Change{{Path: "/a", Op: audit.OpReplace, Before: []byte("1"), After: []byte("2")}}, r.Changes)
		var keys []string // in the order of the format
		for _, key := range []string{"seq", "timestamp", "level", "kind", "id", "event", "title", "verb", "module", "outcome", "reason", "actor",
			"on_behalf_of", "target", "operation", "project", "ip", "request", "run", "changes"} {
			keys = append(keys, `"`+key+`":`)
		}
		at := 0
		for _, key := range keys {
			i := bytes.Index(r.Raw[at:], []byte(key))
			require.GreaterOrEqual(t, i, 0, key)
			at += i
		}
	})
	t.Run("R4.2 library: an act with its intent and outcome", func(t *testing.T) {
		require.NoError(t, store.Audit().Do(t.Context(), audit.Entry{Event: audit.FlowDeleted, FlowID: "f-2"}, func() error {
			require.Len(t, audited(t, store, query.AuditFilter{FlowID: "f-2", Outcomes: []audit.Outcome{audit.Intent}}), 1)
			return nil
		}))
		got := audited(t, store, query.AuditFilter{FlowID: "f-2"})
		require.Len(t, got, 2)
		require.Equal(t, got[1].Seq, *got[0].Intent)
	})
	t.Run("R1.1 library: the audit trail and security events have a home, and topic says which", func(t *testing.T) {
		record(t, store, audit.Entry{Event: audit.UserLoginFailed, Actor: audit.User("eve@example.com"), Outcome: audit.Denied})
		record(t, store, audit.Entry{Event: audit.FlowDeleted, FlowID: "f-9", Outcome: audit.Denied, Reason: "not hers"})
		h := store.Access().Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(http.StatusForbidden)
		}))
		h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/admin", nil))
		store.Server("edge").Warn("many requests", logger.Topic("security"), logger.Code("RATE"))
		text, err := os.ReadFile(filepath.Join(dir, "audit.log"))
		require.NoError(t, err)
		require.Contains(t, string(text), `"kind":"audit","topic":"security"`, "log-ins and what was denied")
		require.Contains(t, string(text), `"kind":"audit","topic":"audit"`, "the rest of the trail")
		require.Len(t, audited(t, store, query.AuditFilter{Topic: "security"}), 2)
		page, err := store.Query().Records(t.Context(), query.Filter{Topic: "security"}, query.Paging{})
		require.NoError(t, err)
		require.Len(t, page.Items, 2, "a refused request and suspicious activity")
	})
}

func TestAuditFilters(t *testing.T) {
	at := time.Date(2026, 11, 21, 8, 0, 0, 0, time.UTC)
	now := at
	store := trailStore(t, t.TempDir(), logger.Options{Audit: &audit.Options{Clock: func() time.Time { return now }}})
	users := []string{"ada@example.com", "bob@example.com", "cy@example.com"}
	events := []audit.Event{audit.FlowCreated, audit.FlowUpdated, audit.FlowDeleted, audit.UserUpdated, audit.ConnectorInstalled}
	store.Audit()
	for i := range 60 {
		now = at.Add(time.Duration(i) * time.Minute)
		record(t, store, audit.Entry{Event: events[i%5], Actor: audit.User(users[i%3]), FlowID: fmt.Sprintf("flow-%d", i%4),
			Project: fmt.Sprintf("p-%d", i%2), Target: audit.Target{Type: "flow", ID: fmt.Sprint("t-", i), Name: "Prices " + fmt.Sprint(i)}})
	}
	all := audited(t, store, query.AuditFilter{})
	require.Len(t, all, 61)
	oracle := func(f query.AuditFilter) (seqs []uint64) {
		for _, r := range all {
			text := strings.ToLower(strings.Join([]string{r.Title, r.Event, r.FlowID, r.Target.ID, r.Target.Name, r.Actor.ID, r.Actor.Email, r.Actor.Name}, "\n"))
			ok := (f.From.IsZero() || !r.Time.Before(f.From)) && (f.To.IsZero() || !r.Time.After(f.To)) &&
				(len(f.Verbs) == 0 || slices.Contains(f.Verbs, r.Verb)) && (len(f.Modules) == 0 || slices.Contains(f.Modules, r.Module)) &&
				(f.User == "" || f.User == r.Actor.Email) && (f.FlowID == "" || f.FlowID == r.FlowID) && (f.Project == "" || f.Project == r.Project)
			words := strings.Fields(strings.ToLower(f.Search))
			if phrase, quoted := strings.CutPrefix(strings.ToLower(f.Search), `"`); quoted {
				words = []string{strings.TrimSuffix(phrase, `"`)}
			}
			for _, word := range words {
				ok = ok && strings.Contains(text, word)
			}
			if ok {
				seqs = append(seqs, r.Seq)
			}
		}
		return seqs
	}
	t.Run("R4.3 library: every combination of filters, paged with exact totals", func(t *testing.T) {
		for mask := range 1 << 7 {
			var f query.AuditFilter
			set := func(bit int, do func()) {
				if mask&(1<<bit) != 0 {
					do()
				}
			}
			set(0, func() { f.Search = "PRICES update" })
			set(1, func() { f.From, f.To = at.Add(10*time.Minute), at.Add(50*time.Minute) })
			set(2, func() { f.Verbs = []audit.Verb{audit.VerbCreate, audit.VerbUpdate} })
			set(3, func() { f.Modules = []string{"flow", "user"} })
			set(4, func() { f.User = users[1] })
			set(5, func() { f.FlowID = "flow-3" })
			set(6, func() { f.Project = "p-1" })
			want := oracle(f)
			for _, oldest := range []bool{false, true} {
				var got []uint64
				p := query.Paging{Limit: 7, Oldest: oldest}
				for {
					page, err := store.Query().Audit(t.Context(), f, p)
					require.NoError(t, err)
					require.Equal(t, query.Total{N: int64(len(want)), Exact: true}, page.Total)
					for _, r := range page.Items {
						got = append(got, r.Seq)
					}
					if page.Next == "" {
						break
					}
					p = query.Paging{Limit: 7, Cursor: page.Next}
				}
				if oldest {
					slices.Reverse(got)
				}
				require.Equal(t, want, got, "filters %07b", mask)
			}
			page, err := store.Query().Audit(t.Context(), f, query.Paging{Limit: 3, Offset: 2})
			require.NoError(t, err)
			for i, r := range page.Items {
				require.Equal(t, want[2+i], r.Seq)
			}
		}
	})
	t.Run("R4.3 library: keywords over action text and identifiers", func(t *testing.T) {
		for search, some := range map[string]bool{"connector installed": true, "flow.updated": true, "FLOW-2": true, "t-17": true, `"Prices 3"`: true,
			"bob@example.com": true, "ada created": true, "flow-1 t-17": true, "flow-2 t-17": false, "nobody": false} {
			want := oracle(query.AuditFilter{Search: search})
			require.Equal(t, some, len(want) > 0, search)
			got := audited(t, store, query.AuditFilter{Search: search})
			require.Len(t, got, len(want), search)
			for i, r := range got {
				require.Equal(t, want[i], r.Seq, search)
			}
		}
	})
	t.Run("R4.3 library: action, user, created and details, newest first", func(t *testing.T) {
		require.Equal(t, "Connector Installed", all[0].Title)
		require.Equal(t, users[2], all[0].Actor.Email)
		require.True(t, all[0].Time.Equal(at.Add(59*time.Minute)))
		require.NotEmpty(t, all[0].Raw)
		for i := 1; i < len(all); i++ {
			require.Equal(t, all[i-1].Seq-1, all[i].Seq)
		}
	})
	t.Run("R4.3 library: a page does not shift while records arrive, nor when files rotate", func(t *testing.T) {
		first, err := store.Query().Audit(t.Context(), query.AuditFilter{}, query.Paging{Limit: 10})
		require.NoError(t, err)
		record(t, store, audit.Entry{Event: audit.FlowCloned})
		require.NoError(t, store.Audit().Rotate(t.Context()))
		record(t, store, audit.Entry{Event: audit.FlowCloned})
		second, err := store.Query().Audit(t.Context(), query.AuditFilter{}, query.Paging{Limit: 10, Cursor: first.Next})
		require.NoError(t, err)
		require.Equal(t, first.Items[9].Seq-1, second.Items[0].Seq)
		require.Equal(t, first.Total, second.Total)
		again, err := store.Query().Audit(t.Context(), query.AuditFilter{}, query.Paging{Limit: 10, AsOf: first.AsOf})
		require.NoError(t, err)
		require.Equal(t, first.Items, again.Items)
		require.Len(t, audited(t, store, query.AuditFilter{Events: []string{"flow.cloned"}}), 2)
	})
	t.Run("R4.3 library: questions that cannot be", func(t *testing.T) {
		for _, c := range []struct {
			field string
			f     query.AuditFilter
		}{
			{"From", query.AuditFilter{From: at.Add(time.Hour), To: at}},
			{"Search", query.AuditFilter{Search: strings.Repeat("x", 5000)}},
			{"Search", query.AuditFilter{Search: "\xff"}},
			{"Events", query.AuditFilter{Events: make([]string, 101)}},
			{"Modules", query.AuditFilter{Modules: make([]string, 101)}},
			{"Verbs", query.AuditFilter{Verbs: slices.Repeat([]audit.Verb{audit.VerbQuery}, 101)}},
			{"Verbs", query.AuditFilter{Verbs: []audit.Verb{audit.VerbCreate, "updated"}}},
			{"Verbs", query.AuditFilter{Verbs: []audit.Verb{""}}},
			{"Outcomes", query.AuditFilter{Outcomes: []audit.Outcome{audit.Failure, "failed"}}},
			{"Topic", query.AuditFilter{Topic: "Security"}},
		} {
			_, err := store.Query().Audit(t.Context(), c.f, query.Paging{})
			require.ErrorIs(t, err, query.ErrInvalid)
			var invalid *query.InvalidError
			require.ErrorAs(t, err, &invalid)
			require.Equal(t, c.field, invalid.Param, err)
			for _, got := range store.Query().AllAudit(t.Context(), c.f) {
				require.Equal(t, err, got)
			}
		}
	})
	t.Run("R4.3 library: every verb, outcome and topic there is can be asked for, and events the host may add", func(t *testing.T) {
		for _, f := range []query.AuditFilter{
			{Verbs: []audit.Verb{audit.VerbCreate, audit.VerbUpdate, audit.VerbDelete, audit.VerbQuery, audit.VerbOther}},
			{Outcomes: []audit.Outcome{audit.Intent, audit.Success, audit.Failure, audit.Denied, audit.Panic}},
			{Topic: "security"}, {Topic: "audit"}, {Events: []string{"shop.order_placed"}, Modules: []string{"shop"}},
		} {
			_, err := store.Query().Audit(t.Context(), f, query.Paging{})
			require.NoError(t, err)
		}
	})
	t.Run("R4.3 library: a cursor of other records is refused", func(t *testing.T) {
		lines, err := store.Query().Records(t.Context(), query.Filter{}, query.Paging{Limit: 1})
		require.NoError(t, err)
		_, err = store.Query().Audit(t.Context(), query.AuditFilter{}, query.Paging{Cursor: lines.Next})
		require.ErrorIs(t, err, query.ErrCursor)
	})
}

func TestAuditDiff(t *testing.T) {
	const canary = "canary-5ecret-value"
	dir := t.TempDir()
	store := trailStore(t, dir, logger.Options{MaskKeys: []string{"pin"}})
	require.NoError(t, store.AddSecret(canary))
	type node struct {
		ID    string         `json:"id"`
		Props map[string]any `json:"props"`
	}
	before := map[string]any{"name": "Sync", "limit": int64(9007199254740993), "password": "old", "pin": 1,
		"nodes": []node{{"a", map[string]any{"url": "http://x"}}, {"b", nil}}}
	after := map[string]any{"name": "Sync prices", "limit": int64(9007199254740992), "password": "new", "pin": 2, "note": "uses " + canary,
		"nodes": []node{{"b", nil}, {"a", map[string]any{"url": "http://y"}}}}
	record(t, store, audit.Entry{Event: audit.FlowUpdated, FlowID: "f", Before: before, After: after, Reason: canary})
	got := audited(t, store, query.AuditFilter{FlowID: "f"})[0]
	t.Run("R4.4 library: a diff table of path, old and new", func(t *testing.T) {
		rows := map[string]audit.Change{}
		for _, c := range got.Changes {
			rows[c.Path] = c
		}
		require.Len(t, rows, 7)
		require.Equal(t, `"Sync" "Sync prices"`, fmt.Sprintf("%s %s", rows["/name"].Before, rows["/name"].After))
		require.Equal(t, `9007199254740993 9007199254740992`, fmt.Sprintf("%s %s", rows["/limit"].Before, rows["/limit"].After))
		require.Equal(t, `"http://x" "http://y"`, fmt.Sprintf("%s %s", rows["/nodes/[a]/props/url"].Before, rows["/nodes/[a]/props/url"].After))
		require.Equal(t, `["a","b"] ["b","a"]`, fmt.Sprintf("%s %s", rows["/nodes/[order]"].Before, rows["/nodes/[order]"].After))
	})
	t.Run("R4.4 library: secrets are masked, by key and by value, and a change of one shows", func(t *testing.T) {
		require.True(t, got.Redacted)
		for _, c := range got.Changes {
			if c.Path == "/password" || c.Path == "/pin" {
				require.Regexp(t, `^"hmac:[0-9a-f]{16}"$`, string(c.Before))
				require.NotEqual(t, string(c.Before), string(c.After))
			}
			if c.Path == "/note" {
				require.Regexp(t, `^"hmac:[0-9a-f]{16}"$`, string(c.After))
			}
		}
		require.NoError(t, store.Sync(t.Context()))
		infos, err := os.ReadDir(dir)
		require.NoError(t, err)
		for _, info := range infos {
			if !info.Type().IsRegular() {
				continue
			}
			text, err := os.ReadFile(filepath.Join(dir, info.Name()))
			require.NoError(t, err)
			require.NotContains(t, string(text), canary, info.Name())
		}
	})
}

// copyFiles copies what a folder has now; what is renamed meanwhile is left out.
func copyFiles(t *testing.T, from, to string) {
	t.Helper()
	infos, err := os.ReadDir(from)
	require.NoError(t, err)
	require.NoError(t, os.MkdirAll(to, 0o700))
	for _, info := range infos {
		if !info.Type().IsRegular() {
			continue
		}
		text, err := os.ReadFile(filepath.Join(from, info.Name()))
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(to, info.Name()), text, 0o600))
	}
}

func TestAuditDurable(t *testing.T) {
	dir := t.TempDir()
	store := trailStore(t, dir, logger.Options{})
	receipt := record(t, store, audit.Entry{Event: audit.FlowCreated, FlowID: "kept"})
	text, err := os.ReadFile(filepath.Join(dir, "audit.log"))
	require.NoError(t, err)
	t.Run("R4.5 library: stored and signed before the call returns", func(t *testing.T) {
		require.Contains(t, string(text), fmt.Sprintf(`{"seq":%d,`, receipt.Seq))
		report, err := audit.Verify(t.Context(), dir, &audit.VerifyOptions{Anchors: [][]byte{receipt.Checkpoint}})
		require.NoError(t, err)
		require.Equal(t, receipt.Seq+1, report.Size)
	})
	t.Run("R6.1 library: what is acknowledged is there after a kill", func(t *testing.T) {
		copied := t.TempDir() // what the disk has now, without a Close
		copyFiles(t, dir, filepath.Join(copied, "logs"))
		after := trailStore(t, filepath.Join(copied, "logs"), logger.Options{})
		require.Len(t, audited(t, after, query.AuditFilter{FlowID: "kept"}), 1)
		require.NoError(t, after.Close())
		_, err := audit.Verify(t.Context(), filepath.Join(copied, "logs"), &audit.VerifyOptions{Anchors: [][]byte{receipt.Checkpoint}})
		require.NoError(t, err)
	})
	require.NoError(t, store.Close())
	t.Run("R4.5 library: anyone can check it offline, and any change is found", func(t *testing.T) {
		report, err := audit.Verify(t.Context(), dir, nil)
		require.NoError(t, err)
		require.Equal(t, receipt.Seq+1, report.Size)
		path := filepath.Join(dir, "audit.log")
		whole, err := os.ReadFile(path)
		require.NoError(t, err)
		forged := bytes.Replace(whole, []byte(`"operation":"kept"`), []byte(`"operation":"gone"`), 1)
		require.NoError(t, os.WriteFile(path, forged, 0o600))
		_, err = audit.Verify(t.Context(), dir, nil)
		require.ErrorIs(t, err, audit.ErrDamaged)
	})
	t.Run("R4.5 library: a trail that was changed refuses every record, and the store goes on", func(t *testing.T) {
		var problems []error
		heard := make(chan error, 10)
		store := trailStore(t, dir, logger.Options{OnProblem: func(err error) { heard <- err }})
		_, err := store.Audit().Record(t.Context(), audit.Entry{Event: audit.FlowDeleted})
		require.ErrorIs(t, err, audit.ErrUnavailable)
		require.ErrorIs(t, err, audit.ErrDamaged)
		ran := false
		err = store.Audit().Do(t.Context(), audit.Entry{Event: audit.FlowDeleted}, func() error { ran = true; return nil })
		require.ErrorIs(t, err, audit.ErrUnavailable)
		require.False(t, ran, "fail closed")
		store.Server("edge").Info("still here")
		page, err := store.Query().Records(t.Context(), query.Filter{Search: `"still here"`}, query.Paging{})
		require.NoError(t, err)
		require.Len(t, page.Items, 1)
		require.NoError(t, store.Close())
		close(heard)
		for err := range heard {
			problems = append(problems, err)
		}
		require.ErrorIs(t, errors.Join(problems...), audit.ErrDamaged)
	})
}

func TestAuditInMemory(t *testing.T) {
	store := logger.OpenMemory(nil)
	defer store.Close()
	record(t, store, audit.Entry{Event: audit.FlowCreated, FlowID: "f"})
	require.Len(t, audited(t, store, query.AuditFilter{FlowID: "f"}), 1)
	require.NoError(t, store.Close())
	_, err := store.Audit().Record(t.Context(), audit.Entry{Event: audit.FlowCreated})
	require.ErrorIs(t, err, audit.ErrUnavailable)
	var none *logger.Store
	_, err = none.Audit().Record(t.Context(), audit.Entry{Event: audit.FlowCreated})
	require.ErrorIs(t, err, audit.ErrClosed)
	none.Access().Record(access.Record{})
}
