package e2e

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// token is what the program asks for.
const token = "a token of the test"

// command runs a command in the folder of the root module and returns what it
// prints.
func command(t *testing.T, name string, args ...string) string {
	t.Helper()
	c := exec.CommandContext(t.Context(), name, args...)
	c.Dir = filepath.Join("..", "..")
	c.Env = append(os.Environ(), "GOWORK=off")
	out, err := c.CombinedOutput()
	require.NoError(t, err, string(out))
	return string(out)
}

// engine starts the example with -addr and returns its address.
func engine(t *testing.T) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "engine")
	command(t, "go", "build", "-o", program, "./examples/engine")
	ctx, cancel := context.WithCancel(context.Background())
	c := exec.CommandContext(ctx, program, "-dir", t.TempDir(), "-addr", "127.0.0.1:0", "-every", "1h")
	c.Dir = t.TempDir()
	c.Env = append(os.Environ(), "STEPLOG_TOKEN="+token)
	c.Cancel = func() error { return c.Process.Signal(syscall.SIGTERM) }
	c.WaitDelay = 10 * time.Second
	out, err := c.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, c.Start())
	lines := bufio.NewReader(out)
	first, err := lines.ReadString('\n')
	require.NoError(t, err)
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = io.Copy(io.Discard, lines)
	}()
	t.Cleanup(func() {
		cancel()
		<-done
		_ = c.Wait() // it was interrupted
	})
	url, found := strings.CutPrefix(strings.TrimSpace(first), "serving ")
	require.True(t, found, first)
	return url
}

// mainLog waits until price-sync has ended once and returns the id of its main
// log.
func mainLog(t *testing.T, url string) json.Number {
	t.Helper()
	var id json.Number
	require.Eventually(t, func() bool {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url+"/logs?projectid=shop&flowId=price-sync&log_type=1", nil)
		require.NoError(t, err)
		r.Header.Set("Authentication", token)
		answer, err := http.DefaultClient.Do(r)
		require.NoError(t, err)
		defer answer.Body.Close()
		var list struct {
			Results []struct {
				ID    json.Number
				State int
			}
		}
		if answer.StatusCode != http.StatusOK || json.NewDecoder(answer.Body).Decode(&list) != nil || list.Results[0].State != 3 {
			return false
		}
		id = list.Results[0].ID
		return true
	}, time.Minute, 20*time.Millisecond)
	return id
}
