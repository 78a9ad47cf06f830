package journal

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"

	"github.com/steplog/steplog/internal/block"
	sidecar "github.com/steplog/steplog/internal/segment"
	"github.com/steplog/steplog/internal/vfs"
	"github.com/steplog/steplog/rotation"
)

// keepsOrder are the logs whose sealed files are in the order of arrival also
// where there are runs.
var keepsOrder = map[string]bool{"audit": true, "access_log": true} // immutable

// sealClosed makes the sealed form of a closed file: the compressed text under a
// temporary name, and the sidecar under its own. It is called by the goroutine of
// the log that looks after closed files.
func (f *File) sealClosed(ctx context.Context, c rotation.Closed) (err error) {
	j := f.j
	select {
	case <-j.ready: // opening goes first
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case j.sealing <- struct{}{}:
		defer func() { <-j.sealing }()
	case <-ctx.Done():
		return ctx.Err()
	}
	if c.Temp == "" {
		if j.hasIndex(c) {
			return nil
		}
		x, err := j.openSealed(c.File)
		if err == nil {
			j.takeIndex(c.Name, x)
			return nil
		}
		if errors.Is(err, sidecar.ErrVersion) || errors.Is(err, errHoles) || errors.Is(err, fs.ErrNotExist) && !j.exists(c.File) {
			return nil
		}
	}
	defer caught(debug.SetPanicOnFault(true), &err)
	o := sidecar.Options{KeepOrder: keepsOrder[f.name], Fields: j.opts.IndexFields, Hurry: j.tables.Unsealed() > 1}
	index, err := j.makeSealed(ctx, c, o)
	if (errors.Is(err, sidecar.ErrTooLarge) || errors.Is(err, sidecar.ErrOrder) || isDamage(err)) && c.Temp == "" {
		return nil // it is answered from its rows
	}
	if err != nil {
		return err
	}
	path := filepath.Join(j.dir, c.Name+sidecar.Ext)
	if err := j.writeSynced(path+tempExt, func(w io.Writer) error { _, err := w.Write(index); return err }); err != nil {
		return err
	}
	if err := j.fs.Rename(path+tempExt, path); err != nil {
		return err
	}
	if c.Temp != "" {
		return nil
	}
	if err := j.fs.SyncDir(j.dir); err != nil {
		return err
	}
	if !j.exists(c.File) {
		return vfs.IgnoreNotExist(j.fs.Remove(path)) // deleted meanwhile
	}
	j.sealed(c)
	return nil
}

// hasIndex reports whether a closed file, as it is stored now, has its sidecar in use.
func (j *Journal) hasIndex(c rotation.Closed) bool {
	seg := j.tables.ByName(c.Name)
	if seg == nil {
		return false
	}
	x := seg.Index()
	return x != nil && c.Name+extOf[x.Format()] == c.File
}

// makeSealed writes the compressed form if one is asked for, and returns the
// sidecar.
func (j *Journal) makeSealed(ctx context.Context, c rotation.Closed, o sidecar.Options) ([]byte, error) {
	in, err := j.fs.OpenFile(filepath.Join(j.dir, c.File), os.O_RDONLY, 0)
	if err != nil {
		return nil, err
	}
	defer in.Close() // only read
	info, err := in.Stat()
	if err != nil {
		return nil, err
	}
	if c.File != c.Name {
		return sidecar.Rebuild(ctx, in, info.Size(), o)
	}
	text, done, err := j.wholeText(in, info.Size())
	if err != nil {
		return nil, err
	}
	defer done()
	if c.Temp == "" {
		return sidecar.Seal(ctx, text, io.Discard, o)
	}
	o.Format = formatOf(c.Compression)
	var index []byte
	err = j.writeSynced(c.Temp, func(w io.Writer) (err error) {
		index, err = sidecar.Seal(ctx, text, w, o)
		return err
	})
	return index, err
}

// wholeText returns the content of a closed file: mapped, or read where that is
// not possible.
func (j *Journal) wholeText(f vfs.File, size int64) (text []byte, done func(), err error) {
	if size > 0 && size < 1<<32 {
		if m, err := vfs.MapRead(j.fs, f, int(size)); err == nil {
			return m.Bytes(), func() { _ = m.Unmap() }, nil
		}
	}
	if size >= 1<<32 {
		return nil, nil, sidecar.ErrTooLarge
	}
	text = make([]byte, size)
	if n, err := f.ReadAt(text, 0); n < len(text) {
		return nil, nil, errors.Join(io.ErrUnexpectedEOF, err)
	}
	return text, func() {}, nil
}

// writeSynced makes a file, replacing one that is left over, and syncs it.
func (j *Journal) writeSynced(path string, write func(io.Writer) error) (err error) {
	if err := vfs.IgnoreNotExist(j.fs.Remove(path)); err != nil {
		return err
	}
	out, err := j.fs.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	b := bufio.NewWriterSize(&syncingWriter{File: out}, 256<<10)
	if err = write(b); err == nil {
		err = b.Flush()
	}
	if err == nil {
		err = out.Sync()
	}
	if err = errors.Join(err, out.Close()); err != nil {
		err = errors.Join(err, vfs.IgnoreNotExist(j.fs.Remove(path)))
	}
	return err
}

// syncEach is how much a syncingWriter leaves to the last sync at most.
const syncEach = 16 << 20

// syncingWriter is a file that is synced while it is written: the last sync, which nobody
// can give up, takes no longer than that of a small file.
type syncingWriter struct {
	vfs.File
	unsynced int
}

func (w *syncingWriter) Write(b []byte) (int, error) {
	n, err := w.File.Write(b)
	if w.unsynced += n; err == nil && w.unsynced >= syncEach {
		w.unsynced = 0
		err = w.Sync()
	}
	return n, err
}

// sealed has queries answered from the sidecar from now on.
func (j *Journal) sealed(c rotation.Closed) {
	data := c.File
	if c.Temp != "" {
		data = c.Name + extOf[formatOf(c.Compression)]
	}
	x, err := j.openSealed(data)
	if err != nil {
		j.problem(fmt.Errorf("open %s: %w", c.Name+sidecar.Ext, err))
		return
	}
	j.takeIndex(c.Name, x)
	j.saving.derived.Add(x.TextSize())
}

// formatOf returns the format of what is compressed.
func formatOf(c rotation.Compression) block.Format {
	if c == rotation.Zstd {
		return block.Zstd
	}
	return block.Gzip
}

// takeIndex gives a segment its sidecar. Where that is not of the records that
// are known, somebody has changed the file: the text is the truth.
func (j *Journal) takeIndex(name string, x *sidecar.Index) {
	seg := j.tables.ByName(name)
	if seg == nil || j.swapped(seg, x) {
		return
	}
	j.tables.Clear(seg)
	j.readers.drop(seg)
	j.tables.SetIndex(seg, x)
}
