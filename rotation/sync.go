package rotation

import (
	"errors"
	"fmt"
	"os"
)

// Sync makes everything durable that was written before the call: the active
// file, closed ones that were not synced yet, and the names of both. Writers
// go on meanwhile.
//
// An error means that part of it may be lost in a power cut. A sync is never
// tried again on the same file, because the system may have dropped what it
// could not write and report success then: Sync goes on returning the error
// until the next Write or Rotate has closed that file.
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
