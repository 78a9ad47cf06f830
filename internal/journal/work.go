package journal

import (
	"context"
	"errors"
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
}

// Stats returns the counters as they are now. It never waits for the disk.
func (j *Journal) Stats() Stats {
	s := Stats{Files: map[string]FileStats{}, Problems: j.problemCount.Load(), Newest: j.tables.newest()}
	for name, f := range *j.fileTable.Load() {
		fs := FileStats{Records: f.records.Load(), Bytes: f.bytes.Load()}
		for i := range f.dropped {
			fs.DroppedByLevel[i] = f.dropped[i].Load()
			fs.Dropped += fs.DroppedByLevel[i]
		}
		s.Files[name] = fs
	}
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
			j.writeLost()
		case <-syncing.C:
			j.syncFiles()
			j.dropVanished()
		case <-j.syncNow:
			j.syncFiles()
		case <-j.stop:
			return
		}
	}
}

func (j *Journal) writeLost() {
	for _, f := range *j.fileTable.Load() {
		if !f.failing.Load() {
			continue
		}
		j.mu.Lock()
		if !j.closed && f.lost.count > 0 {
			// An error here is the one already reported: the file still fails.
			_ = f.writeLost()
		}
		j.mu.Unlock()
	}
}

// syncFiles makes durable what was written. A failure is reported and counted;
// the next sync covers the same bytes again only on file systems that keep
// them dirty.
func (j *Journal) syncFiles() error {
	var errs []error
	for _, f := range *j.fileTable.Load() {
		if !f.dirty.Swap(false) {
			continue
		}
		if err := f.text.Sync(); err != nil {
			f.dirty.Store(true)
			j.problem(err)
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// Sync makes every record durable that was appended before the call. It
// returns ctx's error when that ends first; the sync goes on.
func (j *Journal) Sync(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	done := make(chan error, 1)
	go func() { done <- j.syncFiles() }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Close writes and syncs what is left, gives unused numbers back and releases
// the folder. It waits at most CloseTimeout for the disk, then returns
// ErrTimeout. Closing twice is fine and returns the first error.
func (j *Journal) Close() error {
	j.closeOnce.Do(func() {
		close(j.stop)
		if j.lock == nil {
			j.closeErr = j.closeReader()
			return
		}
		done := make(chan error, 1)
		go func() { done <- j.closeWriter() }()
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

func (j *Journal) closeReader() error {
	j.readers.closeAll()
	return j.folder.Close()
}

func (j *Journal) closeWriter() error {
	j.done.Wait()
	j.mu.Lock()
	defer j.mu.Unlock()
	var errs []error
	for _, f := range j.files {
		if f.lost.count > 0 {
			errs = append(errs, f.writeLost())
		}
	}
	j.closed = true
	errs = append(errs, j.syncFiles())
	for _, f := range j.files {
		errs = append(errs, f.text.Close())
	}
	errs = append(errs, j.numbers.release())
	j.readers.closeAll()
	return errors.Join(append(errs, j.folder.Close(), j.lock.Close())...)
}
