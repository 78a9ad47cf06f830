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
// for somebody who may see everything else.
func TestAccessRecords(t *testing.T) {
	t.Parallel()
	s := serve(t, func(o *httpapi.Options) {
		o.Authorize = func(r *http.Request, p httpapi.Permission) (httpapi.Principal, error) {
			if p == httpapi.AccessRead && httpapi.RequestToken(r) != "admin" {
				return httpapi.Principal{}, httpapi.ErrForbidden
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
		for _, token := range []string{"admin", "reader"} {
			a := as(token, target)
			require.Equal(t, http.StatusOK, a.status, a.body)
			require.NotContains(t, a.body, "/prices", target)
			require.NotContains(t, a.body, "access_log", target)
		}
	}
	for _, target := range []string{"/entries?kind=access", "/entries?kind=event,access", "/export?kind=access", "/access"} {
		require.Contains(t, as("admin", target).body, "/prices", target)
		refusal(t, http.StatusForbidden, as("reader", target))
	}
	for _, target := range []string{"/facets?field=file&kind=access", "/histogram?kind=access", "/tail?kind=access"} {
		refusal(t, http.StatusForbidden, as("reader", target))
	}
	alone, among := fmt.Sprintf("/logs/%d", id), fmt.Sprintf("/logs/%d/context", id-1)
	require.Contains(t, as("admin", alone).body, "/prices")
	refusal(t, http.StatusNotFound, as("reader", alone))
	refusal(t, http.StatusNotFound, as("reader", alone+"/context"))
	require.Contains(t, as("admin", alone+"/context").body, "/prices")
	a := as("reader", among)
	require.NotContains(t, a.body, "/prices")
	require.Contains(t, a.body, "after", "the others are there")
	refusal(t, http.StatusBadRequest, as("admin", "/entries?kind=audit"))
}
