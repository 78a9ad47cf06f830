package httpapi_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// whatever is asked, the answer is one that the API's description has: nothing
// goes wrong inside, and an error says what is wrong.
func FuzzRequest(f *testing.F) {
	for _, seed := range [][4]string{
		{"GET", "/logs", "projectid=p&flowId=f&log_type=1&limit=20&page=1&snapshot=3", ""},
		{"GET", "/logs", "projectId=p&flowId=f&log_type=3&search_field.1=sku&search_value.1=x&original_filename_uuid=u&filename_uuid=v", ""},
		{"GET", "/logs", "limit=10&offset=5&level=ERROR,warn&service=s&startDate=2023-10-27T09:00:00Z&endDate=2023-10-27T09:00:00+02:00&search=%22a+b%22", ""},
		{"GET", "/logs/download", "id=3&projectId=98765-9876-9875&flowId=123456-12345-1234&projectslug=..%2F&format=zip", ""},
		{"GET", "/logs/3", "", ""}, {"GET", "/logs/3/context", "before=1&after=2", ""},
		{"GET", "/entries", "minLevel=info&kind=line,event&field.1=a.b&value.1=c&in=user,usage&order=asc&cursor=AQEAAQE&limit=3&topic=x", ""},
		{"GET", "/histogram", "interval=1m&startDate=0000-01-01T00:00:00Z&endDate=9999-12-31T23:59:59Z", ""}, {"GET", "/histogram", "buckets=3", ""},
		{"GET", "/facets", "field=details.sku&limit=3", ""}, {"GET", "/runs/asdefgh-12345-9875/steps", "", ""},
		{"GET", "/export", "format=csv&columns=message,details.a&cells=plain", ""}, {"GET", "/export", "format=otlp", ""},
		{"GET", "/tail", "backfill=3", "7"}, {"GET", "/files", "", ""}, {"GET", "/files/user.log", "offset=1&limit=2", ""},
		{"GET", "/files/user.log/content", "", "bytes=0-1"}, {"GET", "/files/download", "name=user.log&name=usage.log", ""},
		{"GET", "/audit", "eventType=create&module=flow&user=a&action=flow.created&project=p&search=x&limit=2&offset=1", ""},
		{"GET", "/audit/0", "", ""}, {"GET", "/access", "ip=::1&account=a&minStatus=200&maxStatus=299&search=x", ""},
		{"GET", "/entries", "q=level:error+(sku:A-1+OR+-retry)+/a.*b/+duration_ms:>500+%22a+phrase%22&field.1=sku&value.1=A-1", ""},
		{"GET", "/export", "q=kind:line&format=ndjson", ""}, {"GET", "/access", "path=/logs&ip=10.0.0.0/8&project=x", ""},
		{"DELETE", "/files/email.log", "rotate=1", ""}, {"GET", "/settings", "", ""}, {"GET", "/stats", "", ""},
		{"PUT", "/settings", "", `{"scopes":[{"server":"a","level":"INFO"}],"files":{"email":{"maxSizeMB":1,"copies":2}}}`},
	} {
		f.Add(seed[0], seed[1], seed[2], seed[3])
	}
	s := serve(f, nil)
	s.example(f)
	f.Fuzz(func(t *testing.T, method, path, query, more string) {
		if len(path) > 1000 || !validMethod(method) {
			return
		}
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		r := httptest.NewRequestWithContext(ctx, http.MethodGet, "/", strings.NewReader(more))
		r.Method, r.URL = method, &url.URL{Path: path, RawQuery: query}
		r.RequestURI = r.URL.RequestURI()
		r.Header.Set("Content-Type", "application/json")
		if !strings.ContainsAny(more, "\r\n\x00") {
			r.Header.Set("Last-Event-ID", more)
			r.Header.Set("Range", more)
			r.Header.Set("If-Match", more)
		}
		w := &enough{ResponseRecorder: httptest.NewRecorder(), end: cancel}
		s.ServeHTTP(w, r)
		require.NotEqual(t, http.StatusInternalServerError, w.Code, w.Body.String())
		if w.Header().Get("Content-Type") != "application/json" {
			return
		}
		require.True(t, json.Valid(w.Body.Bytes()), w.Body.String())
		if w.Code >= 400 {
			var e struct{ Status, Message string }
			require.NoError(t, json.Unmarshal(w.Body.Bytes(), &e))
			require.Equal(t, "error", e.Status)
			require.NotEmpty(t, e.Message)
		}
	})
}

// validMethod is what net/http's server lets through, shortened.
func validMethod(method string) bool {
	return method != "" && len(method) < 20 && strings.Trim(method, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") == ""
}

// enough ends a tail when it first flushes what it has.
type enough struct {
	*httptest.ResponseRecorder
	end context.CancelFunc
}

func (e *enough) Flush() {
	e.end()
	e.ResponseRecorder.Flush()
}
