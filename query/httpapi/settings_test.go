package httpapi_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/steplog/steplog/levels"
	"github.com/steplog/steplog/logger"
	"github.com/steplog/steplog/query/httpapi"
	"github.com/steplog/steplog/rotation"
)

// How long a test waits for what another goroutine does.
const (
	waitFor  = 10 * time.Second
	waitStep = 2 * time.Millisecond
)

// put changes settings.
func put(t testing.TB, h http.Handler, body string, header ...string) answer {
	t.Helper()
	return do(t, h, http.MethodPut, "/settings", body, append([]string{"Content-Type", "application/json"}, header...)...)
}

// changed changes settings that must be taken, and returns what holds then.
func (s *server) changed(t testing.TB, body string) map[string]any {
	t.Helper()
	a := put(t, s, body)
	require.Equal(t, http.StatusOK, a.status, a.body)
	return decode(t, a.body)["data"].(map[string]any)
}

// TestSettingsThatCannotBeKept: they are refused and put back, all of them.
func TestSettingsThatCannotBeKept(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	store, err := logger.Open(dir, &logger.Options{KeepSettings: true})
	require.NoError(t, err)
	defer func() { require.NoError(t, store.Close()) }()
	problems := 0
	h := handler(t, store.Query(), store, func(o *httpapi.Options) { o.OnProblem = func(error) { problems++ } })
	old := logger.FileRule{Levels: levels.AtLeast(levels.Warn)}
	require.NoError(t, store.SetFileRule(t.Context(), "email", old))
	kept := filepath.Join(dir, ".journal", "settings.json")
	require.NoError(t, os.Remove(kept))
	require.NoError(t, os.MkdirAll(filepath.Join(kept, "folder"), 0o700)) // nothing can be put in its place
	refusal(t, http.StatusInternalServerError, put(t, h, `{"files":{"email":{"copies":1},"database":{"copies":2}},"scopes":[{"level":"error"}]}`))
	require.Equal(t, 1, problems, "the host hears why")
	require.Equal(t, old, store.FileRule("email"))
	require.Zero(t, store.FileRule("database"))
	require.True(t, store.Server("edge-1").Enabled(levels.Info))
	require.NoError(t, os.RemoveAll(kept))
	a := put(t, h, `{"files":{"email":{"copies":1}}}`)
	require.Equal(t, http.StatusOK, a.status)
	require.Equal(t, do(t, h, http.MethodGet, "/settings", "").header.Get("ETag"), a.header.Get("ETag"), "the tag of what holds now")
	require.Equal(t, 1, store.FileRule("email").Rotation.MaxFiles)
}

func TestSettings(t *testing.T) {
	t.Parallel()
	s := serve(t, nil)
	orders := s.Server("edge-1").Service("orders")

	t.Run("R5.4 http: what was read can be put back, and changes nothing", func(t *testing.T) {
		small := rotation.Rule{MaxBytes: 10_000, MaxAge: 100 * time.Nanosecond, Compression: rotation.None}
		require.NoError(t, s.SetFileRule(t.Context(), "database", logger.FileRule{Levels: levels.Of(levels.Warn, levels.Fatal), Rotation: small}))
		files := func() int {
			list, err := s.Files().Files()
			require.NoError(t, err)
			return len(list)
		}
		there := files()
		all := s.data(t, "/settings")
		all["files"].(map[string]any)["email"].(map[string]any)["copies"] = 7
		text, err := json.Marshal(all)
		require.NoError(t, err)
		require.Equal(t, json.Number("7"), s.changed(t, string(text))["files"].(map[string]any)["email"].(map[string]any)["copies"])
		require.Equal(t, 7, s.FileRule("email").Rotation.MaxFiles)
		require.Equal(t, small, s.FileRule("database").Rotation, "smaller than can be asked for here")
		require.Zero(t, s.FileRule(logger.FileCallEvent), "it goes on to inherit")
		require.Equal(t, there+1, files(), "no file was made but that of the rule that changed")
		all["files"].(map[string]any)["database"].(map[string]any)["copies"] = 9
		text, err = json.Marshal(all)
		require.NoError(t, err)
		s.changed(t, string(text))
		small.MaxFiles = 9
		require.Equal(t, small, s.FileRule("database").Rotation, "one field changed, and the others put back")
		require.NoError(t, s.SetFileRule(t.Context(), "email", logger.FileRule{}))
	})
	t.Run("R1.10 http: the minimum level, for loggers handed out earlier too", func(t *testing.T) {
		require.True(t, orders.Enabled(levels.Trace))
		got := s.changed(t, `{"scopes":[{"level":"warn"}]}`)
		require.Equal(t, []any{map[string]any{"level": "WARN"}}, got["scopes"])
		require.False(t, orders.Enabled(levels.Info))
		require.True(t, orders.Enabled(levels.Warn))
		s.changed(t, `{"scopes":[]}`)
		require.True(t, orders.Enabled(levels.Trace), "what is not there any more follows the scope above")
	})
	t.Run("R1.8 http: switched per server, service, operation and action", func(t *testing.T) {
		scopes := `[{"server":"edge-1","service":"orders","lines":false},` +
			`{"server":"edge-1","service":"orders","operation":"f","lines":true,"level":"ERROR"},` +
			`{"server":"edge-1","service":"orders","operation":"f","action":"a","capture":false}]`
		s.changed(t, `{"scopes":`+scopes+`}`)
		require.False(t, orders.Enabled(levels.Fatal))
		require.Equal(t, levels.Setting{Level: levels.Error, Lines: true, Capture: true},
			s.Levels().Effective(levels.Scope{Server: "edge-1", Service: "orders", Operation: "f"}))
		require.Equal(t, levels.Setting{Level: levels.Error, Lines: true},
			s.Levels().Effective(levels.Scope{Server: "edge-1", Service: "orders", Operation: "f", Action: "a"}))
		text, err := json.Marshal(s.data(t, "/settings")["scopes"])
		require.NoError(t, err)
		require.JSONEq(t, scopes, string(text))
		s.changed(t, `{"scopes":[{"server":"edge-1","service":"orders","operation":"f","level":"DEBUG"}]}`)
		require.Equal(t, levels.Setting{Level: levels.Debug, Lines: true, Capture: true},
			s.Levels().Effective(levels.Scope{Server: "edge-1", Service: "orders", Operation: "f", Action: "a"}))
		s.changed(t, `{"scopes":[{"server":"edge-1","level":"ERROR","lines":false,"capture":false}]}`)
		s.changed(t, `{"scopes":[{"server":"edge-1","level":"ERROR"}]}`)
		require.Equal(t, levels.Setting{Level: levels.Error, Lines: true, Capture: true},
			s.Levels().Effective(levels.Scope{Server: "edge-1"}), "what a scope does not say any more follows the one above")
		s.changed(t, `{"scopes":[]}`)
	})
	t.Run("R5.4 http: level, copies, size, age and total of a file; what is left out stays", func(t *testing.T) {
		email := func() any { return s.data(t, "/settings")["files"].(map[string]any)["email"] }
		require.Equal(t, map[string]any{"level": "TRACE", "maxSizeMB": json.Number("100"), "copies": json.Number("0"),
			"maxAgeDays": json.Number("0"), "maxTotalMB": json.Number("0"), "compress": "gzip"}, email())
		s.changed(t, `{"files":{"email":{"level":"warning","maxSizeMB":5,"copies":3,"maxAgeDays":0.5,"maxTotalMB":2000,"compress":"zstd"}}}`)
		require.Equal(t, logger.FileRule{Levels: levels.AtLeast(levels.Warn), Rotation: rotation.Rule{MaxBytes: 5 << 20, MaxFiles: 3,
			MaxAge: 12 * time.Hour, MaxTotalBytes: 2000 << 20, Compression: rotation.Zstd}}, s.FileRule("email"))
		require.False(t, orders.To("email").Enabled(levels.Info))
		s.changed(t, `{"files":{"email":{"copies":0}}}`)
		require.Equal(t, map[string]any{"level": "WARN", "maxSizeMB": json.Number("5"), "copies": json.Number("0"),
			"maxAgeDays": json.Number("0.5"), "maxTotalMB": json.Number("2000"), "compress": "zstd"}, email())
		s.changed(t, `{"files":{"email":{"levels":["WARN","FATAL"]}}}`)
		require.Equal(t, levels.Of(levels.Warn, levels.Fatal), s.FileRule("email").Levels)
		require.Equal(t, []any{"WARN", "FATAL"}, email().(map[string]any)["levels"])
		s.changed(t, `{"files":{"email":{"level":"trace"},"orders_2":{"copies":1}}}`)
		require.Equal(t, 1, s.RotationRule("orders_2").MaxFiles, "any name the host chooses")
	})
	t.Run("R5.4 http: all or nothing, and what is wrong is said", func(t *testing.T) {
		s.changed(t, `{"scopes":[{"level":"info"},{"server":"edge-1","lines":false}]}`)
		before := do(t, s, http.MethodGet, "/settings", "")
		for body, param := range map[string]string{
			`{"files":{"email":{"maxSizeMB":1},"database":{"maxSizeMB":0.5}}}`: "files.database.maxSizeMB",
			`{"files":{"email":{"maxSizeMB":1025}}}`:                           "files.email.maxSizeMB",
			`{"files":{"email":{"copies":-1}}}`:                                "files.email.copies",
			`{"files":{"email":{"maxAgeDays":-1}}}`:                            "files.email.maxAgeDays",
			`{"files":{"email":{"maxTotalMB":-1}}}`:                            "files.email.maxTotalMB",
			`{"files":{"email":{"compress":"rar"}}}`:                           "files.email.compress",
			`{"files":{"email":{"level":"loud"}}}`:                             "files.email.level",
			`{"files":{"email":{"levels":["loud"]}}}`:                          "files.email.levels",
			`{"files":{"email":{"level":"info","levels":[]}}}`:                 "files.email.level",
			`{"files":{"../x":{}}}`:                                            "files",
			`{"files":{"audit":{"copies":1}}}`:                                 "files",
			`{"scopes":[{"level":"loud"}],"files":{"email":{"copies":9}}}`:     "scopes",
			`{"scopes":[{"level":"info"},{"lines":true}]}`:                     "scopes",
		} {
			require.Equal(t, param, refusal(t, http.StatusBadRequest, put(t, s, body))["param"], body)
		}
		for _, body := range []string{``, `[]`, `{`, `{}x`, `{"color":1}`, `{"files":{"email":{"color":1}}}`, `{"scopes":[{"topic":"x"}]}`, `{"files":1}`,
			`{"files":{"email":{"copies":1.5}}}`} {
			require.NotContains(t, refusal(t, http.StatusBadRequest, put(t, s, body))["message"], "Go ", "no names of types inside")
		}
		require.Equal(t, map[string]any{"status": "error", "param": "files.copies", "message": "'files.copies' has the wrong type: number 1.5."},
			refusal(t, http.StatusBadRequest, put(t, s, `{"files":{"email":{"copies":1.5}}}`)))
		for body, where := range map[string]string{
			`{"scopes":[null]}`: "scopes.0", `{"scopes":[{"lines":true},null]}`: "scopes.1", `{"scopes":[{"level":null}]}`: "scopes.0.level",
			`{"scopes":null}`: "scopes", `{"files":null}`: "files", `{"files":{"email":null}}`: "files.email",
			`{"files":{"email":{"copies":null,"maxSizeMB":1}}}`: "files.email.copies", `{"files":{"email":{"levels":[null]}}}`: "files.email.levels.0",
		} {
			require.Equal(t, map[string]any{"status": "error", "param": where, "message": "'" + where + "' must not be null: leave it out."},
				refusal(t, http.StatusBadRequest, put(t, s, body)), body)
		}
		for body, where := range map[string]string{
			`{"scopes":[{"server":"edge-1","lines":false}],"scopes":[{"server":"edge-2"}]}`:    "scopes",
			`{"files":{"email":{"copies":1}},"Files":{"email":{"maxSizeMB":1}}}`:               "Files",
			`{"scopes":[{"server":"edge-1","lines":false}],"ſcopes":[{"server":"edge-2"}]}`:    "ſcopes",
			`{"files":{"email":{"copies":1},"database":{},"email":{}}}`:                        "files.email",
			`{"scopes":[{"server":"edge-1","level":"warn"},{"level":"info","level":"error"}]}`: "scopes.1.level",
		} {
			require.Equal(t, map[string]any{"status": "error", "param": where, "message": "'" + where + "' is there more than once."},
				refusal(t, http.StatusBadRequest, put(t, s, body)), body)
		}
		require.Equal(t, "The body must be an object and not: null.", refusal(t, http.StatusBadRequest, put(t, s, `null`))["message"])
		require.Equal(t, "The body is empty.", refusal(t, http.StatusBadRequest, put(t, s, ``))["message"])
		refusal(t, http.StatusRequestEntityTooLarge, put(t, s, `{"scopes":[`+strings.Repeat(" ", 65<<10)+`]}`))
		for _, kind := range []string{"", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data"} {
			refusal(t, http.StatusUnsupportedMediaType, put(t, s, `{}`, "Content-Type", kind))
		}
		require.Equal(t, before.body, do(t, s, http.MethodGet, "/settings", "").body)
	})
	t.Run("R5.4 http: who changes what somebody else has changed meanwhile is told", func(t *testing.T) {
		tag := do(t, s, http.MethodGet, "/settings", "").header.Get("ETag")
		require.NotEmpty(t, tag)
		a := put(t, s, `{"files":{"email":{"copies":7}}}`, "If-Match", tag)
		require.Equal(t, http.StatusOK, a.status)
		require.NotEqual(t, tag, a.header.Get("ETag"))
		refusal(t, http.StatusPreconditionFailed, put(t, s, `{"files":{"email":{"copies":8}}}`, "If-Match", tag))
		require.Equal(t, 7, s.RotationRule("email").MaxFiles)
		require.Equal(t, http.StatusOK, put(t, s, `{}`, "If-Match", a.header.Get("ETag")).status)
		require.Equal(t, http.StatusOK, put(t, s, `{}`, "If-Match", "*").status)
	})
	t.Run("R5.4 http: the tags of an If-Match are a list, on one line or on several", func(t *testing.T) {
		tag := do(t, s, http.MethodGet, "/settings", "").header.Get("ETag")
		// A proxy that compresses the answer, such as nginx, makes the tag a weak one.
		for _, match := range []string{`"of a copy", ` + tag, tag + `,"a, b"`, `, "x" ,	` + tag + ` `, "W/" + tag, `"x", W/` + tag} {
			require.Equal(t, http.StatusOK, put(t, s, `{}`, "If-Match", match).status, match)
		}
		for _, none := range []string{`"of a copy", "of another"`, `W/"of a copy"`, "w/" + tag, "W/W/" + tag, `"x" ` + tag, strings.Trim(tag, `"`), ","} {
			refusal(t, http.StatusPreconditionFailed, put(t, s, `{}`, "If-Match", none))
		}
		r := httptest.NewRequest(http.MethodPut, "/settings", strings.NewReader(`{}`))
		r.Header = http.Header{"Content-Type": {"application/json"}, "Authorization": {"Bearer token"}, "If-Match": {`"x"`, tag}}
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		require.Equal(t, http.StatusOK, w.Code)
	})
}

func TestSettingsDeleteFiles(t *testing.T) {
	t.Parallel()
	s, _ := folder(t, nil)
	t.Run("R5.4 http: the excess is deleted, and the answer says which files went", func(t *testing.T) {
		var names []string
		for i := range 4 {
			names = append(names, s.closed(t, 10*i, 10*i+10))
		}
		got := s.changed(t, `{"files":{"email":{"copies":1}}}`)
		require.Equal(t, []any{names[0], names[1], names[2]}, got["removed"])
		require.Equal(t, []string{names[3], "email.log"}, s.fileNames(t, "email"))
		require.Empty(t, s.changed(t, `{"files":{"email":{"copies":1}}}`)["removed"])
	})
}

func TestStats(t *testing.T) {
	t.Parallel()
	s := serve(t, nil)
	s.example(t)
	t.Run("R5.7 http: health at a glance: figures of the store and the newest performance event", func(t *testing.T) {
		got := s.data(t, "/stats")
		require.Equal(t, fmt.Sprint(s.Stats().Records), got["records"].(json.Number).String())
		require.Equal(t, json.Number("0"), got["dropped"])
		require.Equal(t, false, got["failing"])
		require.Equal(t, json.Number("1"), got["open_runs"])
		require.Contains(t, got["files"], "user")
		performance := got["performance"].(map[string]any)
		require.Equal(t, "performance", performance["topic"])
		require.NotEmpty(t, performance["details"].(map[string]any)["goroutines"])
	})
}

// TestWrites: what changes anything is no page's of another site to ask for.
func TestWrites(t *testing.T) {
	t.Parallel()
	s := serve(t, nil)
	for _, header := range [][]string{{"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site"}, {"Origin", "https://attacker.example"}, {"Origin", "null"}} {
		refusal(t, http.StatusForbidden, put(t, s, `{"scopes":[{"level":"fatal"}]}`, header...))
		refusal(t, http.StatusForbidden, do(t, s, http.MethodDelete, "/files/application.log?rotate=1", "", header...))
		require.Equal(t, http.StatusOK, do(t, s, http.MethodGet, "/settings", "", header...).status)
	}
	require.Equal(t, http.StatusOK, put(t, s, `{}`, "Sec-Fetch-Site", "same-origin").status)
	require.Equal(t, http.StatusOK, put(t, s, `{}`, "Origin", "https://logs.example.com").status)
	// A proxy may ask by a Host of its own, and a browser without TLS says no Sec-Fetch-Site.
	for external, page := range map[string]string{"http://logs.intern:8080/api": "http://logs.intern:8080", "https://LOGS.example.org:443": "https://logs.example.org",
		"http://logs.example.org:80/": "http://logs.example.org"} {
		behind := handler(t, s.Query(), s.Store, func(o *httpapi.Options) { o.ExternalURL = external })
		require.Equal(t, http.StatusOK, put(t, behind, `{}`, "Origin", page).status, external)
		refusal(t, http.StatusForbidden, put(t, behind, `{}`, "Origin", page+"1"))
	}
	refusal(t, http.StatusBadRequest, do(t, s, http.MethodPut, "/settings?server=edge-1", `{}`)) // it names no part of them

	for name, h := range map[string]http.Handler{
		"read only":       handler(t, s.Query(), s.Store, func(o *httpapi.Options) { o.ReadOnly = true }),
		"without a store": handler(t, s.Query(), nil, nil),
	} {
		status := map[string]int{"read only": http.StatusMethodNotAllowed, "without a store": http.StatusNotFound}[name]
		refusal(t, status, put(t, h, `{}`))
		refusal(t, status, do(t, h, http.MethodDelete, "/files/application.log", ""))
	}
	for _, method := range []string{http.MethodPost, http.MethodPatch, http.MethodDelete, http.MethodOptions, http.MethodTrace, "BREW"} {
		a := do(t, s, method, "/settings", "")
		refusal(t, http.StatusMethodNotAllowed, a)
		require.Equal(t, "GET, HEAD, PUT", a.header.Get("Allow"))
	}
}

// TestAllow: each path says what it takes, also one that lies where another method has
// a name, or an id, of any text.
func TestAllow(t *testing.T) {
	t.Parallel()
	s := serve(t, nil)
	s.Server("edge-1").Info("m")
	allow := func(h http.Handler, method, target string) string {
		t.Helper()
		a := do(t, h, method, target, "")
		refusal(t, http.StatusMethodNotAllowed, a)
		return a.header.Get("Allow")
	}
	for _, target := range []string{"/logs", "/logs/download", "/logs/1", "/logs/1/context", "/entries", "/histogram", "/facets", "/runs/r/steps", "/export", "/tail",
		"/audit", "/audit/0", "/access", "/openapi.yaml", "/healthz", "/files", "/files/download", "/files/user.log/content", "/stats"} {
		for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions, http.MethodTrace, http.MethodConnect, "BREW"} {
			require.Equal(t, "GET, HEAD", allow(s, method, target), "%s %s", method, target)
			refusal(t, http.StatusNotFound, do(t, s, method, target+"/nothing/here", ""))
		}
	}
	require.Equal(t, "GET, HEAD, DELETE", allow(s, http.MethodPut, "/files/user.log"))
	refusal(t, http.StatusConflict, do(t, s, http.MethodDelete, "/files/application.log", ""))
	refusal(t, http.StatusNotFound, do(t, s, http.MethodDelete, "/files/downloads", ""))
	readOnly := handler(t, s.Query(), s.Store, func(o *httpapi.Options) { o.ReadOnly = true })
	require.Equal(t, "GET, HEAD", allow(readOnly, http.MethodDelete, "/files/application.log"))
	require.Equal(t, "GET, HEAD", allow(readOnly, http.MethodPut, "/settings"))
}

func TestPathsAndHeaders(t *testing.T) {
	t.Parallel()
	s := serve(t, nil)
	for _, target := range []string{"/", "/nothing", "/logs/", "//logs", "/./logs", "/x/../logs", "/logs/1/", "/logs/1/nothing", "/Logs", "/logs%2F1", "/%2e%2e/logs",
		"/files/a/b", "/runs/steps", "/runs//steps", "*"} {
		refusal(t, http.StatusNotFound, do(t, s, http.MethodGet, target, ""))
	}
	for _, target := range []string{"/logs", "/nothing", "/healthz", "/openapi.yaml", "/logs?x", "/export"} {
		h := do(t, s, http.MethodGet, target, "").header
		require.Equal(t, "no-store", h.Get("Cache-Control"))
		require.Equal(t, "nosniff", h.Get("X-Content-Type-Options"))
		require.Contains(t, h.Get("Content-Security-Policy"), "default-src 'none'")
	}
	require.JSONEq(t, `{"status":"ok"}`, do(t, s, http.MethodGet, "/healthz", "").body)
	require.Contains(t, do(t, s, http.MethodGet, "/openapi.yaml", "").body, "openapi: 3.1.0")
	require.Empty(t, do(t, s, http.MethodHead, "/healthz", "").header.Get("Allow"))
}

// TestSettingsWithoutTimeToDelete: who has changed a rule is told so, and which files went
// by then, when the question's time ends before they all did.
func TestSettingsWithoutTimeToDelete(t *testing.T) {
	t.Parallel()
	s := serve(t, func(o *httpapi.Options) { o.Timeout = 200 * time.Millisecond })
	s.Server("edge-1").To("email").Info("a mail of 2023, when the store's clock stands")
	require.NoError(t, s.Rotate(t.Context(), "email"))
	got := s.changed(t, `{"files":{"email":{"maxAgeDays":1}}}`)
	require.Empty(t, got["removed"])
	require.Equal(t, json.Number("1"), got["files"].(map[string]any)["email"].(map[string]any)["maxAgeDays"])
}
