package rotation

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// nameTries bounds the search for a free name when other programs put files
// into the folder.
const nameTries = 16

// rotate closes the active file, which is not empty. On an error it is the
// same as before. The caller holds mu.
func (f *File) rotate() error {
	if d := f.inspect(); d != nil {
		f.damage = d
		f.tell(d)
		if err := f.mend(); err != nil || f.size.Load() == 0 {
			return err
		}
	}
	old := f.text
	at, err := f.exchange()
	if err != nil {
		return fmt.Errorf("rotate %s: %w", f.path, err)
	}
	info := Info{Name: closedName(f.log, at), Log: f.log, Bytes: f.size.Load()}
	if f.moves {
		// The times are a service: a file that cannot be read now has none.
		info.First, info.Last, _ = recordTimes(old.file, info.Bytes)
		f.retired = append(f.retired, old)
	}
	f.newest = at
	f.newNames = true
	f.sick, f.damage, f.putOff = nil, nil, false
	f.pin("")
	f.size.Store(0)
	f.checked = 0
	if f.opts.OnClose != nil {
		f.opts.OnClose(info)
	}
	f.poke()
	return nil
}

// exchange moves the active file to its final name and puts an empty one in
// its place.
func (f *File) exchange() (time.Time, error) {
	if !f.moves {
		return f.exchangeClosed()
	}
	next, err := f.openNext()
	if err != nil {
		return time.Time{}, err
	}
	at, err := f.moveAway()
	if err != nil {
		return at, errors.Join(err, f.dropNext(next))
	}
	if err := f.move(f.path+nextExt, f.path, next); err != nil {
		back := f.move(f.closedPath(at), f.path, f.text)
		if back != nil {
			// It is written on under its final name until mend has another.
			f.pin(closedName(f.log, at))
		}
		return at, errors.Join(err, back, f.dropNext(next))
	}
	f.text = next
	return at, nil
}

// move gives an open file another name, under which nothing is. An error that
// hides that it was done, as one over a network may, is none.
func (f *File) move(from, to string, t *text) error {
	err := f.fs.RenameNew(from, to)
	if err == nil {
		return nil
	}
	if info, lerr := f.fs.Lstat(to); lerr == nil && f.fs.SameFile(info, t.id) {
		if _, lerr := f.fs.Lstat(from); errors.Is(lerr, fs.ErrNotExist) {
			return nil
		}
	}
	return err
}

// openNext makes the file that becomes the active one. That is what most often
// fails, on a full disk or without descriptors, and it fails before anything
// was moved.
func (f *File) openNext() (*text, error) {
	path := f.path + nextExt
	next, err := openText(f.fs, f.open, path, os.O_CREATE|os.O_EXCL)
	if !errors.Is(err, fs.ErrExist) {
		return next, err
	}
	// It is left over from a rotation that failed.
	if err := f.removeNext(); err != nil {
		return nil, err
	}
	return openText(f.fs, f.open, path, os.O_CREATE|os.O_EXCL)
}

func (f *File) dropNext(next *text) error {
	return errors.Join(next.Close(), f.removeNext())
}

// removeNext deletes the next active file unless somebody wrote to it.
func (f *File) removeNext() error {
	path := f.path + nextExt
	info, err := f.fs.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() || info.Size() > 0 {
		return fmt.Errorf("%s is in the way", path)
	}
	return f.fs.Remove(path)
}

// moveAway gives the active file its final name.
func (f *File) moveAway() (time.Time, error) {
	for try := 1; ; try++ {
		at, err := nextTime(f.opts.Clock(), f.newest)
		if err != nil {
			return at, err
		}
		err = f.move(f.path, f.closedPath(at), f.text)
		if !errors.Is(err, fs.ErrExist) || try == nameTries {
			return at, err
		}
		// Somebody else put a file there: pass all that there are.
		if err := f.findNewest(); err != nil {
			return at, err
		}
		if at.After(f.newest) {
			f.newest = at
		}
	}
}

// pin keeps a file with a final name from compression and deletion while it is
// still written; "" lets it go. The caller holds mu.
func (f *File) pin(name string) { f.pinned.Store(&name) }

func (f *File) closedPath(at time.Time) string {
	return filepath.Join(f.dir, closedName(f.log, at))
}

// exchangeClosed does what exchange does where an open file cannot be moved:
// it is closed first, and so must be synced first, and opened again when the
// move fails.
func (f *File) exchangeClosed() (time.Time, error) {
	old := f.text
	if err := errors.Join(old.release(), old.Sync()); err != nil {
		return time.Time{}, err
	}
	if err := old.Close(); err != nil {
		return time.Time{}, err
	}
	at, err := f.moveAway()
	if err == nil {
		var next *text
		if next, err = openText(f.fs, f.open, f.path, os.O_CREATE|os.O_EXCL); err == nil {
			f.text = next
			return at, nil
		}
		err = errors.Join(err, f.fs.RenameNew(f.closedPath(at), f.path))
	}
	f.shut = true
	return at, errors.Join(err, f.openAgain())
}

// openAgain opens the active file that was closed to be moved, and was not. Until it can
// be opened nothing can be written. Where it is not there mend has another one. The caller
// holds mu.
func (f *File) openAgain() error {
	again, err := openText(f.fs, f.open, f.path, 0)
	if errors.Is(err, fs.ErrNotExist) {
		// What was in it was synced before it was closed: nothing of it is written again.
		f.checked, f.torn = f.size.Load(), 0
		f.damage = &DamageError{Name: f.log + logExt, Damage: Removed}
		return nil
	}
	if err != nil {
		return err
	}
	f.text, f.shut = again, false
	return nil
}
