package audit

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/steplog/steplog/internal/vfs"
	"github.com/steplog/steplog/rotation"
)

const (
	// maxBatch and maxBatchBytes bound what one commit makes durable.
	maxBatch      = 1024
	maxBatchBytes = 1 << 20
	// maxCommit bounds a commit: the lines of a batch, the last of which may go
	// over the limit, and a checkpoint.
	maxCommit = maxBatchBytes + MaxLine + maxPoint
	// gatherTurns and gatherFor are how often and how long the writer lets others run
	// before it goes on without all that it knows of. A turn takes a microsecond, and far
	// more where the host has more to do than processors.
	gatherTurns = 8
	gatherFor   = 200 * time.Microsecond
	// keepEvery is how often retention looks for files that became too old.
	keepEvery = time.Hour
	// rotateAgain is how far the file grows before a rotation that went wrong is
	// tried again.
	rotateAgain = 1 << 20
)

// trail is an open log file and what is known of it. One goroutine writes it;
// another publishes checkpoints, a third compresses and deletes sealed files, a
// fourth keeps the sidecar of the active one.
type trail struct {
	fs      vfs.FS           // immutable
	dir     string           // immutable
	lock    io.Closer        // immutable
	signer  note.Signer      // immutable
	trusted note.Verifiers   // immutable
	clock   func() time.Time // immutable
	problem func(error)      // immutable
	hook    func([]byte)     // OnCheckpoint; immutable; may be nil
	keep    func(*trail)     // retains; called by the keeper; immutable
	timeout time.Duration    // of waits whose context has none; immutable
	found   recovery         // what open found; immutable
	rule    atomic.Pointer[rotation.Rule]

	// The writer's own.
	path    string // of the active file
	file    vfs.File
	held    fs.FileInfo // what file was when it was opened, to know it again
	origin  string
	size    int64    // of the file, in bytes
	first   int64    // seq of the file's first record
	head    frontier // of everything that is durable
	next    frontier // of the commit that is being made
	last    Checkpoint
	hasher  leafHasher
	buf     []byte
	batch   []*request  // what take returned last
	made    []tlog.Hash // the hashes that the commit adds to the tree
	retryAt int64       // the file's size from which on a rotation is tried again

	requests sync.Pool // of those that came back
	hashes   activeHashes
	opened   text          // the file as it was when it was opened
	hashed   chan struct{} // to the goroutine of hashes

	mu     sync.Mutex // guards what follows
	queue  []*request
	limits *limit // of the latest waits, and those before
	closed bool
	failed error // why nothing can be written any more

	wake     chan struct{} // to the writer
	rotate   chan chan error
	latest   atomic.Pointer[Checkpoint]
	publish  chan struct{} // to the publisher
	told     atomic.Bool   // the publisher knows that there is something new
	sealed   chan struct{} // to the keeper
	stop     chan struct{} // to those beside the writer: closed
	written  sync.WaitGroup
	others   sync.WaitGroup
	closing  sync.Once
	closeErr error
}

// start begins to write.
func (t *trail) start() {
	t.wake, t.publish, t.sealed = make(chan struct{}, 1), make(chan struct{}, 1), make(chan struct{}, 1)
	t.rotate, t.stop, t.hashed = make(chan chan error), make(chan struct{}), make(chan struct{}, 1)
	first := t.last
	t.latest.Store(&first)
	t.written.Go(t.write)
	t.others.Go(t.publishAll)
	t.others.Go(t.keepAll)
	t.others.Go(t.keepActiveHashes)
	t.announce()
	signal(t.sealed)
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// refusal says why nothing can be appended, nil when it can. The caller holds
// mu.
func (t *trail) refusal() error {
	if t.failed != nil {
		return t.failed
	}
	if t.closed {
		return ErrClosed
	}
	return nil
}

// write is the writer: it commits what waits, as much at a time as there is.
func (t *trail) write() {
	for {
		batch, closed := t.take()
		switch {
		case len(batch) > 0:
			t.commit(batch)
			t.gather(len(batch))
		case closed:
			return
		default:
			select {
			case <-t.wake:
			case done := <-t.rotate:
				done <- t.seal()
			}
		}
	}
}

// gather lets callers that were just answered come back with their next record
// before the next commit begins, so that one signature and one sync serve them
// together with those that came meanwhile. Else half of them would always wait for
// the other half. With one caller there is nobody to wait for.
func (t *trail) gather(answered int) {
	all := answered + t.waiting()
	if all == 1 {
		return
	}
	began := time.Now()
	for range gatherTurns {
		runtime.Gosched()
		if t.waiting() >= all || time.Since(began) > gatherFor {
			return
		}
	}
}

// waiting is how many wait for the next commit.
func (t *trail) waiting() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.queue)
}

// take returns the next batch, valid until the next call. It is empty only when nobody
// waits: those who gave up take no room in it.
func (t *trail) take() (batch []*request, closed bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	batch = t.batch[:0]
	bytes, n := 0, 0
	for n < len(t.queue) && len(batch) < maxBatch && bytes < maxBatchBytes {
		r := t.queue[n]
		n++
		if r.state.CompareAndSwap(requestWaits, requestTaken) {
			bytes += len(r.body)
			batch = append(batch, r)
		}
	}
	if n == len(t.queue) {
		clear(t.queue)
		t.queue = t.queue[:0]
	} else {
		t.queue = append(t.queue[:0:0], t.queue[n:]...)
	}
	t.batch = batch
	return batch, t.closed && len(t.queue) == 0
}

// commit writes records and the checkpoint that covers them, makes both durable
// at once, and answers.
func (t *trail) commit(batch []*request) {
	t.rotateIfFull(batch)
	t.mu.Lock()
	err := t.failed
	t.mu.Unlock()
	if err != nil {
		answer(batch, err)
		return
	}
	from := t.head.size
	point, err := t.encode(batch)
	if err != nil {
		answer(batch, fmt.Errorf("%w: nothing was written: %w", ErrUnavailable, err))
		return
	}
	if err := t.writeOut(); err != nil {
		t.fail(err)
		answer(batch, fmt.Errorf("%w: not known to be on the disk: %w", ErrUnavailable, err))
		return
	}
	t.size += int64(len(t.buf))
	t.head.set(&t.next)
	t.last = point
	t.latest.Store(&point)
	for i, r := range batch {
		r.receipt = Receipt{Seq: uint64(from) + uint64(i), Checkpoint: point.Note}
		r.done <- struct{}{} // whoever waits has it from here on
	}
	t.announce()
	t.hashes.add(t.made, int64(len(batch)), t.size)
	signal(t.hashed)
	if cap(t.buf) > 2*maxCommit {
		t.buf = nil
	}
}

// encode fills buf with the lines of a batch and their checkpoint.
func (t *trail) encode(batch []*request) (Checkpoint, error) {
	t.next.set(&t.head)
	b, made := t.buf[:0], t.made[:0]
	for _, r := range batch {
		start := len(b)
		b = append(b, recordOpen...)
		b = append(strconv.AppendInt(b, t.next.size, 10), ',')
		b = append(b, r.body...)
		made = t.next.addTo(made, t.hasher.hash(b[start:]))
		b = append(b, '\n')
	}
	t.buf, t.made = b, made
	point, err := signCheckpoint(t.origin, &t.next, t.signer)
	if err != nil {
		return point, err
	}
	t.buf = appendPoint(b, &point, nil)
	return point, nil
}

// writeOut writes buf and makes it durable. Neither is ever tried twice: after a
// failed sync the system may take pages for written that are not.
// The file under the name must be the one that is written, before and after: what goes
// to one that somebody has removed or replaced is gone when that is closed.
func (t *trail) writeOut() error {
	if err := t.intact(t.size); err != nil {
		return err
	}
	n, err := t.file.WriteAt(t.buf, t.size)
	if err == nil && n < len(t.buf) {
		err = io.ErrShortWrite
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", activeName, err)
	}
	if err := t.file.Sync(); err != nil {
		return fmt.Errorf("sync %s: %w", activeName, err)
	}
	return t.intact(t.size + int64(len(t.buf)))
}

// intact returns an error if the active file is not as it was left, with a size.
func (t *trail) intact(size int64) error {
	named, err := t.fs.Lstat(t.path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%w: %s was removed by somebody else", ErrMissing, t.path)
	case errors.Is(err, fs.ErrPermission):
		return nil // a folder that may not be looked into says nothing of the file
	case err != nil:
		return err // it may be gone
	case !t.fs.SameFile(t.held, named):
		return fmt.Errorf("%w: %s was replaced by somebody else", ErrMissing, t.path)
	case named.Size() != size:
		return fmt.Errorf("%w: somebody else changed %s: it has %d bytes, and was left with %d", ErrDamaged, t.path, named.Size(), size)
	}
	return nil
}

func answer(batch []*request, err error) {
	for _, r := range batch {
		r.err = err
		r.done <- struct{}{}
	}
}

// fail ends the trail's life: nothing is written until it is opened again.
func (t *trail) fail(err error) {
	t.mu.Lock()
	first := t.failed == nil
	if first {
		t.failed = unavailable(err)
	}
	failed := t.failed
	t.mu.Unlock()
	if first {
		t.problem(failed)
	}
}

// keepAll is the keeper.
func (t *trail) keepAll() {
	ticker := time.NewTicker(keepEvery)
	defer ticker.Stop()
	if err := t.sweep(); err != nil {
		t.problem(fmt.Errorf("audit: compress: %w", err))
	}
	for {
		select {
		case <-t.sealed:
		case <-ticker.C:
		case <-t.stop:
			return
		}
		t.finishSealed()
		t.keep(t)
	}
}

// close writes what waits and ends the goroutines.
func (t *trail) close() error {
	t.closing.Do(func() {
		t.mu.Lock()
		t.closed = true
		failed := t.failed
		t.mu.Unlock()
		signal(t.wake)
		t.written.Wait()
		t.stopLimits()
		close(t.stop)
		t.others.Wait()
		t.closeErr = errors.Join(t.closeFile(), t.lock.Close())
		if t.closeErr == nil && failed != nil {
			t.closeErr = failed
		}
	})
	return t.closeErr
}
