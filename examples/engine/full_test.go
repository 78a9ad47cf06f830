//go:build unix

package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// With a file system that takes no more the flows go on, the lines that fitted
// are whole, and the program says that it could not log the rest.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	program, err := os.Executable()
	require.NoError(t, err)
	dir := filepath.Join(t.TempDir(), "logs")
	var said bytes.Buffer
	command := exec.Command("sh", "-c", `ulimit -f 100; exec "$0" "$@"`, program, "-dir", dir, "-runs", "3")
	command.Dir, command.Stderr = root(t), &said
	command.Env = append(os.Environ(), asProgram+"=1")
	require.Error(t, command.Run())
	require.Equal(t, exitLogging, command.ProcessState.ExitCode(), said.String())
	require.Contains(t, said.String(), "user.log")

	summary := complete(t, root(t), "-dir", dir) // there is space again
	require.EqualValues(t, 2, summary.RunTotal-runsBefore(summary))
	for _, name := range []string{"user.log", "usage.log", "application.log"} {
		lines, rest := records(t, filepath.Join(dir, name))
		require.NotEmpty(t, lines)
		require.Empty(t, rest)
	}
}

// A start that has no room for what the next one must know leaves nothing that the next
// one stumbles over.
func TestFullDiskAtStart(t *testing.T) {
	t.Parallel()
	program, err := os.Executable()
	require.NoError(t, err)
	dir := filepath.Join(t.TempDir(), "logs")
	var said bytes.Buffer
	command := exec.Command("sh", "-c", `ulimit -f 32; exec "$0" "$@"`, program, "-dir", dir)
	command.Dir, command.Stderr = root(t), &said
	command.Env = append(os.Environ(), asProgram+"=1")
	require.Error(t, command.Run())
	require.Contains(t, said.String(), flowsFile)
	summary := complete(t, root(t), "-dir", dir)
	require.Positive(t, summary.RunTotal)
}

// runsBefore counts the runs of earlier starts.
func runsBefore(summary Summary) (n int64) {
	for _, run := range summary.Runs {
		if run.Started.Before(summary.Start) {
			n++
		}
	}
	return n
}
