package httpapi_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"github.com/steplog/steplog/logger"
	"github.com/steplog/steplog/query/httpapi"
)

// apiExample logs what the API's document shows.
func apiExample(t testing.TB, s *server) {
	t.Helper()
	s.set(t, "2023-10-27T10:30:01Z")
	s.Server("edge-1").Service("product-service").Info("Product with ID 9876 retrieved successfully.",
		zap.Int("product_id", 9876), zap.String("user_agent", "PostmanRuntime/7.28.0"))
	s.set(t, "2023-10-27T10:35:15Z")
	s.Server("edge-1").Service("user-service").Error("Failed to authenticate user: invalid credentials for user_id 12345",
		zap.Int("user_id", 12345), zap.String("ip_address", "192.168.1.100"))
}

func TestAPIList(t *testing.T) {
	t.Parallel()
	s := serve(t, nil)
	apiExample(t, s)
	messages := func(t *testing.T, target string) []string {
		t.Helper()
		list := []string{}
		for _, l := range s.data(t, target)["logs"].([]any) {
			list = append(list, l.(map[string]any)["message"].(string))
		}
		return list
	}
	const product, user = "Product with ID 9876 retrieved successfully.", "Failed to authenticate user: invalid credentials for user_id 12345"

	t.Run("R3.2 http: the envelope, by the document's request", func(t *testing.T) {
		golden(t, "api_logs.json", do(t, s, http.MethodGet, "/logs?limit=10&level=ERROR&service=user-service&startDate=2023-10-27T09:00:00Z", "").body)
	})
	t.Run("R3.3 http: timestamp, upper-case level, service, message, and details only where there are some", func(t *testing.T) {
		logs := s.data(t, "/logs?startDate=2023-10-27T00:00:00Z")["logs"].([]any)
		require.Equal(t, map[string]any{"timestamp": "2023-10-27T10:35:15Z", "level": "ERROR", "service": "user-service", "message": user,
			"details": map[string]any{"user_id": json.Number("12345"), "ip_address": "192.168.1.100"}}, logs[0])
		s.Server("edge-1").Info("nothing more")
		first := s.data(t, "/logs?limit=1")["logs"].([]any)[0].(map[string]any)
		require.Equal(t, map[string]any{"timestamp": "2023-10-27T10:35:15Z", "level": "INFO", "service": "", "message": "nothing more"}, first)
	})
	t.Run("R3.1 http: level, service, search and dates, both ends inclusive", func(t *testing.T) {
		from := "&startDate=2023-10-27T00:00:00Z"
		require.Equal(t, []string{user}, messages(t, "/logs?level=error,fatal"+from))
		require.Equal(t, []string{"nothing more", product}, messages(t, "/logs?level=Info"+from))
		require.Equal(t, []string{}, messages(t, "/logs?level=WARNING"+from))
		require.Equal(t, []string{product}, messages(t, "/logs?service=product-service"))
		require.Equal(t, []string{}, messages(t, "/logs?service=PRODUCT-service"), "identifiers are exact")
		require.Equal(t, []string{user}, messages(t, "/logs?search=CREDENTIALS%20authenticate"))
		require.Equal(t, []string{}, messages(t, `/logs?search=%22CREDENTIALS%20authenticate%22`))
		require.Equal(t, []string{user}, messages(t, `/logs?search=%22invalid%20Credentials%22`))
		require.Equal(t, []string{product}, messages(t, "/logs?startDate=2023-10-27T10:30:01Z&endDate=2023-10-27T10:30:01Z"))
		require.Equal(t, []string{}, messages(t, "/logs?startDate=2023-10-27T10:30:01.000000001Z&endDate=2023-10-27T10:35:14.999999999Z"))
		require.Equal(t, []string{product}, messages(t, "/logs?startDate=2023-10-27T12:30:01+02:00&endDate=2023-10-27T12:30:01%2B02:00"), "a + that became a blank")
	})
	t.Run("R3.1 http: nothing was logged before the year 1, which is a date like any other", func(t *testing.T) {
		require.Equal(t, []string{}, messages(t, "/logs?endDate=0001-01-01T00:00:00Z"))
		require.NotEmpty(t, messages(t, "/logs?startDate=0001-01-01T00:00:00Z"))
		s.refused(t, http.StatusBadRequest, "/logs?startDate=2023-10-27T10:30:01Z&endDate=0001-01-01T00:00:00Z")
	})
	t.Run("R3.1 http: limit 50 by default, offset 0, newest first", func(t *testing.T) {
		for i := range 60 {
			s.Server("edge-1").Service("many").Info(fmt.Sprint("m", i))
		}
		p := s.data(t, "/logs?service=many")["pagination"]
		require.Equal(t, map[string]any{"total": json.Number("60"), "limit": json.Number("50"), "offset": json.Number("0"), "nextOffset": json.Number("50")}, p)
		require.Equal(t, []string{"m59", "m58"}, messages(t, "/logs?service=many&limit=2"))
		require.Equal(t, []string{"m1", "m0"}, messages(t, "/logs?service=many&offset=58&limit=1000"))
	})
	t.Run("R3.2 http: nextOffset is null on the last page, an empty result is 200 with []", func(t *testing.T) {
		p := s.data(t, "/logs?service=many&offset=50&limit=10")["pagination"].(map[string]any)
		require.Nil(t, p["nextOffset"])
		for _, target := range []string{"/logs?service=nobody", "/logs?service=many&offset=60", "/logs?offset=1000000000"} {
			a := do(t, s, http.MethodGet, target, "")
			require.Equal(t, http.StatusOK, a.status)
			require.Contains(t, a.body, `"logs":[]`)
			require.Contains(t, a.body, `"nextOffset":null`)
		}
	})
	t.Run("R3.2 http: pages of one snapshot do not shift", func(t *testing.T) {
		a := do(t, s, http.MethodGet, "/logs?service=many&limit=1", "")
		snapshot := a.header.Get("Steplog-Snapshot")
		require.NotEmpty(t, snapshot)
		s.Server("edge-1").Service("many").Info("late")
		require.Equal(t, []string{"m58"}, messages(t, "/logs?service=many&limit=1&offset=1&snapshot="+snapshot))
		require.Equal(t, []string{"m59"}, messages(t, "/logs?service=many&limit=1&offset=1"))
	})
	t.Run("R3.2 http: lines and events only", func(t *testing.T) {
		ctx, run := s.Server("edge-1").Service("kinds").Operation("f").Start(t.Context(), logger.Input("x"))
		logger.FromContext(ctx).Info("a line")
		run.End(nil)
		require.Equal(t, []string{"a line"}, messages(t, "/logs?service=kinds"))
	})
	t.Run("R3.4 http: the document's text for a bad date", func(t *testing.T) {
		for _, name := range []string{"startDate", "endDate"} {
			for _, bad := range []string{"yesterday", "2023-10-27", "2023-10-27T10:00:00", "1698400000", "", "2023-13-27T10:00:00Z", "2023-10-27 10:00:00Z"} {
				e := refusal(t, http.StatusBadRequest, do(t, s, http.MethodGet, pathOf("/logs", name, bad), ""))
				require.Equal(t, "Invalid date format for '"+name+"'. Please use ISO 8601 format (YYYY-MM-DDTHH:MM:SSZ).", e["message"], bad)
				require.Equal(t, name, e["param"])
			}
		}
	})
	t.Run("R3.4 http: 400 for what is malformed, out of range, unknown or given twice", func(t *testing.T) {
		for target, param := range map[string]string{
			"/logs?limit=0":                             "limit",
			"/logs?limit=1001":                          "limit",
			"/logs?limit=ten":                           "limit",
			"/logs?offset=-1":                           "offset",
			"/logs?offset=1e3":                          "offset",
			"/logs?level=LOUD":                          "level",
			"/logs?level=ERROR,":                        "level",
			"/logs?level=dpanic":                        "level",
			"/logs?colour=red":                          "colour",
			"/logs?service=a&service=b":                 "service",
			"/logs?search=" + strings.Repeat("a", 1025): "search",
			"/logs?startDate=2023-10-28T00:00:00Z&endDate=2023-10-27T00:00:00Z": "startDate",
			"/logs?SERVICE=a": "SERVICE",
			"/logs?cursor=x":  "cursor",
		} {
			require.Equal(t, param, refusal(t, http.StatusBadRequest, do(t, s, http.MethodGet, target, ""))["param"], target)
		}
	})
}

func TestWhoMay(t *testing.T) {
	t.Parallel()
	authorize := func(r *http.Request, p httpapi.Permission) (httpapi.Principal, error) {
		switch httpapi.RequestToken(r) {
		case "admin":
			return httpapi.Principal{ID: "admin", AllProjects: true}, nil
		case "reader":
			if p == httpapi.LogsRead {
				return httpapi.Principal{ID: "reader", AllProjects: true}, nil
			}
			return httpapi.Principal{}, fmt.Errorf("%s: %w", p, httpapi.ErrForbidden)
		case "limited":
			return httpapi.Principal{ID: "limited", Projects: []string{"p-1", "p-2"}}, nil
		case "nothing":
			return httpapi.Principal{ID: "nothing"}, nil
		case "split": // strings.Split of no projects
			return httpapi.Principal{ID: "split", Projects: []string{""}}, nil
		case "gap":
			return httpapi.Principal{ID: "gap", Projects: []string{"", "p-1"}}, nil
		case "broken":
			return httpapi.Principal{ID: "broken", AllProjects: true}, errors.New("the directory does not answer")
		case "panic":
			panic("no directory")
		}
		return httpapi.Principal{AllProjects: true}, httpapi.ErrUnauthenticated
	}
	var problems []string
	s := serve(t, func(o *httpapi.Options) {
		o.Authorize, o.OnProblem = authorize, func(err error) { problems = append(problems, err.Error()) }
	})
	for _, project := range []string{"p-1", "p-2", "p-3", ""} {
		ctx, run := s.Server("edge-1").Service("orders").Operation("f").Start(t.Context(), logger.Project(project), logger.ID("run-of-"+project))
		ctx, step := logger.StartStep(ctx, "a")
		logger.FromContext(ctx).Info("of "+project, zap.String("secret", project))
		step.End(nil, nil)
		run.End(nil)
	}
	as := func(t *testing.T, token, target string) answer {
		t.Helper()
		return do(t, s, http.MethodGet, target, "", "Authorization", "Bearer "+token)
	}

	t.Run("R3.5 http: no hook, no access", func(t *testing.T) {
		for _, options := range []*httpapi.Options{nil, {}, {Store: s.Store}} {
			_, err := httpapi.New(s.Query(), options)
			require.ErrorIs(t, err, httpapi.ErrOptions)
			_, err = httpapi.FlowHandler(s.Query(), options)
			require.ErrorIs(t, err, httpapi.ErrOptions)
			_, err = httpapi.APIHandler(s.Query(), options)
			require.ErrorIs(t, err, httpapi.ErrOptions)
		}
	})
	t.Run("R3.4 http: the document's texts for 401 and 403", func(t *testing.T) {
		a := as(t, "wrong", "/logs")
		require.Equal(t, "Authentication required. Please provide a valid API key or token.", refusal(t, http.StatusUnauthorized, a)["message"])
		require.Equal(t, "Bearer", a.header.Get("WWW-Authenticate"))
		require.Equal(t, "You do not have permission to access API logs.", refusal(t, http.StatusForbidden, as(t, "reader", "/tail"))["message"])
		refusal(t, http.StatusUnauthorized, as(t, "wrong", "/logs?colour=red"))
	})
	t.Run("R3.5 http: the hook decides per request and per kind of log", func(t *testing.T) {
		for target, status := range map[string]int{"/logs": 200, "/entries": 200, "/facets?field=level": 200, "/histogram": 200,
			"/export": 403, "/tail": 403, "/files": 403, "/files/user.log": 403, "/settings": 403, "/stats": 403,
			"/entries?kind=access": 403, "/healthz": 200, "/openapi.yaml": 200} {
			require.Equal(t, status, as(t, "reader", target).status, target)
		}
		require.Equal(t, http.StatusOK, as(t, "admin", "/entries?kind=access").status)
	})
	t.Run("R3.5 http: fails closed: any other error, a panic, and a principal without projects", func(t *testing.T) {
		for _, target := range []string{"/logs", "/entries", "/tail", "/export", "/files", "/settings", "/stats", "/files/download"} {
			refusal(t, http.StatusServiceUnavailable, as(t, "broken", target))
			refusal(t, http.StatusServiceUnavailable, as(t, "panic", target))
			refusal(t, http.StatusForbidden, as(t, "nothing", target))
			refusal(t, http.StatusForbidden, as(t, "split", target))
			require.Equal(t, []string{"httpapi: Authorize: the directory does not answer", "httpapi: Authorize panicked: no directory"}, problems, "the host hears why")
			problems = nil
		}
	})
	t.Run("R3.5 http: a principal's projects narrow every question", func(t *testing.T) {
		for _, target := range []string{"/logs?limit=1000", "/entries?limit=1000", "/export", "/export?format=csv", "/export?format=otlp",
			"/facets?field=run", "/facets?field=secret", "/facets?field=project", "/histogram?buckets=5",
			"/entries?project=p-3", "/entries?runId=run-of-p-3", "/entries?search=p-3", "/entries?field.1=secret&value.1=p-3"} {
			a := as(t, "limited", target)
			require.Equal(t, http.StatusOK, a.status, a.body)
			require.NotContains(t, a.body, "p-3", target)
			require.NotContains(t, a.body, "run-of-\"", target)
		}
		require.Contains(t, as(t, "limited", "/entries").body, "run-of-p-2")
		require.Contains(t, as(t, "gap", "/entries").body, "run-of-p-1")
		require.NotContains(t, as(t, "gap", "/entries").body, "run-of-\"", "what has no project is in none of theirs")
		refusal(t, http.StatusNotFound, as(t, "gap", "/logs/1"))
		count := decode(t, as(t, "limited", "/entries").body)["data"].(map[string]any)["total"]
		require.Equal(t, json.Number("10"), count, "start and end of run and step, and a line, of two runs")
		require.Contains(t, as(t, "limited", "/entries").body, `"stats":{"damaged":0}`, "rows tell whether a word is anywhere")
		require.Contains(t, as(t, "admin", "/entries").body, `"stats":{"damaged":0,"segments":`)
		buckets := decode(t, as(t, "limited", "/histogram?buckets=1").body)["data"].(map[string]any)["buckets"].([]any)
		require.Len(t, buckets, 1)
		require.Equal(t, json.Number("10"), buckets[0].(map[string]any)["count"])
		tail := listen(t, live(t, s).URL+"/tail?kind=line&backfill=10", "Authorization", "Bearer limited")
		require.Equal(t, "of p-1", tail.message())
		require.Equal(t, "of p-2", tail.message())
		for _, project := range []string{"p-3", "p-2"} { // and of what comes
			ctx, _ := s.Server("edge-1").Service("orders").Operation("g").Start(t.Context(), logger.Project(project))
			logger.FromContext(ctx).Info("later of " + project)
		}
		require.Equal(t, "later of p-2", tail.message())
		for _, target := range []string{"/runs/run-of-p-3/steps", "/logs?projectid=p-3&flowId=f&log_type=1", "/logs?projectid=p-3&flowId=f&log_type=2",
			"/logs?projectid=p-3&flowId=f&log_type=3"} {
			refusal(t, http.StatusNotFound, as(t, "limited", target))
		}
		for _, e := range decode(t, as(t, "admin", "/entries?project=p-3").body)["data"].(map[string]any)["entries"].([]any) {
			id := e.(map[string]any)["seq"].(json.Number).String()
			for _, target := range []string{"/logs/" + id, "/logs/" + id + "/context", "/logs/download?projectId=p-3&flowId=f&id=" + id} {
				refusal(t, http.StatusNotFound, as(t, "limited", target))
			}
		}
		for _, target := range []string{"/files", "/files/user.log", "/files/user.log/content", "/files/download", "/settings", "/stats", "/access"} {
			refusal(t, http.StatusForbidden, as(t, "limited", target))
			refusal(t, http.StatusForbidden, as(t, "limited", target+"?colour=red")) // who asks goes before what is asked
		}
	})
	t.Run("R2.7 http: the token in either header", func(t *testing.T) {
		h := handler(t, s.Query(), s.Store, func(o *httpapi.Options) {
			o.Authorize = httpapi.Token("s3 cret", httpapi.Principal{ID: "x", AllProjects: true})
		})
		for _, headers := range [][]string{{"Authorization", "Bearer s3 cret"}, {"Authorization", "bearer  s3 cret"},
			{"Authorization", "", "Authentication", "s3 cret"}, {"Authorization", "", "Authentication", "Bearer s3 cret"}} {
			require.Equal(t, http.StatusOK, do(t, h, http.MethodGet, "/logs", "", headers...).status, headers)
		}
		for _, headers := range [][]string{{"Authorization", ""}, {"Authorization", "s3 cret"}, {"Authorization", "Basic s3 cret"},
			{"Authorization", "Bearer s3 cre"}, {"Authorization", "Bearer s3 crett"}, {"Authorization", "Bearer"}, {"Authorization", "", "Authentication", "x"}} {
			refusal(t, http.StatusUnauthorized, do(t, h, http.MethodGet, "/logs?projectid=p-1&flowId=f&log_type=1", "", headers...))
			refusal(t, http.StatusUnauthorized, do(t, h, http.MethodGet, "/logs/download", "", headers...))
		}
		empty := handler(t, s.Query(), nil, func(o *httpapi.Options) { o.Authorize = httpapi.Token("", httpapi.Principal{AllProjects: true}) })
		refusal(t, http.StatusUnauthorized, do(t, empty, http.MethodGet, "/logs", "", "Authorization", "Bearer "))
	})
}

func TestLoopbackOnly(t *testing.T) {
	t.Parallel()
	authorize := httpapi.LoopbackOnly()
	f := func(peer, host string, want error, header ...string) {
		t.Helper()
		r := httptest.NewRequest(http.MethodGet, "/logs", nil)
		r.RemoteAddr, r.Host = peer, host
		for i := 0; i < len(header); i += 2 {
			r.Header.Set(header[i], header[i+1])
		}
		who, err := authorize(r, httpapi.LogsRead)
		require.ErrorIs(t, err, want)
		require.Equal(t, want == nil, who.AllProjects)
	}
	f("127.0.0.1:5", "localhost:8080", nil)
	f("127.9.9.9:5", "127.0.0.1", nil)
	f("[::1]:5", "[::1]:8080", nil)
	f("[::1]:5", "[::1]", nil)
	f("[::ffff:127.0.0.1]:5", "LOCALHOST", nil)
	f("10.0.0.1:5", "localhost", httpapi.ErrForbidden)
	f("127.0.0.1:5", "attacker.example", httpapi.ErrForbidden)
	f("127.0.0.1:5", "localhost.attacker.example", httpapi.ErrForbidden)
	f("127.0.0.1:5", "", httpapi.ErrForbidden)
	f("", "localhost", httpapi.ErrForbidden)
	f("127.0.0.1:5", "localhost", httpapi.ErrForbidden, "X-Forwarded-For", "127.0.0.1")
	f("127.0.0.1:5", "localhost", httpapi.ErrForbidden, "Forwarded", "for=127.0.0.1")
}

func TestOptions(t *testing.T) {
	t.Parallel()
	s := serve(t, nil)
	for _, o := range []httpapi.Options{{Timeout: -1}, {MaxQueries: -1}, {ExternalURL: "logs.example.com"}, {ExternalURL: "ftp://x"},
		{ExternalURL: "https://x?y"}, {ExternalURL: "https://"}, {ExternalURL: "%"}} {
		o.Authorize = httpapi.AllowAll()
		_, err := httpapi.New(s.Query(), &o)
		require.ErrorIs(t, err, httpapi.ErrOptions, "%+v", o.ExternalURL)
	}
	_, err := httpapi.New(nil, &httpapi.Options{Authorize: httpapi.AllowAll()})
	require.ErrorIs(t, err, httpapi.ErrOptions)
}
