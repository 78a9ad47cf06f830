package logger_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/steplog/steplog/audit"
	"github.com/steplog/steplog/audit/access"
	"github.com/steplog/steplog/levels"
	"github.com/steplog/steplog/logger"
	"github.com/steplog/steplog/query"
	"github.com/steplog/steplog/rotation"
)

// TestAuditOfSettings: the record of a change says what holds now, of the trail that the
// folder has, without a call of Audit.
func TestAuditOfSettings(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first := trailStore(t, dir, logger.Options{})
	first.Audit()
	require.NoError(t, first.Close())

	store := trailStore(t, dir, logger.Options{})
	scope := levels.Scope{Server: "edge", Service: "orders"}
	tree := store.Levels()
	for _, c := range []struct {
		name   string
		change func(context.Context)
		event  audit.Event
		target string
		after  map[string]string
	}{
		{"a level", func(ctx context.Context) { tree.SetLevel(ctx, scope, levels.Warn) }, audit.LevelChanged, "edge/orders", map[string]string{"": `{"level":"warn"}`}},
		{"lines", func(ctx context.Context) { tree.SetLines(ctx, scope, false) }, audit.CaptureToggled, "edge/orders", map[string]string{"": `{"lines":false}`}},
		{"captures", func(ctx context.Context) { tree.SetCapture(ctx, levels.Scope{}, false) }, audit.CaptureToggled, "/", map[string]string{"": `{"capture":false}`}},
		{"a reset", func(ctx context.Context) { tree.Reset(ctx, scope) }, audit.LevelChanged, "edge/orders", map[string]string{"": `{"reset":true}`}},
		{"a rule", func(ctx context.Context) {
			require.NoError(t, store.SetFileRule(ctx, "email", logger.FileRule{Levels: levels.Of(levels.Warn, levels.Fatal), Rotation: rotation.Rule{MaxFiles: 3}}))
		}, audit.RetentionChanged, "email", map[string]string{"/levels": `["warn","fatal"]`, "/rotation": `{"max_files":3}`}},
	} {
		before := len(audited(t, store, query.AuditFilter{}))
		c.change(audit.WithActor(t.Context(), audit.User("ops@example.com")))
		all := audited(t, store, query.AuditFilter{})
		require.Len(t, all, before+1, c.name)
		require.Equal(t, c.event.Name, all[0].Event, c.name)
		require.Equal(t, c.target, all[0].Target.ID, c.name)
		require.Equal(t, "ops@example.com", all[0].Actor.Email, c.name)
		changes := map[string]string{}
		for _, row := range all[0].Changes {
			changes[row.Path] = string(row.After)
		}
		require.Equal(t, c.after, changes, c.name)
	}
}

// TestAuditOfActsFails: an act that is done and cannot be recorded is reported, and a rule
// that cannot be recorded is an error.
func TestAuditOfActsFails(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first := trailStore(t, dir, logger.Options{})
	first.Audit()
	require.NoError(t, first.Close())
	name := filepath.Join(dir, "audit.log")
	text, err := os.ReadFile(name)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(name, []byte(strings.Replace(string(text), "steplog.audit.opened", "steplog.audit.closed", 1)), 0o600))

	var problems heard
	store := trailStore(t, dir, logger.Options{OnProblem: problems.hook})
	store.Levels().SetLevel(t.Context(), levels.Scope{}, levels.Warn)
	store.Files().Viewed(t.Context(), "email.log")
	_, err = store.Query().Records(audit.WithActor(t.Context(), audit.User("ops@example.com")), query.Filter{}, query.Paging{})
	require.NoError(t, err)
	require.ErrorIs(t, store.SetFileRule(t.Context(), "email", logger.FileRule{Levels: levels.AtLeast(levels.Warn)}), audit.ErrUnavailable)
	require.NoError(t, store.Close())
	var said []string
	for _, err := range problems.all() {
		said = append(said, err.Error())
	}
	for _, event := range []audit.Event{audit.LevelChanged, audit.LogViewed} {
		require.Contains(t, strings.Join(said, "\n"), event.Name+": ")
	}
}

// The keys whose values are hidden are hidden in URLs, too, whoever's options name them.
func TestMaskedKeysOfRequests(t *testing.T) {
	t.Parallel()
	store := openMemory(t, &logger.Options{MaskKeys: []string{"iban"}, Audit: &audit.Options{MaskKeys: []string{"ahv"}},
		Access: &access.Options{Query: true, MaskKeys: []string{"plate"}}})
	site := store.Access().Middleware(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	site.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/?iban=hidden&ahv=hidden&plate=hidden&page=1", nil))
	r := one(t, store, query.Filter{Kinds: []query.Kind{query.KindAccess}})
	require.Contains(t, string(r.Raw), "iban=***&ahv=***&plate=***&page=1")
}
