package rotation

import (
	"errors"
	"fmt"
	"os"
	"time"
)

// Sync makes everything durable that was written before the call: the active
// file, closed ones that were not synced yet, and the names of both. Writers
// go on meanwhile.
//
// An error means that part of it may be lost in a power cut. A sync is never
// tried again on the same file, because the system may have dropped what it
// could not write and report success then: Sync goes on returning the error
// until a Write or Rotate has closed that file. The next Write does, but where that
// happens again and again, one later and later, up to ten minutes.
func (f *File) Sync() error {
	f.syncMu.Lock()
	defer f.syncMu.Unlock()
	f.mu.Lock()
	closed := f.closed
	f.mu.Unlock()
	if closed {
		return ErrClosed
	}
	return f.sync()
}

// sync does the work of Sync. The caller holds syncMu.
func (f *File) sync() error {
	f.mu.Lock()
	active, sick, names := f.text, f.sick, f.newNames
	f.newNames = false
	f.mu.Unlock()

	_ = f.syncRetired() // kept in lostErr
	lost := f.lostErr
	f.lostErr = nil
	if sick == nil {
		sick = active.Sync()
		f.mu.Lock()
		if f.text == active {
			f.sick = sick
			if sick != nil {
				f.putOffSick()
			}
		} else if errors.Is(sick, os.ErrClosed) {
			sick = nil // synced and closed by a rotation meanwhile
		}
		f.mu.Unlock()
	}
	if names {
		if err := f.fs.SyncDir(f.dir); err != nil {
			f.mu.Lock()
			f.newNames = true
			f.mu.Unlock()
			sick = errors.Join(sick, err)
		}
	}
	if err := errors.Join(lost, sick); err != nil {
		return fmt.Errorf("sync %s: %w", f.path, err)
	}
	return nil
}

// putOffSick says from when on Write closes the active file, of which a sync failed: at
// once, or each time twice as long after the last file that was closed for it. The caller
// holds mu.
func (f *File) putOffSick() {
	now := time.Now()
	if now.Sub(f.sickUntil) > 2*f.sickPause {
		f.sickPause = 0
	}
	f.sickUntil = now.Add(f.sickPause)
	f.sickPause = min(max(2*f.sickPause, sickFirst), sickMost)
}

// syncRetired syncs and lets go of the closed files. What fails is returned,
// and kept for the next Sync to return. The caller holds syncMu.
func (f *File) syncRetired() error {
	f.mu.Lock()
	retired := f.retired
	f.retired = nil
	f.mu.Unlock()
	var errs []error
	for _, t := range retired {
		errs = append(errs, t.release(), t.Sync(), t.Close())
	}
	err := errors.Join(errs...)
	f.lostErr = errors.Join(f.lostErr, err)
	return err
}
