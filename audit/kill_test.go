package audit_test

import (
	"bufio"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/steplog/steplog/audit"
	"github.com/steplog/steplog/rotation"
)

var kills = flag.Int("kills", 12, "how often TestKills kills a process that records")

const killedFolder = "STEPLOG_AUDIT_KILLED_FOLDER"

// ackForm is one line of what was acknowledged: 64 bytes, so that no line crosses
// a page of the file. A kill cuts a write only there.
const ackForm = "%20d %-42s\n"

// TestKilled is the process that TestKills kills: it records from several
// goroutines, with rotations, and writes down what was acknowledged.
func TestKilled(t *testing.T) {
	dir := os.Getenv(killedFolder)
	if dir == "" {
		return // it is not the child
	}
	acks, err := os.OpenFile(filepath.Join(dir, "acks"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	require.NoError(t, err)
	r, err := audit.Open(filepath.Join(dir, "logs"), &audit.Options{
		Rule: rotation.Rule{MaxBytes: 64 << 10}, OnProblem: func(err error) { fmt.Println("problem:", err) }})
	require.NoError(t, err)
	fmt.Println("open")
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			for i := 0; ; i++ {
				id := fmt.Sprintf("%d-%d-%d", os.Getpid(), g, i)
				receipt, err := flow(r, id)
				if err == nil {
					_, err = fmt.Fprintf(acks, ackForm, receipt.Seq, id)
				}
				if err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
}

// TestKills kills a process that records, again and again: every record that was
// acknowledged is in the trail under the number it was told, and signed.
func TestKills(t *testing.T) {
	t.Parallel()
	if os.Getenv(killedFolder) != "" {
		return
	}
	dir := t.TempDir()
	rng := rand.New(rand.NewPCG(4, 4))
	for n := range *kills {
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestKilled$")
		cmd.Env = append(os.Environ(), killedFolder+"="+dir)
		out, err := cmd.StdoutPipe()
		require.NoError(t, err)
		cmd.Stderr = os.Stderr
		require.NoError(t, cmd.Start())
		scan := bufio.NewScanner(out)
		if rng.IntN(4) > 0 { // else it is killed while it opens
			require.True(t, scan.Scan(), "kill %d", n)
			require.Equal(t, "open", scan.Text(), "kill %d", n)
		}
		timer := time.NewTimer(time.Duration(rng.IntN(120)) * time.Millisecond)
		<-timer.C
		require.NoError(t, cmd.Process.Kill())
		rest, _ := io.ReadAll(out)
		require.NotContains(t, string(rest), "problem", "kill %d", n)
		require.Error(t, cmd.Wait())
	}
	logs := filepath.Join(dir, "logs")
	r, err := audit.Open(logs, nil)
	require.NoError(t, err)
	require.NoError(t, r.Close())
	report, err := audit.Verify(t.Context(), logs, nil)
	require.NoError(t, err)

	have := map[uint64]string{}
	p, err := audit.OpenProver(logs)
	require.NoError(t, err)
	defer p.Close()
	for line, err := range p.Lines(0) {
		require.NoError(t, err)
		rec, err := audit.ParseRecord(line)
		require.NoError(t, err)
		have[rec.Seq] = rec.FlowID
	}
	require.Len(t, have, int(report.Size))
	text, err := os.ReadFile(filepath.Join(dir, "acks"))
	require.NoError(t, err)
	acked := 0
	for _, line := range lines(text) {
		var seq uint64
		var id string
		_, err := fmt.Sscan(string(line), &seq, &id)
		require.NoError(t, err, "%q", line)
		require.Len(t, line, 64, "%q", line)
		require.Equal(t, id, have[seq])
		acked++
	}
	require.Positive(t, acked)
	t.Logf("%d kills: %d acknowledged, %d recorded, %d files, 0 lost", *kills, acked, report.Size, report.Files)
}
