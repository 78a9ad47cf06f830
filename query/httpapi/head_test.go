package httpapi_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/steplog/steplog/logger"
)

// TestHeadIsAnsweredAsGet: who asks first whether a question can be asked hears what
// they would hear then.
func TestHeadIsAnsweredAsGet(t *testing.T) {
	t.Parallel()
	store := logger.OpenMemory(nil)
	store.Server("edge-1").Info("a line")
	h := handler(t, store.Query(), store, nil)
	same := func(target string, want int) {
		t.Helper()
		head, get := do(t, h, http.MethodHead, target, ""), do(t, h, http.MethodGet, target, "")
		require.Equal(t, want, get.status, "%s: %s", target, get.body)
		require.Equal(t, get.status, head.status, target)
		require.Equal(t, get.header.Get("Content-Type"), head.header.Get("Content-Type"), target)
		require.Equal(t, get.header.Get("Content-Disposition"), head.header.Get("Content-Disposition"), target)
	}
	for _, target := range []string{"/entries", "/export", "/export?search=nowhere", "/export?format=csv", "/export?format=otlp", "/files/download",
		"/files/application.log", "/files/application.log/content"} {
		same(target, http.StatusOK)
	}
	for _, target := range []string{"/entries?in=No+Log", "/export?in=No+Log", "/export?format=csv&in=No+Log", "/tail?in=No+Log", "/tail?limit=1"} {
		same(target, http.StatusBadRequest)
	}
	for _, target := range []string{"/logs/9007199254740992", "/files/email.log", "/files/email.log/content", "/files/download?name=email.log"} {
		same(target, http.StatusNotFound)
	}
	require.NoError(t, store.Close())
	for _, target := range []string{"/entries", "/export", "/tail"} {
		same(target, http.StatusServiceUnavailable)
	}
}
