package rotation

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/steplog/steplog/internal/block"
)

// keeper is what the worker goroutine remembers between its rounds.
type keeper struct {
	// done holds files that are compressed and whose plain form could not be
	// removed yet, by base name.
	done map[string]bool
	// failed holds files whose compression failed, and when to try again.
	failed map[string]time.Time
}

// compressRetry is how long a compression that failed is not tried again: a
// full disk may have space by then.
const compressRetry = time.Minute

var errStopped = errors.New("rotation: stopped")

// resolve clears up what a crash left behind and finds the newest name. It is
// part of Open, before anything else looks at the folder.
func (f *File) resolve() error {
	infos, err := f.fs.ReadDir(f.dir)
	if err != nil {
		return err
	}
	files, temps := scan(infos, f.log)
	for _, t := range temps {
		if err := f.fs.Remove(filepath.Join(f.dir, t.name)); err != nil {
			return err
		}
	}
	var newest *stored
	for _, s := range files {
		if s.ext == "" {
			// Both are there: the plain one is the truth, and the other is
			// made again.
			for _, c := range s.compressed {
				if err := f.fs.Remove(filepath.Join(f.dir, c)); err != nil {
					return err
				}
			}
		}
		if s.at.After(f.newest) {
			f.newest = s.at
			newest = s
		}
	}
	if newest != nil && newest.ext == "" {
		if err := f.cutClosed(newest); err != nil {
			return err
		}
	}
	return f.resumeNext()
}

// cutClosed cuts a torn line off the newest closed file: it may have been
// written on under its final name when its rotation could be neither finished
// nor undone.
func (f *File) cutClosed(s *stored) error {
	file, err := f.fs.OpenFile(filepath.Join(f.dir, s.base), os.O_RDWR, 0)
	if err != nil {
		return err
	}
	end, err := lastLineEnd(file, s.info.Size(), maxTorn)
	if err == nil && end >= 0 && end < s.info.Size() {
		f.torncount += s.info.Size() - end
		err = errors.Join(file.Truncate(end), file.Sync())
	}
	return errors.Join(err, file.Close())
}

// resumeNext deals with the file that a rotation had made ahead. It has
// content only when a power cut undid its renaming: it is the active file
// then, or, where the older one came back, put aside, since it holds nothing
// that a Sync had promised.
func (f *File) resumeNext() error {
	next := f.path + nextExt
	info, err := f.fs.Lstat(next)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() || info.Size() == 0 {
		return f.removeNext()
	}
	err = f.fs.RenameNew(next, f.path)
	for n := 0; errors.Is(err, fs.ErrExist) && n < nameTries; n++ {
		aside := f.path + brokenExt
		if n > 0 {
			aside += strconv.Itoa(n)
		}
		err = f.fs.RenameNew(next, aside)
	}
	return err
}

// closedFiles lists the closed files of the log, oldest first.
func (f *File) closedFiles() ([]*stored, error) {
	infos, err := f.fs.ReadDir(f.dir)
	if err != nil {
		return nil, err
	}
	files, _ := scan(infos, f.log)
	pinned := *f.pinned.Load()
	return slices.DeleteFunc(files, func(s *stored) bool { return s.active() || s.base == pinned }), nil
}

// findNewest passes every name that is in the folder. The caller holds mu.
func (f *File) findNewest() error {
	files, err := f.closedFiles()
	if n := len(files); n > 0 && files[n-1].at.After(f.newest) {
		f.newest = files[n-1].at
	}
	return err
}

// work looks after the closed files.
func (f *File) work() {
	defer f.done.Done()
	f.keep = keeper{done: map[string]bool{}, failed: map[string]time.Time{}}
	tick := time.NewTicker(retainEvery)
	defer tick.Stop()
	for {
		select {
		case <-f.wake:
		case <-tick.C:
		case <-f.stop:
			return
		}
		for more := true; more; more = f.compressNext() {
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

// retain deletes the closed files that the rule does not keep, in the order of
// their names.
func (f *File) retain() {
	rule := f.Rule()
	if rule.MaxFiles == 0 && rule.MaxAge == 0 && rule.MaxTotalBytes == 0 {
		return
	}
	files, err := f.closedFiles()
	if err != nil {
		f.problem(fmt.Errorf("retain %s: %w", f.path, err))
		return
	}
	total := f.size.Load()
	for _, s := range files {
		total += s.bytes
	}
	now := f.opts.Clock()
	left := len(files)
	for _, s := range files {
		many := rule.MaxFiles > 0 && left > rule.MaxFiles
		large := rule.MaxTotalBytes > 0 && total > rule.MaxTotalBytes
		if !many && !large && (rule.MaxAge == 0 || now.Sub(f.endOf(s, now)) <= rule.MaxAge) {
			continue
		}
		if err := f.remove(s); err != nil {
			f.problem(fmt.Errorf("retain %s: %w", f.path, err))
			continue
		}
		left--
		total -= s.bytes
	}
}

// endOf tells from when on a closed file ages.
func (f *File) endOf(s *stored, now time.Time) time.Time {
	if !s.at.After(now) {
		return s.at
	}
	folder, err := OpenFolderFS(f.fs, f.dir)
	if err != nil {
		return s.at
	}
	defer folder.Close()
	_, last := folder.times(s)
	if last.IsZero() || last.After(s.at) {
		return s.at
	}
	return last
}

// remove deletes a closed file in all its forms, and its sidecar.
func (f *File) remove(s *stored) error {
	if err := removeForms(func(name string) error { return f.fs.Remove(filepath.Join(f.dir, name)) }, s.base); err != nil {
		return err
	}
	if f.opts.OnRemove != nil {
		f.opts.OnRemove(s.base)
	}
	return nil
}

// removeForms deletes the plain form first: a compression that ends meanwhile
// sees that it is gone and takes its own file back.
func removeForms(remove func(name string) error, base string) error {
	for _, ext := range []string{"", gzipExt, zstdExt, indexExt} {
		if err := remove(base + ext); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// compressNext compresses the oldest plain file. It reports whether there may
// be more to do.
func (f *File) compressNext() bool {
	if f.stopping() {
		return false
	}
	format := formatOf(f.Rule().Compression)
	if format == 0 {
		return false
	}
	files, err := f.closedFiles()
	if err != nil {
		f.problem(fmt.Errorf("compress: %w", err))
		return false
	}
	now := time.Now()
	for _, s := range files {
		if s.ext != "" || now.Before(f.keep.failed[s.base]) {
			continue
		}
		err := f.compress(s, format)
		switch {
		case errors.Is(err, errStopped):
			return false
		case err != nil:
			f.keep.failed[s.base] = now.Add(compressRetry)
			f.problem(fmt.Errorf("compress %s: %w", s.base, err))
		default:
			delete(f.keep.failed, s.base)
		}
		return true
	}
	return false
}

func formatOf(c Compression) block.Format {
	switch c {
	case Gzip:
		return block.Gzip
	case Zstd:
		return block.Zstd
	}
	return 0
}

var formatExt = [...]string{block.Gzip: gzipExt, block.Zstd: zstdExt} // immutable

// compress replaces a plain file by a compressed one: temporary, sync, rename,
// sync of the folder, and only then the plain one goes.
func (f *File) compress(s *stored, format block.Format) error {
	plain := filepath.Join(f.dir, s.base)
	if !f.keep.done[s.base] {
		final := plain + formatExt[format]
		temp := final + tempExt
		if err := f.writeCompressed(plain, temp, format); err != nil {
			if rerr := f.fs.Remove(temp); !errors.Is(rerr, fs.ErrNotExist) {
				err = errors.Join(err, rerr)
			}
			return err
		}
		if err := errors.Join(f.fs.Rename(temp, final), f.fs.SyncDir(f.dir)); err != nil {
			return err
		}
		if _, err := f.fs.Lstat(plain); errors.Is(err, fs.ErrNotExist) {
			// Deleted meanwhile, and so must be what was made of it.
			if err := f.fs.Remove(final); !errors.Is(err, fs.ErrNotExist) {
				return err
			}
			return nil
		}
		f.keep.done[s.base] = true
	}
	if err := f.fs.Remove(plain); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err // a reader holds it, on some systems
	}
	delete(f.keep.done, s.base)
	return nil
}

func (f *File) writeCompressed(plain, temp string, format block.Format) (err error) {
	in, err := f.fs.OpenFile(plain, os.O_RDONLY, 0)
	if err != nil {
		return err
	}
	defer in.Close() // only read
	// What is left over from a failed try.
	if err := f.fs.Remove(temp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	out, err := f.fs.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, fileMode)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	w, err := block.NewWriter(out, format)
	if err != nil {
		return err
	}
	if err := f.copyText(w, in); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	return out.Sync()
}

// copyText copies a closed file, and stops for Close. A new rule does not wait
// for it.
func (f *File) copyText(w io.Writer, r io.Reader) error {
	buf := make([]byte, 256<<10)
	for {
		n, err := r.Read(buf)
		if n > 0 {
			if _, err := w.Write(buf[:n]); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		select {
		case <-f.stop:
			return errStopped
		case <-f.wake:
			f.settle()
		default:
		}
	}
}
