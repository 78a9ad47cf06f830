//go:build linux

package reliability

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/steplog/steplog/logger"
	"github.com/steplog/steplog/query"
	"go.uber.org/zap"
)

// stoppedWait is how long a call waits for the writer in TestStopped.
const stoppedWait = 3 * time.Second

// TestStopped stops a process for longer than a call waits for the writer, as a host
// does that is moved or frozen, while its callers are faster than the writer and mostly
// wait for room. The writer was stopped as well: nothing is dropped. It was stopped
// between two files, or before it said what they have: who reads the folder sees each
// record up to the newest that is shown.
func TestStopped(t *testing.T) {
	dir := t.TempDir()
	child := exec.CommandContext(t.Context(), os.Args[0])
	child.Env = append(os.Environ(), roleVariable+"=stopped", "DIR="+dir)
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
	if _, err := io.ReadFull(out, make([]byte, 1)); err != nil {
		t.Error(err)
	}
	signal := func(s syscall.Signal) {
		if err := child.Process.Signal(s); err != nil {
			t.Error(err)
		}
		time.Sleep(5 * time.Millisecond)
	}
	between := 0
	for range 3 {
		signal(syscall.SIGSTOP)
		for range 200 {
			if shown, newest := shown(t, dir), max(newestIn(t, dir, "email"), newestIn(t, dir, "database")); shown < newest {
				between++
				break
			}
			signal(syscall.SIGCONT)
			signal(syscall.SIGSTOP)
		}
		time.Sleep(stoppedWait + stoppedWait/8)
		requireComplete(t, dir)
		signal(syscall.SIGCONT)
	}
	fmt.Printf("stopped %d times of 3 while it wrote\n", between)
	if between == 0 {
		t.Error("it was never stopped while it wrote")
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

// shown is up to which number the writer of a folder says that all is in the texts, as
// FORMAT.md of the journal has it.
func shown(t *testing.T, dir string) uint64 {
	t.Helper()
	ring, err := os.ReadFile(filepath.Join(dir, ".journal", "ring"))
	if err != nil || len(ring) < 200 {
		t.Fatal(err, len(ring))
	}
	return binary.LittleEndian.Uint64(ring[192:])
}

// newestIn is the number of the last whole line of a log.
func newestIn(t *testing.T, dir, log string) (seq uint64) {
	t.Helper()
	f, err := os.Open(filepath.Join(dir, log+".log"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	tail := make([]byte, min(info.Size(), 20_000))
	if _, err := f.ReadAt(tail, info.Size()-int64(len(tail))); err != nil {
		t.Fatal(err)
	}
	tail = tail[:bytes.LastIndexByte(tail, '\n')+1]
	if at := bytes.LastIndex(tail, []byte(`{"seq":`)); at >= 0 {
		if _, err := fmt.Sscanf(string(tail[at:]), `{"seq":%d,`, &seq); err != nil {
			t.Fatal(err)
		}
	}
	return seq
}

// requireComplete asks a folder from which nothing was deleted.
func requireComplete(t *testing.T, dir string) {
	t.Helper()
	e, err := query.Open(dir)
	if err != nil {
		t.Error(err)
		return
	}
	page, err := e.Records(t.Context(), query.Filter{}, query.Paging{Limit: 1})
	if err := errors.Join(err, e.Close()); err != nil {
		t.Error(err)
	}
	if uint64(page.Total.N) != page.AsOf || page.AsOf == 0 {
		t.Errorf("of %d records a reader sees %d", page.AsOf, page.Total.N)
	}
}

// stopped is the program of TestStopped: it logs until its input ends, and says when it
// is at work.
func stopped() error {
	store, err := logger.Open(os.Getenv("DIR"), &logger.Options{RingBytes: 4 << 20, MaxWait: stoppedWait})
	if err != nil {
		return err
	}
	logs := []*logger.Logger{store.Server("edge-1").To("email"), store.Server("edge-1").To("database")}
	var ended atomic.Bool
	var calls atomic.Int64
	var callers sync.WaitGroup
	for i := range 8 {
		callers.Go(func() {
			text := strings.Repeat("z", 8000)
			for !ended.Load() {
				logs[i%2].Info("line", zap.String("pad", text))
				if calls.Add(1) == 15_000 {
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
