package rotation

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// keeper is what the worker goroutine remembers between its rounds.
type keeper struct {
	// done holds files that are compressed and whose plain form could not be
	// removed yet, by base name.
	done map[string]bool
	// failed holds files whose compression failed, and when to try again.
	failed map[string]time.Time
	// sealed holds files of which Seal has nothing more to do.
	sealed map[string]bool
}

// forget forgets files that are gone, once there may be more of them than of those that
// are there.
func (k *keeper) forget(there []*stored) {
	if max(len(k.done), len(k.failed), len(k.sealed)) <= 2*len(there) {
		return
	}
	is := make(map[string]bool, len(there))
	for _, s := range there {
		is[s.base] = true
	}
	gone := func(base string) bool { return !is[base] }
	maps.DeleteFunc(k.done, func(base string, _ bool) bool { return gone(base) })
	maps.DeleteFunc(k.failed, func(base string, _ time.Time) bool { return gone(base) })
	maps.DeleteFunc(k.sealed, func(base string, _ bool) bool { return gone(base) })
}

// work looks after the closed files.
func (f *File) work() {
	defer f.done.Done()
	f.keep = keeper{done: map[string]bool{}, failed: map[string]time.Time{}, sealed: map[string]bool{}}
	tick := time.NewTicker(retainEvery)
	defer tick.Stop()
	for {
		select {
		case <-f.wake:
		case <-tick.C:
		case <-f.stop:
			return
		}
		for more := true; more; more = f.compressSome() {
			f.settle()
		}
	}
}

// settle does what may be due at any time.
func (f *File) settle() {
	f.syncMu.Lock()
	err := f.syncRetired()
	f.syncMu.Unlock()
	if err != nil {
		f.problem(fmt.Errorf("sync closed files of %s: %w", f.path, err))
	}
	f.retain()
}

// stopping reports whether Close was called.
func (f *File) stopping() bool {
	select {
	case <-f.stop:
		return true
	default:
		return false
	}
}

// files returns what the folder holds of the log's closed files, as scan has it. Of other
// logs there may be thousands of files, which it asks nothing about.
func (f *File) files() (files []*stored, temps []string, err error) {
	names, err := f.listing.of(f.log, f.fs, f.dir)
	if err != nil {
		return nil, nil, err
	}
	infos := make([]fs.FileInfo, 0, len(names))
	for _, name := range names {
		if n, ok := parseName(strings.TrimSuffix(name, tempExt)); !ok || n.active() {
			continue
		}
		info, err := f.fs.Lstat(filepath.Join(f.dir, name))
		if errors.Is(err, fs.ErrNotExist) {
			continue // it went away meanwhile
		}
		if err != nil {
			return nil, nil, err
		}
		infos = append(infos, info)
	}
	files, temps = scan(infos)
	return files, temps, nil
}

// closedFiles lists the closed files of the log, oldest first.
func (f *File) closedFiles() ([]*stored, error) {
	files, _, err := f.files()
	if err != nil {
		return nil, err
	}
	pinned := *f.pinned.Load()
	return slices.DeleteFunc(files, func(s *stored) bool { return s.base == pinned }), nil
}

// findNewest passes every name that is in the folder. The caller holds mu.
func (f *File) findNewest() error {
	f.listing.outdate()
	files, err := f.closedFiles()
	if n := len(files); n > 0 && files[n-1].at.After(f.newest) {
		f.newest = files[n-1].at
	}
	return err
}
