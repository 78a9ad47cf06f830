package httpapi_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/steplog/steplog/audit"
	"github.com/steplog/steplog/audit/access"
	"github.com/steplog/steplog/query/httpapi"
)

func TestAudit(t *testing.T) {
	t.Parallel()
	s, _ := folder(t, func(o *httpapi.Options) {
		o.Authorize = func(r *http.Request, _ httpapi.Permission) (httpapi.Principal, error) {
			if project := r.Header.Get("X-Project"); project != "" {
				return httpapi.Principal{ID: "limited", Projects: []string{project}}, nil
			}
			return httpapi.Principal{ID: "admin-1", Email: "admin@example.com", AllProjects: true}, nil
		}
	})
	note := func(e audit.Event, user, flow, project string, before, after any) {
		t.Helper()
		_, err := s.Audit().Record(t.Context(), audit.Entry{Event: e, Actor: audit.User(user), FlowID: flow, Project: project, Before: before, After: after})
		require.NoError(t, err)
	}
	note(audit.FlowCreated, "ann@example.com", "flow-1", "p-1", nil, map[string]any{"name": "prices"})
	note(audit.FlowUpdated, "bob@example.com", "flow-1", "p-1",
		map[string]any{"name": "prices", "password": "old-secret"}, map[string]any{"name": "stock", "password": "new-secret"})
	note(audit.UserDeleted, "ann@example.com", "", "p-2", nil, nil)
	note(audit.UserLoginFailed, "bob@example.com", "", "", nil, nil)
	titles := func(target string, header ...string) []string {
		t.Helper()
		a := do(t, s, http.MethodGet, target, "", header...)
		require.Equal(t, http.StatusOK, a.status, a.body)
		list := []string{}
		for _, r := range decode(t, a.body)["data"].(map[string]any)["records"].([]any) {
			list = append(list, r.(map[string]any)["title"].(string))
		}
		return list
	}

	t.Run("R4.3 http: filters in any combination, newest first, paged like logs", func(t *testing.T) {
		require.Equal(t, []string{"Flow Updated", "Flow Created"}, titles("/audit?flowId=flow-1"))
		require.Equal(t, []string{"Flow Created"}, titles("/audit?flowId=flow-1&eventType=CREATE&user=ann@example.com&module=flow&project=p-1&search=created"))
		require.Equal(t, []string{"User Deleted"}, titles("/audit?eventType=delete,query&projectId=p-2"))
		require.Equal(t, []string{"User Deleted"}, titles("/audit?eventType=delete,query&projectid=p-2"))
		require.Equal(t, []string{"Login Failed"}, titles("/audit?action=user.login_failed,user.logged_in"))
		require.Equal(t, []string{}, titles("/audit?endDate=2000-01-01T00:00:00Z"))
		p := s.data(t, "/audit?limit=1&offset=1&flowId=flow-1")["pagination"]
		require.Equal(t, map[string]any{"total": json.Number("2"), "limit": json.Number("1"), "offset": json.Number("1"), "nextOffset": nil}, p)
		for target, param := range map[string]string{"/audit?eventType=burn": "eventType", "/audit?limit=0": "limit", "/audit?startDate=x": "startDate", "/audit?level=info": "level",
			"/audit?module=" + strings.Repeat("a,", 100): "module", "/audit?action=" + strings.Repeat("a,", 100): "action",
			"/audit?eventType=" + strings.Repeat("query,", 100) + "query": "eventType"} {
			require.Equal(t, param, refusal(t, http.StatusBadRequest, do(t, s, http.MethodGet, target, ""))["param"])
		}
	})
	t.Run("R4.4 http: the rows of the diff, secrets hidden", func(t *testing.T) {
		id := s.data(t, "/audit?eventType=update&limit=1")["records"].([]any)[0].(map[string]any)["seq"]
		record := s.data(t, fmt.Sprint("/audit/", id))["record"].(map[string]any)
		rows, err := json.Marshal(record["changes"])
		require.NoError(t, err)
		require.Contains(t, string(rows), `"prices"`)
		require.Contains(t, string(rows), `"stock"`)
		require.NotContains(t, string(rows), "old-secret")
		require.NotContains(t, string(rows), "new-secret")
		s.refused(t, http.StatusNotFound, "/audit/999")
		s.refused(t, http.StatusNotFound, "/audit/x")
		require.Equal(t, json.Number("0"), s.data(t, "/audit/0")["record"].(map[string]any)["seq"])
	})
	t.Run("R5.6 http: the login log", func(t *testing.T) {
		require.Equal(t, []string{"Login Failed"}, titles("/audit?user=bob@example.com&module=user&action=user.login_failed,user.logged_in,user.password_changed"))
	})
	t.Run("a principal's projects narrow it", func(t *testing.T) {
		require.Equal(t, []string{"Flow Updated", "Flow Created"}, titles("/audit", "X-Project", "p-1"))
		refusal(t, http.StatusForbidden, do(t, s, http.MethodGet, "/audit?project=p-2", "", "X-Project", "p-1"))
		refusal(t, http.StatusForbidden, do(t, s, http.MethodGet, "/access", "", "X-Project", "p-1"))
	})
	t.Run("what is changed over HTTP is recorded with who did it and from where", func(t *testing.T) {
		s.changed(t, `{"scopes":[{"level":"warn"}],"files":{"email":{"copies":2}}}`)
		require.Equal(t, http.StatusNoContent, do(t, s, http.MethodDelete, "/files/application.log?rotate=1", "").status)
		events := map[string]map[string]any{}
		for _, r := range s.data(t, "/audit?user=admin@example.com")["records"].([]any) {
			r := r.(map[string]any)
			events[r["event"].(string)] = r
		}
		for _, event := range []string{"steplog.log.level_changed", "steplog.retention.changed", "steplog.log.deleted"} {
			require.Contains(t, events, event)
			require.Equal(t, "admin-1", events[event]["actor"].(map[string]any)["id"])
			require.Equal(t, "192.0.2.1", events[event]["ip"], "httptest's peer")
		}
	})
}

func TestAccess(t *testing.T) {
	t.Parallel()
	s := serve(t, nil)
	site := s.Access().Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		access.SetAccount(r.Context(), r.Header.Get("X-User"), "ACME")
		access.SetMemo(r.Context(), "nightly import")
		w.WriteHeader(http.StatusTeapot)
	}))
	for _, user := range []string{"ann", "bob"} {
		r := httptest.NewRequest(http.MethodGet, "/orders/"+user, nil)
		r.Header.Set("X-User", user)
		site.ServeHTTP(httptest.NewRecorder(), r)
	}
	t.Run("R5.1 http: account, tenant, time, path, address and memo, by date and keyword", func(t *testing.T) {
		record := s.data(t, "/access?search=IMPORT%20acme&account=ann")["records"].([]any)[0].(map[string]any)
		require.Equal(t, "/orders/ann", record["path"])
		require.Equal(t, "ACME", record["tenant"])
		require.Equal(t, "192.0.2.1", record["ip"])
		require.Equal(t, "nightly import", record["memo"])
		require.Equal(t, json.Number("418"), record["status"])
		for target, want := range map[string]string{"/access": "2", "/access?search=bob": "1", "/access?ip=192.0.2.1&method=GET&tenant=ACME": "2",
			"/access?minStatus=500": "0", "/access?maxStatus=418": "2", "/access?endDate=2000-01-01T00:00:00Z": "0", "/access?ip=::1": "0",
			"/access?path=/orders": "2", "/access?project=ACME": "2", "/access?projectId=ACME&projectid=ACME": "2", "/access?project=other": "0", "/access?path=/orders/a": "1", "/access?path=/orders/ann&ip=192.0.2.0/24": "1", "/access?path=ann": "0",
			"/access?ip=192.0.2.0/31": "2", "/access?ip=192.0.2.2/31": "0", "/access?ip=0.0.0.0/0": "2", "/access?ip=::/0": "0", "/access?ip=::ffff:192.0.2.0/120": "2"} {
			require.Equal(t, json.Number(want), s.data(t, target)["pagination"].(map[string]any)["total"], target)
		}
		for target, param := range map[string]string{"/access?ip=x": "ip", "/access?tenant=a&project=b": "project", "/access?ip=10.0.0.0/33": "ip", "/access?ip=fe80::1%25eth0": "ip", "/access?minStatus=500&maxStatus=400": "minStatus", "/access?minStatus=1": "minStatus"} {
			require.Equal(t, param, refusal(t, http.StatusBadRequest, do(t, s, http.MethodGet, target, ""))["param"])
		}
	})
}
