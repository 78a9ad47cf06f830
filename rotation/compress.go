package rotation

import (
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
		// What retention deletes meanwhile must not come back, not even when the
		// process dies here, for younger files may have gone after it.
		if f.gone(plain) {
			return vfs.IgnoreNotExist(f.fs.Remove(temp))
		}
		if err := errors.Join(f.fs.Rename(temp, final), f.fs.SyncDir(f.dir)); err != nil {
			return err
		}
		if f.gone(plain) { // by somebody else than this goroutine
			return vfs.IgnoreNotExist(f.fs.Remove(final))
		}
		f.keep.done[s.base] = true
	}
	if err := vfs.IgnoreNotExist(f.fs.Remove(plain)); err != nil {
		return err // a reader holds it, on some systems
	}
	delete(f.keep.done, s.base)
	return nil
}

func (f *File) gone(name string) bool {
	_, err := f.fs.Lstat(name)
	return errors.Is(err, fs.ErrNotExist)
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
