package rotation

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/steplog/steplog/internal/block"
	"github.com/steplog/steplog/internal/vfs"
)

// compressRetry is how long a compression that failed is not tried again: a
// full disk may have space by then.
const compressRetry = time.Minute

var errStopped = errors.New("rotation: stopped")

// Closed is a closed file that [Options.Seal] is called for, by a goroutine of
// the File and once for each file that is there when the File is opened or that
// is closed later. If it fails, it is called again some time later. It must end
// soon after its context.
type Closed struct {
	// Name is the file's plain name in the folder, File the one it has now:
	// plain, or already compressed.
	Name, File string
	// Temp is where Seal writes the compressed form of a plain file, and syncs
	// it; the File moves it to its final name and removes the plain one. It is
	// "" when the file stays as it is.
	Temp string
	// Compression is the one that the rule asks for.
	Compression Compression
}

// compressSome compresses or seals files of which that is not done, the oldest first, as
// they lie in the folder now. It reports whether there may be more to do.
func (f *File) compressSome() (more bool) {
	if f.stopping() {
		return false
	}
	rule := f.Rule().Compression
	format := formatOf(rule)
	if format == 0 && f.opts.Seal == nil {
		return false
	}
	files, err := f.closedFiles()
	if err != nil {
		f.problem(fmt.Errorf("compress: %w", err))
		return false
	}
	f.keep.forget(files)
	now := time.Now()
	for _, s := range files {
		plain := s.ext == "" && format != 0
		if _, again := f.again.LoadAndDelete(s.base); again {
			delete(f.keep.sealed, s.base)
		}
		if !plain && (f.opts.Seal == nil || f.keep.sealed[s.base]) || now.Before(f.keep.failed[s.base]) {
			continue
		}
		if more && (time.Since(now) > listedFor || f.Rule().Compression != rule || s.base == *f.pinned.Load() || f.gone(filepath.Join(f.dir, s.file()))) {
			return true // it is not as it was listed, or may not be
		}
		if plain {
			err = f.compress(s, format)
		} else {
			err = f.seal(Closed{Name: s.base, File: s.file(), Compression: rule})
		}
		switch {
		case errors.Is(err, errStopped):
			return false
		case err != nil:
			f.keep.failed[s.base] = now.Add(compressRetry)
			f.problem(fmt.Errorf("compress %s: %w", s.base, err))
		default:
			delete(f.keep.failed, s.base)
			f.keep.sealed[s.base] = f.opts.Seal != nil
		}
		if more = true; f.stopping() {
			return false
		}
	}
	return more
}

// SealAgain has [Options.Seal] called again for a closed file, by its plain name:
// what it made is lost. It does not wait.
func (f *File) SealAgain(name string) {
	f.again.Store(name, true)
	f.poke()
}

// seal calls the hook, and meanwhile does what does not wait for it.
func (f *File) seal(c Closed) error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- f.opts.Seal(ctx, c) }()
	for {
		select {
		case err := <-done:
			return err
		case <-f.stop:
			cancel()
			<-done
			return errStopped
		case <-f.wake:
			f.settle()
		}
	}
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
		c := Closed{Name: s.base, File: s.base, Temp: temp, Compression: f.Rule().Compression}
		if err := f.writeClosed(c, plain, format); err != nil {
			if rerr := f.fs.Remove(temp); !errors.Is(rerr, fs.ErrNotExist) {
				err = errors.Join(err, rerr)
			}
			if errors.Is(err, fs.ErrNotExist) && f.gone(plain) {
				return nil // it was deleted before it was read
			}
			return err
		}
		// What retention deletes meanwhile must not come back, not even when the
		// process dies here, for younger files may have gone after it. What
		// somebody else compresses meanwhile has another form then.
		gone, other := f.gone(plain), f.hasOther(s.base)
		if gone {
			return errors.Join(vfs.IgnoreNotExist(f.fs.Remove(temp)), f.leave(s.base, other))
		}
		err := errors.Join(f.fs.Rename(temp, final), f.fs.SyncDir(f.dir))
		f.listing.outdate()
		if err != nil {
			return err
		}
		if f.gone(plain) && !other { // by somebody else than this goroutine
			return f.removeForms(s.base)
		}
		if err := f.removeOther(plain, format); err != nil {
			return err
		}
		if f.opts.OnSealed != nil && f.opts.Seal != nil {
			f.opts.OnSealed(c)
		}
		f.keep.done[s.base] = true
	}
	if err := vfs.IgnoreNotExist(f.fs.Remove(plain)); err != nil {
		return err // a reader holds it, on some systems
	}
	delete(f.keep.done, s.base)
	return nil
}

// removeOther removes the compressed form that is not of a format: another program was
// making it, and without the plain one it might count.
func (f *File) removeOther(plain string, format block.Format) error {
	for other, ext := range formatExt {
		if ext == "" || block.Format(other) == format || f.gone(plain+ext) {
			continue
		}
		if err := vfs.IgnoreNotExist(f.fs.Remove(plain + ext)); err != nil {
			return err
		}
	}
	return nil
}

// leave gives up a file whose plain form went away: it was deleted, or, where it
// has another form, compressed by somebody else, and is sealed as that is.
func (f *File) leave(base string, other bool) error {
	if !other {
		return f.removeForms(base)
	}
	f.SealAgain(base)
	return nil
}

// hasOther reports whether a closed file has a compressed form.
func (f *File) hasOther(base string) bool {
	path := filepath.Join(f.dir, base)
	return !f.gone(path+gzipExt) || !f.gone(path+zstdExt)
}

func (f *File) gone(name string) bool {
	_, err := f.fs.Lstat(name)
	return errors.Is(err, fs.ErrNotExist)
}

// writeClosed writes the compressed form of a file to c.Temp and syncs it.
func (f *File) writeClosed(c Closed, plain string, format block.Format) error {
	if f.opts.Seal == nil {
		return f.writeCompressed(plain, c.Temp, format)
	}
	// What is left over from a failed try.
	if err := vfs.IgnoreNotExist(f.fs.Remove(c.Temp)); err != nil {
		return err
	}
	return f.seal(c)
}

func (f *File) writeCompressed(plain, temp string, format block.Format) (err error) {
	in, err := f.fs.OpenFile(plain, os.O_RDONLY, 0)
	if err != nil {
		return err
	}
	defer in.Close() // only read
	// What is left over from a failed try.
	if err := vfs.IgnoreNotExist(f.fs.Remove(temp)); err != nil {
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
