package logger_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/steplog/steplog/audit"
	"github.com/steplog/steplog/audit/access"
	"github.com/steplog/steplog/levels"
	"github.com/steplog/steplog/logger"
	"github.com/steplog/steplog/query"
)

func TestLoginLog(t *testing.T) {
	at := time.Date(2026, 11, 21, 8, 0, 0, 0, time.UTC)
	now := at
	store := trailStore(t, t.TempDir(), logger.Options{Audit: &audit.Options{Clock: func() time.Time { return now }}})
	h := store.Access().Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, event, outcome := r.FormValue("user"), audit.UserLoggedIn, audit.Success
		switch {
		case r.URL.Path == "/password":
			event = audit.UserPasswordChanged
		case r.FormValue("password") != "right":
			event, outcome = audit.UserLoginFailed, audit.Denied
		}
		_, err := store.Audit().Record(r.Context(), audit.Entry{Event: event, Actor: audit.User(user), Outcome: outcome})
		require.NoError(t, err)
	}))
	for i, url := range []string{"/login?user=ada@example.com&password=wrong", "/login?user=ada@example.com&password=right",
		"/password?user=ada@example.com", "/login?user=bob@example.com&password=right"} {
		now = at.Add(time.Duration(i) * time.Minute)
		req := httptest.NewRequest("POST", url, nil)
		req.RemoteAddr = fmt.Sprintf("203.0.113.%d:1234", i)
		h.ServeHTTP(httptest.NewRecorder(), req)
	}
	record(t, store, audit.Entry{Event: audit.FlowCreated, Actor: audit.User("ada@example.com")})
	logins := query.AuditFilter{}
	for _, e := range audit.LoginEvents() {
		logins.Events = append(logins.Events, e.Name)
	}
	t.Run("R5.6 library: log-ins, failed ones and password changes by user, IP and time", func(t *testing.T) {
		all := audited(t, store, logins)
		require.Len(t, all, 4)
		var rows []string
		for _, r := range all {
			rows = append(rows, strings.Join([]string{r.Time.Format("15:04"), r.Title, r.Actor.Email, r.IP}, " "))
		}
		require.Equal(t, []string{
			"08:03 User Logged In bob@example.com 203.0.113.3",
			"08:02 Password Changed ada@example.com 203.0.113.2",
			"08:01 User Logged In ada@example.com 203.0.113.1",
			"08:00 Login Failed ada@example.com 203.0.113.0",
		}, rows)
		ada := logins
		ada.User, ada.From = "ada@example.com", at.Add(time.Minute)
		require.Len(t, audited(t, store, ada), 2)
	})
}

// place is an attributor for tests.
type place struct{}

func (place) Attribute(a netip.Addr) access.Attribution {
	return access.Attribution{Country: "AT", City: "Graz", Network: "net of " + a.String()}
}

func TestAccessLog(t *testing.T) {
	at := time.Date(2026, 11, 21, 8, 0, 0, 0, time.UTC)
	now := at
	dir := t.TempDir()
	store := trailStore(t, dir, logger.Options{Access: &access.Options{Clock: func() time.Time { now = now.Add(time.Millisecond); return now },
		Attributor: place{}, Attributes: func(r *http.Request) map[string]string { return map[string]string{"build": "7"} }}})
	h := store.Access().Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		access.SetAccount(r.Context(), "ada@example.com", "ACME GmbH")
		access.SetMemo(r.Context(), "by phone")
		if r.URL.Path == "/missing" {
			http.NotFound(w, r)
			return
		}
		_, _ = io.WriteString(w, "hello")
	}))
	for i, path := range []string{"/flows", "/missing", "/flows/7"} {
		now = at.Add(time.Duration(i) * time.Hour)
		req := httptest.NewRequest("GET", path, nil)
		req.RemoteAddr = "203.0.113.7:1234"
		h.ServeHTTP(httptest.NewRecorder(), req)
	}
	ask := func(f query.AccessFilter) []access.Record {
		page, err := store.Query().Access(t.Context(), f, query.Paging{})
		require.NoError(t, err)
		require.True(t, page.Total.Exact)
		require.EqualValues(t, len(page.Items), page.Total.N)
		return page.Items
	}
	t.Run("R5.1 library: who asked for what, from where, and what came of it", func(t *testing.T) {
		all := ask(query.AccessFilter{})
		require.Len(t, all, 3)
		r := all[0]
		require.Equal(t, []string{"ada@example.com", "ACME GmbH", "GET", "/flows/7", "by phone"}, []string{r.Account, r.Tenant, r.Method, r.Path, r.Memo})
		require.Equal(t, 200, r.Status)
		require.EqualValues(t, 5, r.Bytes)
		require.Equal(t, time.Millisecond, r.Duration)
		require.Equal(t, "203.0.113.7", r.IP.String())
		require.Equal(t, access.Attribution{Country: "AT", City: "Graz", Network: "net of 203.0.113.7"}, r.Origin)
		require.Equal(t, map[string]string{"build": "7"}, r.Attributes)
		require.Equal(t, "peer", r.IPFrom)
		require.WithinDuration(t, at.Add(2*time.Hour), r.Time, time.Second)
	})
	t.Run("R5.1 library: filtered by date and keyword", func(t *testing.T) {
		require.Len(t, ask(query.AccessFilter{Search: "acme phone"}), 3)
		require.Len(t, ask(query.AccessFilter{Search: "FLOWS"}), 2)
		require.Len(t, ask(query.AccessFilter{Search: "flows", From: at.Add(time.Minute)}), 1)
		require.Len(t, ask(query.AccessFilter{To: at.Add(90 * time.Minute)}), 2)
		require.Len(t, ask(query.AccessFilter{MinStatus: 400}), 1)
		require.Empty(t, ask(query.AccessFilter{Tenant: "ACME"}))
		require.Len(t, ask(query.AccessFilter{Account: "ada@example.com", IP: "203.0.113.7", MaxStatus: 299}), 2)
		require.Len(t, ask(query.AccessFilter{Path: "/flows"}), 2)
		require.Len(t, ask(query.AccessFilter{Path: "/flows/", IP: "203.0.113.0/24"}), 1)
		require.Empty(t, ask(query.AccessFilter{IP: "203.0.114.0/24"}))
		_, err := store.Query().Access(t.Context(), query.AccessFilter{From: at.Add(time.Hour), To: at}, query.Paging{})
		require.ErrorIs(t, err, query.ErrInvalid)
		_, err = store.Query().Access(t.Context(), query.AccessFilter{IP: "203.0.113"}, query.Paging{})
		require.ErrorIs(t, err, query.ErrInvalid)
	})
	t.Run("R5.1 library: one line each in access_log.log, wrong ones at warn", func(t *testing.T) {
		page, err := store.Query().Records(t.Context(), query.Filter{Files: []string{"access_log"}, Levels: levels.AtLeast(levels.Warn)}, query.Paging{})
		require.NoError(t, err)
		require.Len(t, page.Items, 1)
		require.Equal(t, query.KindAccess, page.Items[0].Kind)
		require.Equal(t, "GET /missing", page.Items[0].Message)
	})
}

type panickingAttributor struct{}

func (panickingAttributor) Attribute(netip.Addr) access.Attribution { panic("no such network") }

func TestAccessHooksThatPanic(t *testing.T) {
	t.Run("R6.10 library: a hook for requests that panics costs what it says, and is reported", func(t *testing.T) {
		var problems heard
		store := openMemory(t, &logger.Options{OnProblem: problems.hook, Access: &access.Options{
			Attributor: panickingAttributor{}, Attributes: func(*http.Request) map[string]string { panic("no such header") },
			Clock: func() time.Time { panic("no time") },
		}})
		req := httptest.NewRequest("GET", "/path", nil)
		req.RemoteAddr = "203.0.113.7:80"
		answer := httptest.NewRecorder()
		store.Access().Middleware(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusTeapot)
		})).ServeHTTP(answer, req)
		require.Equal(t, http.StatusTeapot, answer.Code)
		page, err := store.Query().Access(t.Context(), query.AccessFilter{}, query.Paging{})
		require.NoError(t, err)
		require.Len(t, page.Items, 1)
		require.Equal(t, http.StatusTeapot, page.Items[0].Status)
		require.NoError(t, store.Close())
		for i, what := range []string{"Clock", "Attributes", "Clock", "Attributor"} {
			require.ErrorIs(t, problems.all()[i], logger.ErrPanicked)
			require.ErrorContains(t, problems.all()[i], what)
		}
	})
}

func TestAccessLogCutsNoSecret(t *testing.T) {
	dir := t.TempDir()
	store := openDir(t, dir, nil)
	secret := strings.Repeat("s3cr3t-", 300)
	require.NoError(t, store.AddSecret(secret))
	h := store.Access().Middleware(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		access.SetAccount(r.Context(), secret, strings.Repeat("t", 1000)+secret)
		access.SetMemo(r.Context(), strings.Repeat("m", 4000)+secret)
	}))
	req := httptest.NewRequest("GET", "/"+strings.Repeat("p", 4000)+secret, nil)
	for _, name := range []string{"User-Agent", "Referer", "X-Request-Id"} {
		req.Header.Set(name, strings.Repeat("h", 1000)+secret)
	}
	h.ServeHTTP(httptest.NewRecorder(), req)
	require.NoError(t, store.Sync(t.Context()))
	text, err := os.ReadFile(filepath.Join(dir, "access_log.log"))
	require.NoError(t, err)
	require.NotContains(t, string(text), "s3cr3t")
	require.Contains(t, string(text), "***")
}

// What a request is recorded with is what queries return, all of it.
func TestAccessRecordComesBack(t *testing.T) {
	store := openMemory(t, nil)
	want := access.Record{
		Time: time.Date(2026, 11, 21, 8, 0, 0, 1, time.UTC), IP: netip.MustParseAddr("203.0.113.7"), IPFrom: "forwarded",
		Peer: netip.MustParseAddr("2001:db8::1"), Origin: access.Attribution{Country: "AT", City: "Graz", Network: "Example"},
		Account: "ada@example.com", Tenant: "ACME GmbH", Method: "PUT", Path: "/flows/7", Query: "a=b", Host: "logs.example.com",
		Protocol: "HTTP/2.0", Status: 201, Bytes: 9, Duration: time.Millisecond, UserAgent: "curl/8", Referrer: "http://r.example/",
		RequestID: "req-1", Memo: "by phone", Attributes: map[string]string{"build": "7"}, Aborted: true, Panic: true, Hijacked: true,
	}
	all := reflect.ValueOf(want)
	for i := range all.NumField() {
		name := all.Type().Field(i).Name
		require.True(t, name == "Seq" || !all.Field(i).IsZero(), "%s is not tested", name)
	}
	store.Access().Record(want)
	page, err := store.Query().Access(t.Context(), query.AccessFilter{}, query.Paging{})
	require.NoError(t, err)
	require.Len(t, page.Items, 1)
	want.Seq = page.Items[0].Seq
	require.Equal(t, want, page.Items[0])
}
