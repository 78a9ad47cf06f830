package journal

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/steplog/steplog/internal/line"
)

// FileStats counts what one log took in since Open.
type FileStats struct {
	Records, Bytes int64
	Dropped        int64
	DroppedByLevel line.Levels
}

// Stats is a reading of the journal's counters.
type Stats struct {
	Files    map[string]FileStats
	Problems int64 // background problems, reported or not
	Newest   uint64
	Mode     Mode  // in force
	Waiting  int64 // bytes in the ring that are not in the text yet
	RingSize int64 // 0 without a ring
	Failing  bool  // the disk does not take what waits, or took no record of what was dropped
}

// Stats returns the counters as they are now. With a ring it never waits for
// the disk.
func (j *Journal) Stats() Stats {
	s := Stats{Files: map[string]FileStats{}, Problems: j.problemCount.Load(), Newest: j.tables.Newest(), Mode: ModeWrite}
	j.mu.Lock()
	if j.ringed() {
		s.Mode, s.Waiting, s.RingSize, s.Failing = ModeJournal, int64(j.head-j.tail.Load()), int64(j.ring.size), j.failing.Load()
	}
	for name, f := range *j.fileTable.Load() {
		fs := FileStats{Records: f.records, Bytes: f.bytes}
		for i := range f.dropped {
			fs.DroppedByLevel[i] = f.dropped[i].Load()
			fs.Dropped += fs.DroppedByLevel[i]
		}
		s.Failing = s.Failing || f.lost.count > 0
		s.Files[name] = fs
	}
	j.mu.Unlock()
	return s
}

// problem counts a problem and hands it to the goroutine that tells the host.
// It never waits: with the queue full the problem is only counted.
func (j *Journal) problem(err error) {
	j.problemCount.Add(1)
	select {
	case j.problems <- err:
	default:
	}
}

// reportProblems calls the host's hook, away from every lock.
func (j *Journal) reportProblems() {
	defer j.done.Done()
	for {
		select {
		case err := <-j.problems:
			j.tell(err)
		case <-j.stop:
			for {
				select {
				case err := <-j.problems:
					j.tell(err)
				default:
					return
				}
			}
		}
	}
}

func (j *Journal) tell(err error) {
	if j.opts.OnProblem == nil {
		return
	}
	defer func() { _ = recover() }() // the hook is the host's
	j.opts.OnProblem(err)
}

// askSync asks for a sync soon, without waiting for it.
func (j *Journal) askSync() {
	select {
	case j.syncNow <- struct{}{}:
	default:
	}
}

// work syncs, looks for files that went away and writes down drops that ended.
func (j *Journal) work() {
	defer j.done.Done()
	tick := time.NewTicker(tickEvery)
	defer tick.Stop()
	syncing := time.NewTicker(j.opts.SyncEvery)
	defer syncing.Stop()
	for {
		select {
		case <-tick.C:
			j.seen()
			j.keepPrivate()
			j.keepRingAway()
			j.sayLost()
			j.reserveAhead()
			j.tables.Runs.Tick()
		case <-syncing.C:
			j.syncQuietly()
			j.dropVanished()
		case <-j.syncNow:
			j.syncQuietly()
		case <-j.stop:
			return
		}
	}
}

// sayLost writes the records that say what was dropped, where nobody logs since
// the disk has room again.
func (j *Journal) sayLost() {
	for _, f := range *j.fileTable.Load() {
		j.mu.Lock()
		if !j.closed && f.lost.count > 0 {
			if !j.ringed() {
				_ = f.writeLost() // if it fails, that is the problem already reported
			} else if !j.failing.Load() {
				f.appendLost()
			}
		}
		j.mu.Unlock()
	}
}

// reserveAhead makes the next numbers usable before a caller has to wait for
// them.
func (j *Journal) reserveAhead() {
	if j.taken.Load() {
		return
	}
	j.mu.Lock()
	upto := j.numbers.next + 2*reserveStep
	enough := j.numbers.reserved-j.numbers.next > reserveStep
	j.mu.Unlock()
	if enough {
		return
	}
	if err := j.numbers.extend(upto); err != nil {
		if said := err.Error(); said != j.private.unreserved { // once, not on each tick
			j.private.unreserved = said
			j.problem(err)
		}
		return
	}
	j.private.unreserved = ""
	j.mu.Lock()
	j.numbers.reserved = max(j.numbers.reserved, upto)
	j.mu.Unlock()
}

// Close writes and syncs what is left, gives unused numbers back and releases
// the folder. It waits at most CloseTimeout for the disk, then returns
// ErrTimeout. Closing twice is fine and returns the first error.
func (j *Journal) Close() error {
	j.closeOnce.Do(func() {
		close(j.stop)
		closing := j.closeWriter
		if j.lock == nil {
			closing = j.closeReader
		}
		done := make(chan error, 1)
		go func() {
			err := closing()
			if err != nil {
				err = saidOnce{err}
			}
			done <- err
		}()
		timer := time.NewTimer(j.opts.CloseTimeout)
		defer timer.Stop()
		select {
		case j.closeErr = <-done:
		case <-timer.C:
			j.closeErr = ErrTimeout
		}
	})
	return j.closeErr
}

// saidOnce is an error without the lines that it says twice: on a disk that fails, each
// step of Close meets the same.
type saidOnce struct{ error }

func (e saidOnce) Unwrap() error { return e.error }

func (e saidOnce) Error() string {
	var said []string
	for text := range strings.SplitSeq(e.error.Error(), "\n") {
		if !slices.Contains(said, text) {
			said = append(said, text)
		}
	}
	return strings.Join(said, "\n")
}

func (j *Journal) closeReader() error {
	j.readers.closeAll()
	err := j.folder.Close()
	j.done.Wait()
	return err
}

// Closed reports whether Close was called.
func (j *Journal) Closed() bool {
	select {
	case <-j.stop:
		return true
	default:
		return false
	}
}

func (j *Journal) closeWriter() error {
	var errs []error
	saveUntil := time.Now().Add(j.opts.CloseTimeout / 2)
	// Nothing is accepted from here on, also if the disk is stuck below.
	j.mu.Lock()
	for _, f := range *j.fileTable.Load() {
		if f.lost.count == 0 {
			continue
		}
		if j.ringed() {
			f.appendLost()
		} else {
			errs = append(errs, f.writeLost())
		}
		if n := f.lost.count; n > 0 {
			until := ""
			if j.keepsLost(f) {
				until = " until it is opened again"
			}
			errs = append(errs, fmt.Errorf("%s: %d records were dropped, and the log does not say so%s", f.name, n, until))
		}
	}
	j.closed = true
	j.wakeWaiters()
	j.mu.Unlock()
	j.done.Wait()
	j.opening.Lock() // no file is being opened from here on
	defer j.opening.Unlock()
	if j.ring != nil {
		close(j.finish)
		<-j.pumpDone
	}
	errs = append(errs, j.syncFiles())
	if j.taken.Load() {
		errs = append(errs, fmt.Errorf("%s: %w", j.dir, errTaken))
	}
	if waiting := j.Stats().Waiting; waiting > 0 && errors.Join(errs...) != nil {
		errs = append(errs, j.leaveInRing(waiting))
	}
	if errors.Join(errs...) == nil {
		if err := j.indexLifecycle(); err != nil {
			j.problem(err) // who asks does it then
		}
	}
	for _, f := range *j.fileTable.Load() {
		errs = append(errs, f.text.Close())
	}
	if errors.Join(errs...) == nil && !j.savedEnough() {
		err := j.saveTables(math.MaxInt, func() bool { return time.Now().After(saveUntil) })
		if err != nil && !errors.Is(err, errSavingStopped) {
			j.problem(fmt.Errorf("save the tables: %w", err)) // what is missing is derived again
		}
	}
	j.mu.Lock()
	clean := j.head == j.tail.Load() && errors.Join(errs...) == nil
	errs = append(errs, j.numbers.release(clean))
	errs = append(errs, j.unmapDropped())
	j.mu.Unlock()
	j.readers.closeAll()
	errs = append(errs, j.unmapRing())
	errs = append(errs, j.folder.Close(), j.lock.Close())
	for _, lock := range j.private.more {
		errs = append(errs, lock.Close())
	}
	return errors.Join(errs...)
}

// leaveInRing makes what waits in the ring of a journal that closes durable, and returns
// what the host is told of it.
func (j *Journal) leaveInRing(waiting int64) error {
	stay := fmt.Errorf("%d bytes of records are not in the texts: they stay in %s for the next open",
		waiting, filepath.Join(j.dir, privateDir, ringName))
	f, err := j.fs.OpenFile(j.privatePath(ringName), os.O_RDWR, 0)
	if err == nil {
		err = errors.Join(f.Sync(), f.Close())
	}
	if err != nil {
		return fmt.Errorf("%w, unless power is lost or the file system unmounted before: %w", stay, err)
	}
	return stay
}

// unmapRing lets go of the ring once nobody copies from it.
func (j *Journal) unmapRing() error {
	j.drainMu.Lock()
	defer j.drainMu.Unlock()
	j.tailMu.Lock()
	defer j.tailMu.Unlock()
	if j.mapping == nil {
		return nil
	}
	j.unmapped = true
	_ = guarded(func() {
		if j.ring.head().Load() == j.ring.tail().Load() {
			j.ring.setAlive(0) // readers need not wait to see that nobody writes
		}
	})
	return j.mapping.Unmap()
}
