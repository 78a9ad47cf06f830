package journal

import (
	"context"
	"errors"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/steplog/steplog/internal/line"
)

// Flush hands every record to the system that was appended before the call, so
// that whoever reads the text finds it. Only Sync makes it durable. What the
// disk does not take stays in the ring and is tried again in the background.
func (j *Journal) Flush() error {
	if j.Closed() {
		return nil
	}
	return j.drain()
}

// Sync makes every record durable that was appended before the call. It
// returns ctx's error when that ends first; the sync goes on.
//
// An error may also be of a sync in the background that nobody was told of. The
// records that it is about are never known to be durable; once a file can be
// synced again, a record in it says which they are.
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
		go j.tellNext(done)
		return ctx.Err()
	}
}

// tellNext keeps what a sync returns that nobody waits for.
func (j *Journal) tellNext(done <-chan error) {
	if err := <-done; err != nil {
		j.syncing.Lock()
		defer j.syncing.Unlock()
		j.untold = err
	}
}

// syncFiles makes durable what was appended before the call, and returns what
// failed since it was last called too.
func (j *Journal) syncFiles() error {
	j.syncing.Lock()
	defer j.syncing.Unlock()
	err := j.drain()
	untold := j.untold
	j.untold = nil
	return errors.Join(err, untold, j.syncTexts())
}

// syncQuietly is syncFiles in the background.
func (j *Journal) syncQuietly() {
	j.syncing.Lock()
	defer j.syncing.Unlock()
	_ = j.drain() // the writer tells what goes wrong
	if err := j.syncTexts(); err != nil {
		j.untold = err
	}
}

// syncTexts makes durable what is in the texts. What failed to become durable is
// reported, of each log once until that can be synced again; the text file is closed
// by a write then and the next one begun, and no sync of it is believed again. The caller
// holds syncing: a sync that another one has under way is not done.
func (j *Journal) syncTexts() error {
	var errs []error
	for _, f := range *j.fileTable.Load() {
		if !f.dirty.Swap(false) {
			continue
		}
		upto := f.newestInText.Load()
		first := j.firstInText(f)
		size := f.text.Size()
		if err := f.text.Sync(); err != nil {
			f.dirty.Store(true)
			if !f.unsure { // once, not on each try
				j.problem(err)
			}
			f.unsure, f.unsureTo = true, upto
			errs = append(errs, err)
			continue
		}
		if f.unsure {
			f.noteUnsure()
		}
		f.syncedTo = upto
		j.noteSynced(f, first, size)
	}
	return errors.Join(errs...)
}

// noteUnsure writes which records may be lost with the power, because a sync of
// them failed. The caller holds syncing.
func (f *File) noteUnsure() {
	f.unsure = false
	now := f.j.opts.Clock().UTC()
	body := f.j.encoder.Append(nil, &line.Entry{
		Time: now, Level: zapcore.WarnLevel, Kind: line.KindEvent, Topic: "system",
		Message: "a sync failed: records may be lost with the power",
	}, []zap.Field{zap.Uint64("after", f.syncedTo), zap.Uint64("upto", f.unsureTo)})
	// Append reports and counts what goes wrong itself.
	_, _ = f.Append(f.j.tables.Owner(&line.Identity{}), Meta{Time: now, Level: zapcore.WarnLevel, Kind: line.KindEvent}, body)
}

// firstInText returns the first seq of a file's active text.
func (j *Journal) firstInText(f *File) uint64 {
	j.mu.Lock()
	writing := f.writing
	j.mu.Unlock()
	return writing.First()
}

// noteSynced remembers in the ring how much of a text is durable, unless the
// text was rotated since its first seq and its size were read, in this order.
func (j *Journal) noteSynced(f *File, first uint64, size int64) {
	var err error
	j.tailMu.RLock()
	if j.ring != nil && !j.unmapped && first != 0 && j.firstInText(f) == first {
		err = guarded(func() { j.ring.setSynced(f.code, first, uint64(size)) })
	}
	j.tailMu.RUnlock()
	j.touched(err)
}
