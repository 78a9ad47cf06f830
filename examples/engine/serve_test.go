package main

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// served starts the program with -addr in this process; it ends with the test.
func served(t *testing.T, args ...string) (url string, end func() int) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	out, in := io.Pipe()
	status := make(chan int, 1)
	go func() {
		status <- start(ctx, append([]string{"-dir", t.TempDir(), "-addr", "127.0.0.1:0", "-flows", "", "-runs", "1"}, args...), in, io.Discard)
		_ = in.Close()
	}()
	lines := bufio.NewReader(out)
	first, err := lines.ReadString('\n')
	require.NoError(t, err)
	url, found := strings.CutPrefix(strings.TrimSpace(first), "serving ")
	require.True(t, found, first)
	drained := make(chan struct{})
	go func() {
		defer close(drained)
		_, _ = io.Copy(io.Discard, lines)
	}()
	end = func() int {
		cancel()
		<-drained
		http.DefaultClient.CloseIdleConnections()
		return <-status
	}
	return url, end
}

// ask asks the API, with a token when it is not empty.
func ask(t *testing.T, url, token string) (int, []byte) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	require.NoError(t, err)
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	answer, err := http.DefaultClient.Do(r)
	require.NoError(t, err)
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	return answer.StatusCode, body
}

func TestServe(t *testing.T) {
	t.Setenv(tokenVariable, "")
	url, end := served(t, "-every", "10ms")
	require.Eventually(t, func() bool {
		status, body := ask(t, url+"/logs?projectid=shop&flowId=price-sync&log_type=1", "")
		if status == http.StatusNotFound {
			return false // nothing has started yet
		}
		require.Equal(t, http.StatusOK, status, string(body))
		var list struct {
			Results []struct {
				Schedule *string
				Status   int
			}
		}
		require.NoError(t, json.Unmarshal(body, &list))
		for _, r := range list.Results {
			if r.Schedule != nil && *r.Schedule == "@every 10ms" && r.Status != 1 {
				return true
			}
		}
		return false
	}, time.Minute, 50*time.Millisecond)
	require.Equal(t, exitDone, end())
}

func TestServeWithToken(t *testing.T) {
	t.Setenv(tokenVariable, "a token of the test")
	url, end := served(t, "-every", "1h")
	status, _ := ask(t, url+"/logs", "")
	require.Equal(t, http.StatusUnauthorized, status)
	status, _ = ask(t, url+"/logs", "a token of the test")
	require.Equal(t, http.StatusOK, status)
	status, _ = ask(t, url+"//logs", "a token of the test")
	require.Equal(t, http.StatusNotFound, status)
	status, body := ask(t, url+"/access?account=token&path=/logs", "a token of the test")
	require.Equal(t, http.StatusOK, status)
	require.Contains(t, string(body), `"total":1,`, "the access log knows whose request it was")
	require.Equal(t, exitDone, end())
}

func TestServeSeenByOthers(t *testing.T) {
	t.Setenv(tokenVariable, "")
	for _, addr := range []string{":0", "0.0.0.0:0", "192.0.2.1:80", "example.com:80", "nonsense"} {
		require.Equal(t, exitUsage, start(t.Context(), []string{"-dir", t.TempDir(), "-addr", addr}, io.Discard, io.Discard), addr)
	}
}
