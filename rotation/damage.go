package rotation

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"
)

// Damage is what somebody else did to an active file.
type Damage string

// What can be told apart.
const (
	// Removed: the file was deleted, moved away or replaced by another.
	// Writing goes on in the file that stands there now, or in a new one.
	Removed Damage = "removed"
	// Truncated: the file was cut. Writing goes on at its new end.
	Truncated Damage = "truncated"
	// Grown: somebody else appended to the file. Those bytes stay.
	Grown Damage = "grown"
)

// DamageError says that an active file was not as this File had left it. The
// lines written from then on are safe. It goes to [Options.OnDamage] and
// [Options.OnProblem].
type DamageError struct {
	// Name is the active file's.
	Name string
	// Damage is what was done.
	Damage Damage
	// Bytes is how many bytes went missing, or how many there are too many.
	Bytes int64
	// Kept is how many of the bytes of a deleted file were written again at
	// the start of its successor: those newer than the last look at the file.
	Kept int64
	// From is the offset up to which the file is as it was.
	From int64
}

// Error says what was done to which file, and how that is avoided.
func (e *DamageError) Error() string {
	bytes := "are no longer in it"
	if e.Damage == Grown {
		bytes = "in it are not its own"
	}
	return fmt.Sprintf("rotation: %s was %s by somebody else: %d bytes %s; what is written now is safe; while it is open no other program may rotate or change it",
		e.Name, e.Damage, e.Bytes, bytes)
}

// watch looks at the active file on each tick.
func (f *File) watch() {
	defer f.done.Done()
	defer f.tick.Stop()
	for {
		select {
		case <-f.tick.C:
			f.look()
			f.mu.Lock()
			f.quiet++
			pause := watchEvery
			if f.resting() {
				pause = restEvery
			}
			f.tick.Reset(pause)
			f.mu.Unlock()
		case <-f.stop:
			return
		}
	}
}

// resting reports whether the active file is looked at seldom, because nothing was
// written to it for long: a folder may have a thousand of them. The caller holds mu.
func (f *File) resting() bool { return f.quiet >= quietLooks }

// look compares the active file with what was written. The disk is asked
// without holding writers up; only a doubt is settled under mu.
func (f *File) look() {
	f.mu.Lock()
	active, size := f.text, f.size.Load()
	skip := f.torn > 0 || f.damage != nil
	f.mu.Unlock()
	if skip {
		return
	}
	info, err := f.fs.Lstat(f.path)
	f.mu.Lock()
	if f.text != active {
		f.mu.Unlock()
		return
	}
	if err == nil && f.fs.SameFile(info, active.id) && size <= info.Size() && info.Size() <= f.size.Load() {
		f.checked = max(f.checked, size)
		f.mu.Unlock()
		return
	}
	if f.torn == 0 && f.damage == nil {
		f.damage = f.inspect()
	}
	found := f.damage
	f.mu.Unlock()
	f.tell(found)
}

// tell reports what was done to the active file, if anything. That it has its final name is
// no news: a rotation that could not be ended left it so, and was reported.
func (f *File) tell(d *DamageError) {
	if d != nil && *f.pinned.Load() == "" {
		f.problem(d)
	}
}

// inspect returns what is wrong with the active file, nil when nothing is or
// when it cannot be told. The caller holds mu.
func (f *File) inspect() *DamageError {
	size := f.size.Load()
	d := &DamageError{Name: f.log + logExt, From: f.checked}
	info, err := f.fs.Lstat(f.path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		d.Damage, d.Bytes, d.From = Removed, size, 0
	case err != nil:
		return nil
	case !f.fs.SameFile(info, f.text.id):
		d.Damage, d.Bytes, d.From = Removed, size, 0
	case info.Size() < size:
		d.Damage, d.Bytes, d.From = Truncated, size-info.Size(), 0
	case info.Size() > size:
		d.Damage, d.Bytes = Grown, info.Size()-size
	default:
		return nil
	}
	return d
}

// lookAfter is how long a look at the active file is believed by those who write:
// to look costs as much as to write a record.
const lookAfter = time.Millisecond

// ready is mend, with a look at where the next line goes to: behind half a line, as
// somebody else's cut leaves one, it would be lost. The caller holds mu.
func (f *File) ready() error {
	if f.resting() {
		// A file that is gone since the last look, seldom as those are, takes no line.
		f.tick.Reset(watchEvery)
		if f.torn == 0 && f.damage == nil {
			f.damage = f.inspect()
			f.tell(f.damage)
		}
	}
	f.quiet = 0
	now := f.opts.Clock()
	if since := now.Sub(f.lookedAt); (since < 0 || since >= lookAfter) && f.torn == 0 && f.damage == nil {
		f.lookedAt = now
		// What cannot be told now is found at the next tick.
		if actual, err := f.text.Size(); err == nil && actual != f.size.Load() {
			f.damage = f.inspect()
			f.tell(f.damage)
		}
	}
	return f.mend()
}

// mend brings the active file into a state in which the next line is safe.
// The caller holds mu.
func (f *File) mend() error {
	if f.shut {
		if err := f.openAgain(); err != nil {
			return err
		}
	}
	if f.torn > 0 {
		if err := f.cutFailed(); err != nil {
			return err
		}
	}
	if f.damage == nil {
		return nil
	}
	d := f.inspect() // as it is by now
	if d == nil {
		f.damage = nil
		return nil
	}
	var err error
	if d.Damage == Removed {
		err = f.reopen(d)
	} else {
		var actual int64
		if actual, err = f.text.Size(); err == nil {
			f.size.Store(actual)
			err = f.finishLine()
		}
	}
	if err != nil {
		return err
	}
	f.damage = nil
	f.checked = f.size.Load()
	if f.opts.OnDamage != nil {
		f.opts.OnDamage(d)
	}
	return nil
}

// reopen goes on in the file that stands under the path, or in a new one. The
// bytes of a deleted file that nobody can have seen in the folder since the
// last look are written again.
func (f *File) reopen(d *DamageError) error {
	old, size := f.text, f.size.Load()
	next, err := openText(f.fs, f.open, f.path, 0)
	if errors.Is(err, fs.ErrNotExist) {
		next, err = openText(f.fs, f.open, f.path, os.O_CREATE|os.O_EXCL)
	}
	if err != nil {
		return err
	}
	start, err := next.Size()
	if err != nil {
		return errors.Join(err, next.Close())
	}
	f.text = next
	f.size.Store(start)
	err = f.finishLine()
	if err == nil && f.deleted(old) {
		d.Kept, err = f.copyTail(old, size)
	}
	if err != nil {
		err = errors.Join(err, next.Truncate(start), next.Close())
		f.text = old
		f.size.Store(size)
		return err
	}
	if !f.shut {
		f.retired = append(f.retired, old)
	}
	f.shut = false
	f.newNames = true
	f.sick = nil
	f.pin("")
	f.poke()
	return nil
}

// deleted reports whether a file that is no longer under its path is gone for
// good. A file that was moved still has its lines, and they are not repeated.
func (f *File) deleted(t *text) bool {
	if info, err := t.file.Stat(); err == nil {
		if links, ok := linkCount(info); ok {
			return links == 0
		}
	}
	infos, err := f.fs.ReadDir(f.dir)
	if err != nil {
		return true
	}
	for _, info := range infos {
		if f.fs.SameFile(info, t.id) {
			return false
		}
	}
	return true
}

// copyTail writes again what was written after the last look.
func (f *File) copyTail(old *text, size int64) (int64, error) {
	tail := io.NewSectionReader(old.file, f.checked, size-f.checked)
	buf := make([]byte, 256<<10)
	var kept int64
	for {
		n, err := tail.Read(buf)
		if n > 0 {
			if _, err := f.text.Write(buf[:n]); err != nil {
				return kept, err
			}
			f.size.Add(int64(n))
			kept += int64(n)
		}
		if errors.Is(err, io.EOF) {
			return kept, nil
		}
		if err != nil {
			return kept, err
		}
	}
}
