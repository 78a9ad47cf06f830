package main

import (
	"bytes"
	"encoding/json"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/steplog/steplog/query"
	"github.com/stretchr/testify/require"
)

// process is the program in a process of its own.
type process struct {
	*exec.Cmd
	out, err bytes.Buffer
	done     chan struct{}
}

// launch starts the program in a folder.
func launch(t *testing.T, folder string, args ...string) *process {
	t.Helper()
	program, err := os.Executable()
	require.NoError(t, err)
	p := &process{Cmd: exec.Command(program, args...), done: make(chan struct{})}
	p.Dir, p.Stdout, p.Stderr = folder, &p.out, &p.err
	p.Env = append(os.Environ(), asProgram+"=1")
	require.NoError(t, p.Start())
	go func() {
		defer close(p.done)
		_ = p.Wait() // the state tells how it ended
	}()
	t.Cleanup(func() {
		_ = p.Process.Kill() // it has ended already, or the test failed
		<-p.done
	})
	return p
}

// complete runs the program to its end and returns its summary.
func complete(t *testing.T, folder string, args ...string) Summary {
	t.Helper()
	p := launch(t, folder, append(args, "-json")...)
	<-p.done
	require.Zero(t, p.ProcessState.ExitCode(), p.err.String())
	var summary Summary
	require.NoError(t, json.Unmarshal(p.out.Bytes(), &summary), p.err.String())
	return summary
}

// root is the folder of the checkout, seen from this package's.
func root(t *testing.T) string {
	t.Helper()
	folder, err := filepath.Abs(filepath.Join("..", ".."))
	require.NoError(t, err)
	return folder
}

// records checks that each whole line of a file is a record in its place, and
// returns them; rest is what follows the last newline.
func records(t *testing.T, path string) (lines []record, rest []byte) {
	t.Helper()
	file := &growing{path: path}
	return file.more(t)
}

// growing is a file that somebody else writes.
type growing struct {
	path string
	at   int64  // behind the last whole line that was read
	last uint64 // seq of that line
}

// more returns the records since the last call, and what follows them.
func (g *growing) more(t *testing.T) (lines []record, rest []byte) {
	t.Helper()
	file, err := os.Open(g.path)
	require.NoError(t, err)
	defer file.Close()
	text, err := io.ReadAll(io.NewSectionReader(file, g.at, 1<<40))
	require.NoError(t, err)
	for {
		raw, after, found := bytes.Cut(text, []byte{'\n'})
		if !found {
			return lines, raw
		}
		var line record
		require.NoError(t, json.Unmarshal(raw, &line), "%s: %q", g.path, raw)
		require.Greater(t, line.Seq, g.last, g.path)
		g.last, g.at = line.Seq, g.at+int64(len(raw))+1
		lines, text = append(lines, line), after
	}
}

// record is as much of a line as these tests look at. It is decoded with
// encoding/json, not with the library.
type record struct {
	Seq     uint64
	Level   string
	Kind    string
	Phase   string
	Run     string
	Step    string
	Message string
	Implied bool
	Error   struct{ Message string }
	Details struct{ Ack, Hint string }
}

// size returns a file's length, 0 when it is not there yet.
func size(path string) int64 {
	info, err := os.Stat(path)
	if err != nil {
		return 0
	}
	return info.Size()
}

func TestKilled(t *testing.T) {
	t.Parallel()
	const kills = 8
	const seed = 20260102
	random := rand.New(rand.NewPCG(seed, seed))
	dir, acks := filepath.Join(t.TempDir(), "logs"), filepath.Join(t.TempDir(), "acks")
	torn := 0
	for range kills {
		p := launch(t, root(t), "-dir", dir, "-acks", acks, "-runs", "200")
		until := size(acks) + 1 + random.Int64N(30_000)
		require.Eventually(t, func() bool { return size(acks) >= until }, time.Minute, time.Millisecond, "seed %d: %s", seed, &p.err)
		require.NoError(t, p.Process.Kill())
		<-p.done
		require.Equal(t, -1, p.ProcessState.ExitCode(), "it ended before it was killed: more -runs are needed")
		if text, err := os.ReadFile(filepath.Join(dir, "user.log")); err == nil && !bytes.HasSuffix(text, []byte{'\n'}) {
			torn++
		}
	}
	complete(t, root(t), "-dir", dir, "-acks", acks, "-runs", "1")

	user, rest := records(t, filepath.Join(dir, "user.log"))
	usage, usageRest := records(t, filepath.Join(dir, "usage.log"))
	t.Run("R6.1 library: no line is torn after a kill and a restart", func(t *testing.T) {
		require.Empty(t, rest)
		require.Empty(t, usageRest)
		_, rest := records(t, filepath.Join(dir, "application.log"))
		require.Empty(t, rest)
	})
	t.Run("R6.1 library: nothing acknowledged is lost or repeated when the process is killed", func(t *testing.T) {
		logged := make(map[string]int)
		for _, line := range user {
			if line.Kind == string(query.KindLine) {
				require.NotEmpty(t, line.Details.Ack)
				logged[line.Details.Ack]++
				require.Equal(t, 1, logged[line.Details.Ack], line.Details.Ack)
			}
		}
		text, err := os.ReadFile(acks)
		require.NoError(t, err)
		words := strings.Fields(string(text))
		for _, word := range words {
			require.Equal(t, 1, logged[word], word)
		}
		t.Logf("seed %d: %d kills, %d lines acknowledged, %d more in the text, torn before the restart %d",
			seed, kills, len(words), len(logged)-len(words), torn)
	})
	t.Run("R2.8 library: no run and no step is left open after a kill and a restart", func(t *testing.T) {
		open := make(map[string]bool)
		for _, line := range usage {
			id := line.Kind + " " + line.Run + line.Step
			switch line.Phase {
			case "start", "resume":
				open[id] = true
			case "end":
				delete(open, id)
			}
		}
		require.Empty(t, open)
		engine, err := query.Open(dir)
		require.NoError(t, err)
		defer engine.Close()
		unfinished := []int{query.StateStarted, query.StateInProgress}
		runs, err := engine.MainLogs(t.Context(), query.RunFilter{States: unfinished}, query.Paging{})
		require.NoError(t, err)
		require.Zero(t, runs.Total.N)
		steps, err := engine.SubLogs(t.Context(), query.StepFilter{States: unfinished}, query.Paging{})
		require.NoError(t, err)
		require.Zero(t, steps.Total.N)
		// A kill between two runs leaves none that died; every other leaves one.
		left := make(map[string]bool)
		for _, line := range usage {
			if line.Kind == string(query.KindRun) && line.Phase == "end" && line.Implied {
				left[line.Run] = true
			}
		}
		require.NotEmpty(t, left)
		require.LessOrEqual(t, len(left), kills)
		died, err := engine.MainLogs(t.Context(), query.RunFilter{Outcomes: []query.Outcome{query.Failed}}, query.Paging{})
		require.NoError(t, err)
		require.EqualValues(t, len(left), died.Total.N)
		for _, run := range died.Items {
			require.True(t, left[run.Run], run.Run)
			require.Contains(t, run.Reason, "process died")
		}
	})
	t.Run("R6.1 library: every line is of a run that the history has", func(t *testing.T) {
		started := make(map[string]bool)
		for _, line := range usage {
			started[line.Run] = started[line.Run] || line.Kind == string(query.KindRun) && line.Phase == "start"
		}
		for _, line := range user {
			require.True(t, started[line.Run], "%d: %s", line.Seq, line.Run)
		}
	})
}

func TestWhileRunning(t *testing.T) {
	t.Parallel()
	dir, acks := filepath.Join(t.TempDir(), "logs"), filepath.Join(t.TempDir(), "acks")
	p := launch(t, root(t), "-dir", dir, "-acks", acks, "-runs", "1000000")
	t.Run("R1.2 library: the files are valid NDJSON while they are written", func(t *testing.T) {
		var files []*growing
		for _, name := range []string{"user.log", "usage.log", "application.log"} {
			files = append(files, &growing{path: filepath.Join(dir, name)})
		}
		for range 20 {
			more := size(acks) + 1000
			require.Eventually(t, func() bool { return size(acks) > more }, time.Minute, time.Millisecond, &p.err)
			for _, file := range files {
				file.more(t)
			}
		}
		for _, file := range files {
			require.NotZero(t, file.last, file.path)
		}
	})
	t.Run("R1.2 library: a grep for a run's id finds its lines", func(t *testing.T) {
		engine, err := query.Open(dir)
		require.NoError(t, err)
		defer engine.Close()
		page, err := engine.MainLogs(t.Context(), query.RunFilter{States: []int{query.StateFinished}}, query.Paging{Limit: 1})
		require.NoError(t, err)
		require.Len(t, page.Items, 1)
		text, err := os.ReadFile(filepath.Join(dir, "user.log"))
		require.NoError(t, err)
		var found, lines int64
		for line := range strings.Lines(string(text)) {
			if strings.Contains(line, page.Items[0].Run) && strings.Contains(line, `"kind":"line"`) {
				found++
			}
		}
		for _, n := range page.Items[0].Lines {
			lines += n
		}
		require.Equal(t, lines, found)
		require.NotZero(t, found)
	})
	t.Run("R2.8 library: an interrupt ends the run in progress as cancelled", func(t *testing.T) {
		interrupt := func(p *process) {
			require.NoError(t, p.Process.Signal(os.Interrupt))
			<-p.done
			require.Zero(t, p.ProcessState.ExitCode(), p.err.String())
			require.Contains(t, p.out.String(), "Look at them")
		}
		interrupt(p) // in a run, or between two
		flows := t.TempDir()
		require.NoError(t, os.WriteFile(filepath.Join(flows, "wait.json"), []byte(`{"id": "price-sync", "name": "Wait", "start": "repeat",
			"actions": [{"id": "wait", "name": "Wait for the interrupt", "use": "shell/exec", "with": {"command": ["sleep", "600"]}}]}`), 0o600))
		waiting := launch(t, root(t), "-dir", dir, "-flows", flows)
		require.Eventually(t, func() bool {
			text, err := os.ReadFile(filepath.Join(dir, "usage.log"))
			return err == nil && strings.Contains(string(text), "Wait for the interrupt")
		}, time.Minute, 10*time.Millisecond, &waiting.err)
		interrupt(waiting)
		engine, err := query.Open(dir)
		require.NoError(t, err)
		defer engine.Close()
		page, err := engine.MainLogs(t.Context(), query.RunFilter{}, query.Paging{Limit: 1})
		require.NoError(t, err)
		require.Len(t, page.Items, 1)
		require.Equal(t, query.Cancelled, page.Items[0].Outcome)
		require.Contains(t, page.Items[0].Reason, "interrupt")
		open, err := engine.MainLogs(t.Context(), query.RunFilter{States: []int{query.StateStarted, query.StateInProgress}}, query.Paging{})
		require.NoError(t, err)
		require.Zero(t, open.Total.N)
	})
}

func TestSecondStart(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "logs")
	first := complete(t, root(t), "-dir", dir, "-runs", "2")
	require.EqualValues(t, 3, first.RunTotal)
	second := complete(t, root(t), "-dir", dir)
	require.EqualValues(t, 5, second.RunTotal)
	require.Len(t, second.Runs, 5)
	require.Equal(t, first.Runs, second.Runs[2:])
	require.True(t, second.Start.After(first.Start))
	require.Greater(t, second.FailedTotal, first.FailedTotal)
	require.Greater(t, second.WarnTotal, first.WarnTotal)
}

func TestOutsideACheckout(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	summary := complete(t, folder)
	require.Equal(t, "dependency-report", summary.Runs[0].Flow)
	require.Equal(t, query.Failed.String(), summary.Runs[0].Outcome)
	require.Contains(t, summary.Runs[0].Reason, "go.mod")
	require.Equal(t, "price-sync", summary.Runs[1].Flow)
	require.Equal(t, query.Succeeded.String(), summary.Runs[1].Outcome)
	lines, _ := records(t, filepath.Join(folder, "data", "logs", "user.log"))
	last := lines[len(lines)-1]
	for _, line := range lines {
		if line.Level == "error" && line.Run == summary.Runs[0].Run {
			last = line
		}
	}
	require.Contains(t, last.Error.Message, "go.mod")
	require.Contains(t, last.Details.Hint, "start it in the folder that holds go.mod")
}

func TestExitStatus(t *testing.T) {
	t.Parallel()
	status := func(args ...string) (int, string) {
		var said bytes.Buffer
		return start(t.Context(), args, io.Discard, &said), said.String()
	}
	flows := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(flows, "f.json"), []byte(`{"id": "f", "steps": []}`), 0o600))
	file := filepath.Join(flows, "f.json")

	for _, args := range [][]string{{"-no"}, {"-runs", "-1"}, {"-level", "loud"}, {"argument"}, {"-flows", flows}} {
		got, said := status(append(args, "-dir", filepath.Join(t.TempDir(), "logs"))...)
		require.Equal(t, exitUsage, got, args)
		require.NotEmpty(t, said)
	}
	got, said := status("-h")
	require.Equal(t, exitDone, got)
	require.Contains(t, said, "-acks")

	got, said = status("-dir", file)
	require.Equal(t, exitLogging, got)
	require.NotEmpty(t, said)

	dir := filepath.Join(t.TempDir(), "logs")
	running := launch(t, root(t), "-dir", dir, "-runs", "1000000")
	require.Eventually(t, func() bool { return size(filepath.Join(dir, "user.log")) > 0 }, time.Minute, time.Millisecond, &running.err)
	got, said = status("-dir", dir)
	require.Equal(t, exitLogging, got)
	require.Contains(t, said, "another process")
}
