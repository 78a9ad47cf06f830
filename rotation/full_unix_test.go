//go:build unix

package rotation_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"gopkg.in/natefinch/lumberjack.v2"

	"github.com/steplog/steplog/rotation"
)

// fullEnv names the folder for a child process that may write little to any
// file, which fails writes in the middle of a line as a full disk does.
const fullEnv = "ROTATION_TEST_FULL"

// TestFullDisk: what was acknowledged is there, nothing else, and writing goes
// on when there is space again.
func TestFullDisk(t *testing.T) {
	if dir := os.Getenv(fullEnv); dir != "" {
		fillDisk(t, dir)
		return
	}
	dir := t.TempDir()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestFullDisk$")
	cmd.Env = append(os.Environ(), fullEnv+"="+dir)
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)

	plain, err := os.ReadFile(filepath.Join(dir, "plain.log"))
	require.NoError(t, err)
	require.False(t, bytes.HasSuffix(plain, []byte("\n")), "lumberjack leaves a torn line")

	got, err := os.ReadFile(filepath.Join(dir, "user.log"))
	require.NoError(t, err)
	acked, err := os.ReadFile(filepath.Join(dir, "acknowledged"))
	require.NoError(t, err)
	require.Equal(t, string(acked), string(got))
	require.Contains(t, string(got), "after")
}

func fillDisk(t *testing.T, dir string) {
	signal.Ignore(syscall.SIGXFSZ)
	var limit syscall.Rlimit
	require.NoError(t, syscall.Getrlimit(syscall.RLIMIT_FSIZE, &limit))
	small := limit
	small.Cur = 2000
	require.NoError(t, syscall.Setrlimit(syscall.RLIMIT_FSIZE, &small))

	l := &lumberjack.Logger{Filename: filepath.Join(dir, "plain.log")}
	var err error
	for i := 0; err == nil; i++ {
		_, err = fmt.Fprintf(l, "line %04d %s\n", i, strings.Repeat("x", 300))
	}
	require.NoError(t, l.Close())

	f, err := rotation.Open(filepath.Join(dir, "user.log"), nil)
	require.NoError(t, err)
	var acked bytes.Buffer
	failed := 0
	for i := range 20 {
		line := fmt.Sprintf("line %04d %s\n", i, strings.Repeat("x", 300))
		if i >= 10 {
			line = fmt.Sprintf("small %d\n", i) // fits where the large one did not
		}
		if _, err := f.Write([]byte(line)); err != nil {
			require.ErrorIs(t, err, syscall.EFBIG)
			failed++
			continue
		}
		acked.WriteString(line)
	}
	require.Positive(t, failed)
	require.NoError(t, syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit))
	_, err = f.Write([]byte("after\n"))
	require.NoError(t, err)
	acked.WriteString("after\n")
	require.NoError(t, f.Close())
	require.NoError(t, os.WriteFile(filepath.Join(dir, "acknowledged"), acked.Bytes(), 0o600))
}
