package journal

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/steplog/steplog/internal/vfs"
)

// What stands under .journal is looked at on each tick. A ring whose file somebody
// removed or replaced takes records as before, but nobody would find them after a kill;
// and whoever finds no lock opens the folder as a second writer. So what cannot be derived
// is made again under its name, and the host is told.

// errRemoved is what the host is told of files under .journal that were removed or
// replaced.
var errRemoved = errors.New("journal: files that nobody may touch while a process writes the folder were removed or replaced")

// errTaken is what the host is told when another process has locked the folder meanwhile.
var errTaken = fmt.Errorf("%w, which could lock it because its lock was removed or replaced:"+
	" what this one has accepted goes to the texts, what comes now is dropped; end one of the two", ErrLocked)

// privateFiles is what is known of the files under .journal. It is touched by Open, by
// work and by Close, one after the other.
type privateFiles struct {
	mapped map[string]fs.FileInfo // the ring and what was dropped
	locks  []fs.FileInfo          // the locks that are held
	more   []interface{ Close() error }
	told   string // what could not be made anew, as the host was told last

	unreserved string // why numbers could not be reserved ahead, as the host was told last
}

// keepPrivate looks whether all stands under .journal that has to, and puts there what
// does not.
func (j *Journal) keepPrivate() {
	if j.taken.Load() {
		return
	}
	gone := j.missing()
	if len(gone) == 0 {
		j.private.told = ""
		return
	}
	made, err := j.putBack(gone)
	if errors.Is(err, ErrLocked) {
		j.giveUp()
		return
	}
	if len(made) > 0 {
		j.problem(fmt.Errorf("%s: %w: %s. They are made anew, and nothing is lost; a kill before that would have lost what was not in the texts yet",
			j.privatePath(""), errRemoved, strings.Join(made, ", ")))
	}
	said := ""
	if err != nil {
		said = err.Error()
	}
	if err != nil && said != j.private.told { // once, not on each tick
		j.problem(fmt.Errorf("%s: %w, and cannot be made anew, which is tried again: %w", j.privatePath(""), errRemoved, err))
	}
	j.private.told = said
}

// privatePath is where a file under .journal stands.
func (j *Journal) privatePath(name string) string { return filepath.Join(j.dir, privateDir, name) }

// missing returns the names of what somebody removed or replaced, in the order in which
// it is made anew.
func (j *Journal) missing() (gone []string) {
	names := []string{lockName, registryName, numbersName}
	j.mu.Lock()
	if j.dropped != nil {
		names = append(names, droppedName)
	}
	if j.ringState.Load() == ringInUse {
		names = append(names, ringName)
	}
	if !j.registry.stored.Load() {
		names = slices.DeleteFunc(names, func(name string) bool { return name == registryName })
	}
	j.mu.Unlock()
	return slices.DeleteFunc(names, j.stands)
}

// stands reports whether a file is under its name. What cannot be told now is told at
// the next tick.
func (j *Journal) stands(name string) bool {
	info, err := j.fs.Lstat(j.privatePath(name))
	switch {
	case err != nil:
		return !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ENOTDIR) && !errors.Is(err, syscall.ELOOP)
	case !info.Mode().IsRegular():
		return false
	}
	same := func(before fs.FileInfo) bool { return j.fs.SameFile(before, info) }
	switch name {
	case registryName, numbersName:
		return true // each change makes another file
	case lockName:
		if len(j.private.locks) == 0 {
			j.private.locks = append(j.private.locks, info)
		}
		return slices.ContainsFunc(j.private.locks, same)
	}
	if j.private.mapped[name] == nil {
		j.private.mapped[name] = info
	}
	return same(j.private.mapped[name])
}

// putBack makes files anew and returns the names of those that it made. It returns
// ErrLocked when another process has the lock. Where no ring can be made, mode write
// comes in force.
func (j *Journal) putBack(gone []string) (made []string, err error) {
	if err := j.privateFolder(); err != nil {
		return nil, j.withoutRing(gone, err)
	}
	locked := gone[0] == lockName
	var errs []error
	for _, name := range gone {
		err := j.makeWay(name)
		if err == nil {
			err = j.again(name)
		}
		switch {
		case err == nil:
			made = append(made, name)
		case errors.Is(err, ErrLocked):
			return nil, err
		case name == ringName:
			_ = j.withoutRing(gone, err) // tells
		default:
			errs = append(errs, err)
		}
	}
	if locked && !slices.Contains(gone, numbersName) {
		// Those that stand there may be a copy's, or another writer's that has ended.
		errs = append(errs, j.numbersAgain(), j.registryAgain())
	}
	return made, errors.Join(errs...)
}

// privateFolder makes the folder anew, if it is gone.
func (j *Journal) privateFolder() error {
	dir := j.privatePath("")
	err := j.fs.MkdirAll(dir, 0o700)
	if err != nil {
		// Something else may stand there, a link to nothing too.
		if info, lerr := j.fs.Lstat(dir); lerr != nil || info.IsDir() {
			return err
		}
		if err = j.fs.Rename(dir, dir+".broken"); err == nil {
			err = j.fs.MkdirAll(dir, 0o700)
		}
	}
	return errors.Join(err, j.fs.SyncDir(j.dir))
}

// makeWay puts aside what stands under the name of a file that is made anew.
func (j *Journal) makeWay(name string) error {
	path := j.privatePath(name)
	info, err := j.fs.Lstat(path)
	if err != nil || info.Mode().IsRegular() && name != ringName && name != droppedName {
		return vfs.IgnoreNotExist(err)
	}
	return j.fs.Rename(path, path+".broken")
}

// again makes a file anew.
func (j *Journal) again(name string) error {
	var err error
	switch name {
	case lockName:
		return j.lockAgain()
	case registryName:
		return j.registryAgain()
	case numbersName:
		return j.numbersAgain()
	case droppedName:
		err = j.droppedAgain()
	case ringName:
		err = j.ringAgain()
	}
	delete(j.private.mapped, name)
	j.stands(name)
	return err
}

// lockAgain locks the file that stands under the name of the lock now. The one before
// stays locked: it may have been moved, and be moved back.
func (j *Journal) lockAgain() error {
	lock, err := j.fs.Lock(j.privatePath(lockName))
	switch {
	case errors.Is(err, vfs.ErrLocked):
		return ErrLocked
	case err != nil:
		return err
	}
	j.private.more = append(j.private.more, lock)
	info, err := j.fs.Lstat(j.privatePath(lockName))
	if err == nil {
		j.private.locks = append(j.private.locks, info)
	}
	return err
}

// registryAgain writes the file table.
func (j *Journal) registryAgain() error {
	j.opening.Lock()
	defer j.opening.Unlock()
	if len(j.registry.names) == 0 {
		return nil
	}
	return j.registry.write(j.registry.names)
}

// numbersAgain writes which numbers are reserved. Numbers of another process that
// had the folder meanwhile, and may be in the text, are not given again.
func (j *Journal) numbersAgain() error {
	left, found, err := readNumbers(j.fs, j.privatePath(""))
	if err != nil && !found {
		return err
	}
	n := j.numbers
	n.writing.Lock()
	ours := n.written
	n.writing.Unlock()
	if found && (left.Next != ours || left.Clean) {
		next := max(left.Next, ours)
		if err := n.extend(next + reserveStep); err != nil {
			return err
		}
		j.mu.Lock()
		defer j.mu.Unlock()
		// Those who logged meanwhile may be further.
		n.next, n.reserved = max(n.next, next), max(n.reserved, next+reserveStep)
		return nil
	}
	return n.again()
}

// droppedAgain makes the file of what was dropped anew.
func (j *Journal) droppedAgain() error {
	d := new(dropped)
	var err error
	if d.mapping, err = j.makeMapped(j.privatePath(droppedName), droppedSize, putDropped); err != nil {
		return err
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.dropped == nil {
		return d.mapping.Unmap()
	}
	if err := guarded(func() { copy(d.mapping.Bytes(), j.dropped.mapping.Bytes()) }); err != nil {
		return errors.Join(err, d.mapping.Unmap())
	}
	d.turns = j.dropped.turns
	old := j.dropped
	j.dropped = d
	return old.mapping.Unmap()
}

// ringAgain puts a new ring in the place of one whose file is gone. What was in that is
// in the new one, at the same positions. Those who log wait for the copy of what came
// while the rest was copied.
func (j *Journal) ringAgain() error {
	dir := j.privatePath("")
	if kind := j.fs.Kind(dir); !mapsWell[kind] {
		return fmt.Errorf("map a file on %s: %w", kind, vfs.ErrNotSupported)
	}
	var next *ring
	m, err := j.makeMapped(j.privatePath(ringName), ringHeader+int(j.ring.size), func(mem []byte) { next = newRing(mem) })
	if err != nil {
		return err
	}
	j.drainMu.Lock()
	defer j.drainMu.Unlock()
	if j.unmapped || j.ringState.Load() != ringInUse {
		return m.Unmap()
	}
	old := j.mapping
	if err := guarded(func() { j.moveRing(next, m) }); err != nil {
		return errors.Join(err, m.Unmap())
	}
	return old.Unmap()
}

// moveRing has the journal use the memory of next. The caller holds drainMu: what is in
// the ring stays there.
func (j *Journal) moveRing(next *ring, m vfs.Mapping) {
	r := j.ring
	head := r.head().Load()
	next.take(r, r.tail().Load(), head)
	j.tailMu.Lock()
	defer j.tailMu.Unlock()
	j.mu.Lock()
	defer j.mu.Unlock()
	next.take(r, head, r.head().Load())
	copy(next.mem[:ringHeader], r.mem)
	r.mem, r.data, j.mapping = next.mem, next.data, m
}

// take copies what lies between two positions in a ring of the same size.
func (r *ring) take(from *ring, at, end uint64) {
	for at < end {
		place := r.place(at)
		n := min(end-at, r.size-place)
		copy(r.data[place:place+n], from.data[place:])
		at += n
	}
}

// withoutRing has mode write come in force if the ring is among what is gone, because of
// an error that the host is told of, and returns that.
func (j *Journal) withoutRing(gone []string, err error) error {
	if slices.Contains(gone, ringName) {
		j.touched(fmt.Errorf("%s: %w, the ring among them, and no new one can be made: records go to the texts at once, until the folder is opened again: %w",
			j.privatePath(""), errRemoved, err))
	}
	return err
}

// giveUp gives no number any more: another process writes the folder. What has one
// goes to the text.
func (j *Journal) giveUp() {
	j.taken.Store(true)
	j.opening.Lock()
	j.registry.taken = true
	j.opening.Unlock()
	j.numbers.bar()
	j.mu.Lock()
	j.numbers.reserved = 0
	j.mu.Unlock()
	j.problem(fmt.Errorf("%s: %w", j.dir, errTaken))
}
