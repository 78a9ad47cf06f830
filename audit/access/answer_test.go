package access_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"github.com/steplog/steplog/audit/access"
)

// over serves one request over a connection, and returns what the client got and the record.
func over(t *testing.T, h http.HandlerFunc) (*http.Response, access.Record) {
	t.Helper()
	var b book
	server := httptest.NewServer(access.New(b.add, nil).Middleware(h))
	resp, err := server.Client().Get(server.URL)
	require.NoError(t, err)
	_, _ = io.Copy(io.Discard, resp.Body) // ends early where the handler says less than it announced
	require.NoError(t, resp.Body.Close())
	server.Close()
	return resp, b.last(t)
}

// A source that has nothing to read sends no status: what the handler says next is the answer.
func TestNothingToCopy(t *testing.T) {
	for name, c := range map[string]struct {
		src  io.Reader
		want int
	}{
		"empty":  {struct{ io.Reader }{strings.NewReader("")}, http.StatusNotFound},
		"fails":  {iotest.ErrReader(io.ErrUnexpectedEOF), http.StatusNotFound},
		"begins": {io.MultiReader(strings.NewReader("a"), iotest.ErrReader(io.ErrUnexpectedEOF)), http.StatusOK},
	} {
		t.Run(name, func(t *testing.T) {
			resp, rec := over(t, func(w http.ResponseWriter, _ *http.Request) {
				_, _ = io.Copy(w, c.src)
				w.WriteHeader(http.StatusNotFound)
			})
			require.Equal(t, c.want, resp.StatusCode)
			require.Equal(t, c.want, rec.Status)
			require.False(t, rec.Aborted)
		})
	}
}
