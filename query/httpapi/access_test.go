package httpapi_test

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/steplog/steplog/audit/access"
	"github.com/steplog/steplog/query"
	"github.com/steplog/steplog/query/httpapi"
)

// TestAccessRecords asks in every way for access records, for somebody who may see them and
// for those who may see everything else: one may not see any, one those of a project, and
// requests belong to none.
func TestAccessRecords(t *testing.T) {
	t.Parallel()
	s := serve(t, func(o *httpapi.Options) {
		o.Authorize = func(r *http.Request, p httpapi.Permission) (httpapi.Principal, error) {
			switch token := httpapi.RequestToken(r); {
			case p == httpapi.AccessRead && token == "reader":
				return httpapi.Principal{}, httpapi.ErrForbidden
			case p == httpapi.AccessRead && token == "limited":
				return httpapi.Principal{ID: "x", Projects: []string{"p-1"}}, nil
			}
			return httpapi.Principal{ID: "x", AllProjects: true}, nil
		}
	})
	s.Server("edge-1").Info("before")
	s.Access().Record(access.Record{Method: http.MethodGet, Path: "/prices", Account: "ada"})
	s.Server("edge-1").Info("after")
	page, err := s.Query().Records(t.Context(), query.Filter{Kinds: []query.Kind{query.KindAccess}}, query.Paging{})
	require.NoError(t, err)
	require.Len(t, page.Items, 1)
	id := page.Items[0].Seq
	as := func(token, target string) answer {
		return do(t, s, http.MethodGet, target, "", "Authorization", "Bearer "+token)
	}
	// What is asked without a kind has none of them, whoever asks.
	for _, target := range []string{"/entries", "/entries?in=access_log", "/export", "/export?format=csv", "/facets?field=file"} {
		for _, token := range []string{"admin", "reader", "limited"} {
			a := as(token, target)
			require.Equal(t, http.StatusOK, a.status, a.body)
			require.NotContains(t, a.body, "/prices", target)
			require.NotContains(t, a.body, "access_log", target)
		}
	}
	alone, among := fmt.Sprintf("/logs/%d", id), fmt.Sprintf("/logs/%d/context", id-1)
	for _, target := range []string{"/entries?kind=access", "/entries?kind=event,access", "/export?kind=access", "/access", alone, alone + "/context"} {
		require.Contains(t, as("admin", target).body, "/prices", target)
	}
	for _, token := range []string{"reader", "limited"} {
		for _, target := range []string{"/entries?kind=access", "/entries?kind=event,access", "/export?kind=access", "/access",
			"/facets?field=file&kind=access", "/histogram?kind=access", "/tail?kind=access"} {
			refusal(t, http.StatusForbidden, as(token, target))
		}
		refusal(t, http.StatusNotFound, as(token, alone))
		refusal(t, http.StatusNotFound, as(token, alone+"/context"))
		a := as(token, among)
		require.NotContains(t, a.body, "/prices")
		require.Contains(t, a.body, "after", "the others are there")
	}
	refusal(t, http.StatusBadRequest, as("admin", "/entries?kind=audit"))
}
