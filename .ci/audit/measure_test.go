package audit

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/steplog/steplog/audit"
	"github.com/stretchr/testify/require"
	"github.com/transparency-dev/tessera"
	"github.com/transparency-dev/tessera/storage/posix"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/sys/unix"
)

var measure = flag.Duration("measure", 0, "measure durable appends, in rounds of this length for each contender")

// plain is NDJSON with the same group commit as the trail has: one goroutine
// writes all that waits at once and syncs it once.
type plain struct {
	file  *os.File
	mu    sync.Mutex
	queue []*waiting
	wake  chan struct{}
	quit  chan struct{}
	done  sync.WaitGroup
}

type waiting struct {
	line []byte
	err  error
	done chan struct{}
}

// fact is the same entry as the trail is given, as a plain log has it.
type fact struct {
	Seq       uint64    `json:"seq"`
	Timestamp time.Time `json:"timestamp"`
	Level     string    `json:"level"`
	Event     string    `json:"event"`
	Title     string    `json:"title"`
	Verb      string    `json:"verb"`
	Module    string    `json:"module"`
	Outcome   string    `json:"outcome"`
	Actor     any       `json:"actor"`
	Target    any       `json:"target"`
	Operation string    `json:"operation"`
	Project   string    `json:"project"`
	IP        string    `json:"ip"`
	Request   string    `json:"request"`
}

func newPlain(path string) (*plain, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	p := &plain{file: f, wake: make(chan struct{}, 1), quit: make(chan struct{})}
	p.done.Go(p.run)
	return p, nil
}

func (p *plain) append(i uint64) error {
	line, err := json.Marshal(fact{Seq: i, Timestamp: time.Now(), Level: "info", Event: "flow.started", Title: "Flow Started", Verb: "other",
		Module: "flow", Outcome: "success", Actor: entry.Actor, Target: entry.Target, Operation: entry.FlowID, Project: entry.Project,
		IP: "203.0.113.9", Request: entry.Request})
	if err != nil {
		return err
	}
	w := &waiting{line: append(line, '\n'), done: make(chan struct{})}
	p.mu.Lock()
	p.queue = append(p.queue, w)
	p.mu.Unlock()
	select {
	case p.wake <- struct{}{}:
	default:
	}
	<-w.done
	return w.err
}

func (p *plain) run() {
	var buf []byte
	var at int64
	for {
		p.mu.Lock()
		batch := p.queue
		p.queue = nil
		p.mu.Unlock()
		if len(batch) == 0 {
			select {
			case <-p.wake:
				continue
			case <-p.quit:
				return
			}
		}
		buf = buf[:0]
		for _, w := range batch {
			buf = append(buf, w.line...)
		}
		_, err := p.file.WriteAt(buf, at)
		if err == nil {
			err = unix.Fdatasync(int(p.file.Fd()))
		}
		at += int64(len(buf))
		for _, w := range batch {
			w.err = err
			close(w.done)
		}
	}
}

func (p *plain) close() error {
	close(p.quit)
	p.done.Wait()
	return p.file.Close()
}

var entry = audit.Entry{Event: audit.FlowStarted, Actor: audit.User("admin@example.com"), Target: audit.Target{Type: "flow", ID: "f-1", Name: "Sync prices"},
	FlowID: "f-1", Project: "p-1", Request: "0193-request"}

// round is what was measured in one go: calls a second, and the CPU time of the
// process for each call in microseconds.
type round struct{ rate, cpu float64 }

func rates(all []round) (v []float64) {
	for _, r := range all {
		v = append(v, r.rate)
	}
	return v
}

func cpus(all []round) (v []float64) {
	for _, r := range all {
		v = append(v, r.cpu)
	}
	return v
}

// cpuTime is what the process has used.
func cpuTime() time.Duration {
	var u unix.Rusage
	_ = unix.Getrusage(unix.RUSAGE_SELF, &u) // it cannot fail for oneself
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// load calls append from a number of callers for a while.
func load(t *testing.T, callers int, d time.Duration, call func(uint64) error) round {
	t.Helper()
	var n atomic.Uint64
	var failed atomic.Pointer[error]
	stop := time.Now().Add(d)
	var wg sync.WaitGroup
	start, used := time.Now(), cpuTime()
	for range callers {
		wg.Go(func() {
			for time.Now().Before(stop) {
				if err := call(n.Add(1)); err != nil {
					failed.Store(&err)
					return
				}
			}
		})
	}
	wg.Wait()
	if err := failed.Load(); err != nil {
		require.NoError(t, *err)
	}
	calls := float64(n.Load())
	return round{calls / time.Since(start).Seconds(), float64(cpuTime()-used) / 1e3 / calls}
}

// TestMeasure prints how many durable appends a second the trail makes, beside
// plain NDJSON with the same group commit and Tessera on a POSIX file system.
func TestMeasure(t *testing.T) {
	if *measure == 0 {
		return
	}
	dir := t.TempDir()
	r, err := audit.Open(filepath.Join(dir, "trail"), nil)
	require.NoError(t, err)
	p, err := newPlain(filepath.Join(dir, "plain.log"))
	require.NoError(t, err)
	appender, shutdown := tesseraLog(t, filepath.Join(dir, "tessera"))
	record := func(uint64) error { _, err := r.Record(context.Background(), entry); return err }
	for _, callers := range []int{1, 64} {
		// Short rounds side by side, so that what else the machine does meets all.
		const rounds = 20
		var ours, plains, tesseras []round
		for n := range rounds {
			both := []func(){
				func() { ours = append(ours, load(t, callers, *measure/4, record)) },
				func() { plains = append(plains, load(t, callers, *measure/4, p.append)) },
			}
			both[n%2]()
			both[1-n%2]()
			if n%4 == 0 {
				tesseras = append(tesseras, load(t, callers, *measure, appender))
			}
		}
		var ratios, times []float64
		for i := range ours {
			ratios = append(ratios, ours[i].rate/plains[i].rate)
			times = append(times, ours[i].cpu/plains[i].cpu)
		}
		fmt.Printf("%2d callers: trail %.0f a second, plain %.0f (%.2f x), Tessera %.0f (%.1f x); CPU a record: trail %.1f µs, plain %.1f µs (%.2f x); medians of %d rounds of %v\n",
			callers, median(rates(ours)), median(rates(plains)), median(ratios), median(rates(tesseras)), median(rates(ours))/median(rates(tesseras)),
			median(cpus(ours)), median(cpus(plains)), median(times), rounds, *measure/4)
	}
	require.NoError(t, r.Close())
	require.NoError(t, p.close())
	require.NoError(t, shutdown(t.Context()))
	report, err := audit.Verify(t.Context(), filepath.Join(dir, "trail"), nil)
	require.NoError(t, err)
	fmt.Printf("verified: %d records under %d checkpoints\n", report.Size, report.Checkpoints)
}

func median(v []float64) float64 {
	v = slices.Sorted(slices.Values(v))
	return v[len(v)/2]
}

// tesseraLog is Tessera's POSIX driver with batches of 256 or 1 ms.
func tesseraLog(t *testing.T, dir string) (func(uint64) error, func(context.Context) error) {
	t.Helper()
	key, _, err := note.GenerateKey(nil, "tessera-test")
	require.NoError(t, err)
	signer, err := note.NewSigner(key)
	require.NoError(t, err)
	driver, err := posix.New(t.Context(), posix.Config{Path: dir})
	require.NoError(t, err)
	appender, shutdown, reader, err := tessera.NewAppender(t.Context(), driver, tessera.NewAppendOptions().
		WithCheckpointSigner(signer).WithBatching(256, time.Millisecond).WithCheckpointInterval(100*time.Millisecond))
	require.NoError(t, err)
	_ = reader
	line, err := json.Marshal(fact{Event: "flow.started", Actor: entry.Actor, Target: entry.Target, Operation: entry.FlowID})
	require.NoError(t, err)
	return func(i uint64) error {
		data := append(slices.Clone(line), fmt.Sprint(i)...)
		_, err := appender.Add(context.Background(), tessera.NewEntry(data))()
		return err
	}, shutdown
}

// TestVerifyMillion measures the check of a million records with 256 to a
// checkpoint.
func TestVerifyMillion(t *testing.T) {
	if *measure == 0 {
		return
	}
	dir := filepath.Join(t.TempDir(), "trail")
	r, err := audit.Open(dir, nil)
	require.NoError(t, err)
	const callers, each = 384, 2604 // some 256 to a commit
	var wg sync.WaitGroup
	for range callers {
		wg.Go(func() {
			for range each {
				if _, err := r.Record(context.Background(), entry); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	require.NoError(t, r.Close())
	for range 3 {
		start, used := time.Now(), cpuTime()
		report, err := audit.Verify(t.Context(), dir, nil)
		require.NoError(t, err)
		fmt.Printf("verify: %d records, %d checkpoints, %d files: %v, of CPU time %v\n",
			report.Size, report.Checkpoints, report.Files, time.Since(start), cpuTime()-used)
	}
	start := time.Now()
	p, err := audit.OpenProver(dir)
	require.NoError(t, err)
	opened := time.Since(start)
	defer p.Close()
	key, err := r.Key()
	require.NoError(t, err)
	verifier, err := note.NewVerifier(key)
	require.NoError(t, err)
	var line []byte
	for l, err := range p.Lines(5000) {
		require.NoError(t, err)
		line = slices.Clone(l)
		break
	}
	const n = 2000
	mean := func(run func()) time.Duration {
		start := time.Now()
		for range n {
			run()
		}
		return time.Since(start) / n
	}
	trusted := note.VerifierList(verifier)
	checker := audit.NewProofChecker(trusted)
	prove := func() audit.Proof {
		proof, err := p.Prove(t.Context(), 5000)
		require.NoError(t, err)
		return proof
	}
	checked := mean(func() { require.NoError(t, checker.Check(prove(), line)) })
	signed := mean(func() { require.NoError(t, prove().Check(line, trusted)) })
	made := mean(func() { prove() })
	fmt.Printf("prove: opened in %v; made and checked in %v, with its signature each time in %v, made in %v\n", opened, checked, signed, made)
	folder := mean(func() {
		proof, err := audit.Prove(t.Context(), dir, 5000)
		require.NoError(t, err)
		require.NoError(t, proof.Check(line, trusted))
	})
	for l, err := range p.Lines(p.Checkpoint().Size - 5) { // of the active file
		require.NoError(t, err)
		line = slices.Clone(l)
		break
	}
	active := mean(func() {
		proof, err := audit.Prove(t.Context(), dir, p.Checkpoint().Size-5)
		require.NoError(t, err)
		require.NoError(t, proof.Check(line, trusted))
	})
	fmt.Printf("prove: from the folder, with its signature, in %v; of the file that is written, in %v\n", folder, active)
}
