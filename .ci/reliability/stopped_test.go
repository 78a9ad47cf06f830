//go:build linux

package reliability

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/steplog/steplog/logger"
	"go.uber.org/zap"
)

// stoppedWait is how long a call waits for the writer in TestStopped.
const stoppedWait = 2 * time.Second

// TestStopped stops a process for longer than a call waits for the writer, as a host
// does that is moved or frozen, while its callers are faster than the writer and wait
// for room nearly always. The writer was stopped as well: nothing is dropped.
func TestStopped(t *testing.T) {
	child := exec.CommandContext(t.Context(), os.Args[0])
	child.Env = append(os.Environ(), roleVariable+"=stopped", "DIR="+t.TempDir())
	said := &strings.Builder{}
	child.Stdout, child.Stderr = said, said
	end, err := child.StdinPipe()
	if err == nil {
		err = child.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		time.Sleep(500 * time.Millisecond) // at work
		for _, step := range []struct {
			signal syscall.Signal
			then   time.Duration
		}{{syscall.SIGSTOP, stoppedWait + stoppedWait/8}, {syscall.SIGCONT, 0}} {
			if err := child.Process.Signal(step.signal); err != nil {
				t.Error(err)
			}
			time.Sleep(step.then)
		}
	}
	if err := end.Close(); err != nil {
		t.Error(err)
	}
	if err := child.Wait(); err != nil {
		t.Errorf("%v: %s", err, said)
	}
	fmt.Print(said)
}

// stopped is the program of TestStopped: it logs until its input ends.
func stopped() error {
	store, err := logger.Open(os.Getenv("DIR"), &logger.Options{RingBytes: 4 << 20, MaxWait: stoppedWait})
	if err != nil {
		return err
	}
	log := store.Server("edge-1").To("email")
	var ended atomic.Bool
	var calls atomic.Int64
	var callers sync.WaitGroup
	for range 8 {
		callers.Go(func() {
			text := strings.Repeat("z", 8000)
			for !ended.Load() {
				log.Info("line", zap.String("pad", text))
				calls.Add(1)
			}
		})
	}
	_, err = io.Copy(io.Discard, os.Stdin)
	ended.Store(true)
	callers.Wait()
	dropped := store.Stats().Dropped
	fmt.Printf("stopped twice for longer than a call waits: %d calls, %d dropped\n", calls.Load(), dropped)
	if err == nil && dropped > 0 {
		err = fmt.Errorf("%d of %d records were dropped", dropped, calls.Load())
	}
	if closed := store.Close(); err == nil {
		err = closed
	}
	return err
}
