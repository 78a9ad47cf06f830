package audit

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/steplog/steplog/internal/vfs"
)

const (
	// hashesEvery is how often the sidecar is written at most. What is newer is
	// hashed by whoever proves.
	hashesEvery = 250 * time.Millisecond
	// maxFreshHashes bounds those that wait, to 32 MiB.
	maxFreshHashes = 1 << 20
)

// activeHashes keeps the sidecar of the active file, for those who prove records
// of it. The writer says what it committed, and a goroutine writes it down.
// Nothing depends on it: after an error there is none until the next file.
type activeHashes struct {
	mu     sync.Mutex  // guards what follows
	fresh  []tlog.Hash // committed, and not in the sidecar
	count  int64       // of the records that fresh ends with, in the file
	end    int64       // of their text
	next   *part       // a file that was begun since
	broken bool        // nothing is kept until the next file

	// The goroutine's own.
	spare []tlog.Hash
	now   *part // whose file is the sidecar; nil when there is none
}

// start says how much the file had when it was opened.
func (a *activeHashes) start(count, end int64) { a.count, a.end = count, end }

// begin says that a new file was begun; head is the frontier before it and end
// where its first line ends.
func (a *activeHashes) begin(head *frontier, end int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	q := &part{name: activeName, first: head.size, end: end}
	q.before.set(head)
	a.next, a.fresh, a.count, a.end, a.broken = q, a.fresh[:0], 0, end, false
}

// add says what was committed.
func (a *activeHashes) add(hashes []tlog.Hash, records, end int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.broken || len(a.fresh)+len(hashes) > maxFreshHashes {
		a.fresh, a.broken = nil, true
		return
	}
	a.fresh, a.count, a.end = append(a.fresh, hashes...), a.count+records, end
}

// take hands over what is fresh.
func (a *activeHashes) take() (fresh []tlog.Hash, count, end int64, next *part, broken bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	fresh, next = a.fresh, a.next
	a.fresh, a.next = a.spare[:0], nil
	return fresh, a.count, a.end, next, a.broken
}

// stop gives the sidecar up until the next file.
func (a *activeHashes) stop() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.next == nil {
		a.broken, a.fresh = true, nil
	}
}

// open brings the sidecar to where the file was when it was opened, of which text
// is. It goes on with the one that is there if it can.
func (a *activeHashes) open(ctx context.Context, fsys vfs.FS, dir string, text text) error {
	known, err := openHashes(fsys, dir, activeName, os.O_RDWR)
	if err != nil {
		known = nil // hashText makes it again
	}
	_, q, err := hashText(ctx, text, activeName, known)
	if err != nil {
		return err
	}
	if q.file == nil {
		return a.make(fsys, dir, q)
	}
	a.now = q
	return a.write(q.rest, q.count, q.end)
}

// make puts a new sidecar in the place of what is there: a Prover may be reading
// that.
func (a *activeHashes) make(fsys vfs.FS, dir string, q *part) error {
	path := filepath.Join(dir, activeName+hashesExt)
	f, err := fsys.OpenFile(path+".tmp", os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(q.encode(nil), 0)
	err = errors.Join(err, f.Close())
	if err == nil {
		err = fsys.Rename(path+".tmp", path)
	}
	if err != nil {
		return errors.Join(err, vfs.IgnoreNotExist(fsys.Remove(path+".tmp")))
	}
	if q.file, err = fsys.OpenFile(path, os.O_RDWR, 0); err != nil {
		return err
	}
	q.kept, q.rest = q.stored(), nil
	a.now = q
	return nil
}

// write puts hashes behind those in the sidecar, and then says that they are
// there.
func (a *activeHashes) write(hashes []tlog.Hash, count, end int64) error {
	q := a.now
	if len(hashes) == 0 {
		return nil
	}
	if _, err := q.file.WriteAt(appendHashes(make([]byte, 0, len(hashes)*tlog.HashSize), hashes), q.at(q.kept)); err != nil {
		return err
	}
	q.count, q.end, q.rest = count, end, nil
	q.kept = q.stored()
	_, err := q.file.WriteAt(q.appendCount(nil), hashesCount)
	return err
}

// flush writes down what is fresh.
func (a *activeHashes) flush(fsys vfs.FS, dir string) error {
	fresh, count, end, next, broken := a.take()
	a.spare = fresh
	if next != nil {
		if err := errors.Join(a.close(), a.make(fsys, dir, next)); err != nil {
			return err
		}
	}
	if a.now == nil || broken {
		return nil
	}
	return a.write(fresh, count, end)
}

func (a *activeHashes) close() error {
	q := a.now
	if a.now = nil; q == nil {
		return nil
	}
	return q.close()
}

// keepActiveHashes is the goroutine that writes the sidecar of the active file.
// What goes wrong is reported, and costs no more than time later.
func (t *trail) keepActiveHashes() {
	t.openActiveHashes()
	pause := time.NewTimer(hashesEvery)
	defer pause.Stop()
	for ending := false; !ending; {
		select {
		case <-t.hashed:
		case <-t.stop:
			ending = true
		}
		if err := t.hashes.flush(t.fs, t.dir); err != nil {
			t.giveUpHashes(err)
		}
		if ending {
			break
		}
		pause.Reset(hashesEvery)
		select {
		case <-pause.C:
		case <-t.stop: // for the last time
		}
	}
	if err := t.hashes.close(); err != nil {
		t.problem(fmt.Errorf("audit: hashes of %s: %w", activeName, err))
	}
}

// openActiveHashes brings the sidecar to where the file was when it was opened.
func (t *trail) openActiveHashes() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	t.others.Go(func() {
		select {
		case <-t.stop:
			cancel()
		case <-ctx.Done():
		}
	})
	err := t.hashes.open(ctx, t.fs, t.dir, t.opened)
	err = errors.Join(err, t.opened.Close())
	if err != nil && ctx.Err() == nil {
		t.giveUpHashes(err)
	}
}

func (t *trail) giveUpHashes(err error) {
	t.hashes.stop()
	path := filepath.Join(t.dir, activeName+hashesExt)
	err = errors.Join(err, t.hashes.close(), vfs.IgnoreNotExist(t.fs.Remove(path)))
	t.problem(fmt.Errorf("audit: hashes of %s: %w", activeName, err))
}
