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
const stoppedWait = 3 * time.Second

// TestStopped stops a process for longer than a call waits for the writer, as a host
// does that is moved or frozen, while its callers are faster than the writer and mostly
// wait for room. The writer was stopped as well: nothing is dropped.
func TestStopped(t *testing.T) {
	child := exec.CommandContext(t.Context(), os.Args[0])
	child.Env = append(os.Environ(), roleVariable+"=stopped", "DIR="+t.TempDir())
	var trouble strings.Builder
	child.Stderr = &trouble
	end, err := child.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := child.StdoutPipe()
	if err == nil {
		err = child.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if _, err := io.ReadFull(out, make([]byte, 1)); err != nil {
			t.Error(err)
		}
		if err := child.Process.Signal(syscall.SIGSTOP); err != nil {
			t.Error(err)
		}
		time.Sleep(stoppedWait + stoppedWait/8)
		if err := child.Process.Signal(syscall.SIGCONT); err != nil {
			t.Error(err)
		}
	}
	if err := end.Close(); err != nil {
		t.Error(err)
	}
	said, err := io.ReadAll(out)
	if err != nil {
		t.Error(err)
	}
	if err := child.Wait(); err != nil {
		t.Errorf("%v: %s", err, &trouble)
	}
	fmt.Printf("%s", said)
}

// stopped is the program of TestStopped: it logs until its input ends, and says when it
// is at work: three times.
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
				if n := calls.Add(1); n%15_000 == 0 && n <= 45_000 {
					fmt.Print(".")
				}
			}
		})
	}
	_, err = io.Copy(io.Discard, os.Stdin)
	ended.Store(true)
	callers.Wait()
	dropped := store.Stats().Dropped
	fmt.Printf("stopped three times for longer than a call waits: %d calls, %d dropped\n", calls.Load(), dropped)
	if err == nil && dropped > 0 {
		err = fmt.Errorf("%d of %d records were dropped", dropped, calls.Load())
	}
	if closed := store.Close(); err == nil {
		err = closed
	}
	return err
}
