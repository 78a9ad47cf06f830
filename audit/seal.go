package audit

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/steplog/steplog/internal/block"
	"github.com/steplog/steplog/internal/vfs"
	"github.com/steplog/steplog/rotation"
)

// rotateIfFull seals the file when a batch would make it too long. A rotation
// that did not begin is reported and put off.
func (t *trail) rotateIfFull(batch []*request) {
	bytes := int64(len(t.last.Note)) + 128 // and the checkpoint's line
	for _, r := range batch {
		bytes += int64(len(r.body)) + 32
	}
	limit := t.rule.Load().MaxBytes
	if limit == 0 {
		limit = rotation.DefaultMaxBytes
	}
	if t.size+bytes <= limit || t.head.size == t.first || t.size < t.retryAt {
		return
	}
	if err := t.seal(); err != nil {
		t.retryAt = t.size + rotateAgain
		t.problem(fmt.Errorf("audit: rotate: %w", err))
	}
}

// seal gives the active file its final name and starts the next one, which
// begins with the checkpoint that the sealed one ends with. After an error
// either everything is as before, or the trail has failed.
//
// At every moment the folder has the whole trail: the next file is durable
// before the first rename, and that is durable before the second.
func (t *trail) seal() error {
	if t.head.size == t.first || t.file == nil {
		return nil // nothing in it, or the trail has failed
	}
	sealed, _, err := trailFiles(t.fs, t.dir)
	if err != nil {
		return err
	}
	name, err := sealedName(t.clock(), sealed)
	if err != nil {
		return err
	}
	next := filepath.Join(t.dir, nextName)
	text := appendPoint(nil, &t.last, &t.head)
	if err := vfs.WriteNew(t.fs, next, text); err != nil {
		return errors.Join(err, vfs.IgnoreNotExist(t.fs.Remove(next)))
	}
	if err := t.fs.SyncDir(t.dir); err != nil {
		return err
	}
	active := filepath.Join(t.dir, activeName)
	if err := t.closeFile(); err != nil {
		return t.broken(err)
	}
	if err := t.fs.RenameNew(active, filepath.Join(t.dir, name)); err != nil {
		return t.broken(err)
	}
	if err := t.fs.SyncDir(t.dir); err != nil {
		return t.broken(err)
	}
	if err := t.fs.RenameNew(next, active); err != nil {
		return t.broken(err)
	}
	if err := t.fs.SyncDir(t.dir); err != nil {
		return t.broken(err)
	}
	if err := t.open(active); err != nil {
		return t.broken(err)
	}
	t.size, t.first, t.retryAt = int64(len(text)), t.head.size, 0
	t.hashes.begin(&t.head, t.size)
	signal(t.hashed)
	signal(t.sealed)
	return nil
}

// broken ends the trail's life in the middle of a rotation, which the next open
// finishes.
func (t *trail) broken(err error) error {
	t.fail(err)
	return err
}

// sweep removes what a process that was killed had not finished of a sealed file's
// compressed form, or of its sidecar. It is made again, though by another rule under
// another name.
func (t *trail) sweep() error {
	infos, err := t.fs.ReadDir(t.dir)
	if err != nil {
		return err
	}
	for _, info := range infos {
		name, unfinished := strings.CutSuffix(info.Name(), ".tmp")
		name = strings.TrimSuffix(name, hashesExt)
		if log, ok := rotation.LogOf(name); !unfinished || !ok || log != logName || name == activeName {
			continue
		}
		if err := vfs.IgnoreNotExist(t.fs.Remove(filepath.Join(t.dir, info.Name()))); err != nil {
			return err
		}
	}
	return nil
}

// finishSealed writes the sidecars of sealed files and compresses those that are
// plain.
func (t *trail) finishSealed() {
	format, ext := block.Gzip, ".gz"
	compression := t.rule.Load().Compression
	if compression == rotation.Zstd {
		format, ext = block.Zstd, ".zst"
	}
	sealed, _, err := trailFiles(t.fs, t.dir)
	if err != nil {
		t.problem(fmt.Errorf("audit: compress: %w", err))
		return
	}
	for _, name := range sealed {
		select {
		case <-t.stop:
			return
		default:
		}
		if err := t.keepHashes(name); err != nil {
			t.problem(fmt.Errorf("audit: hashes of %s: %w", name, err))
		}
		plain, err := exists(t.fs, t.dir, name)
		if err == nil && plain && compression != rotation.None {
			err = compress(t.fs, t.dir, name, ext, format)
		}
		if err != nil {
			t.problem(fmt.Errorf("audit: compress %s: %w", name, err))
		}
	}
}

// keepHashes writes the sidecar of a sealed file that has none.
func (t *trail) keepHashes(name string) error {
	switch q, err := openHashes(t.fs, t.dir, name, os.O_RDONLY); {
	case err == nil:
		return q.close()
	case !errors.Is(err, errSidecar) && !errors.Is(err, fs.ErrNotExist):
		return err
	}
	folder, err := rotation.OpenFolderFS(t.fs, t.dir)
	if err != nil {
		return err
	}
	defer folder.Close() // only read
	in, err := openText(t.fs, folder, t.dir, name)
	if err != nil {
		return err
	}
	defer in.Close() // only read
	_, q, err := hashText(context.Background(), in, name, nil)
	if err != nil {
		return err
	}
	return vfs.WriteWhole(t.fs, filepath.Join(t.dir, name+hashesExt), q.encode(nil))
}

// compress replaces a sealed file by its compressed form, durably.
func compress(fsys vfs.FS, dir, name, ext string, format block.Format) (err error) {
	plain := filepath.Join(dir, name)
	temporary := plain + ext + ".tmp"
	in, err := fsys.OpenFile(plain, os.O_RDONLY, 0)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, in.Close()) }()
	out, err := fsys.OpenFile(temporary, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	w, err := block.NewWriter(out, format)
	if err == nil {
		_, err = io.Copy(struct{ io.Writer }{w}, struct{ io.Reader }{in})
	}
	if err == nil {
		err = w.Close()
	}
	if err == nil {
		err = out.Sync()
	}
	if err = errors.Join(err, out.Close()); err != nil {
		return errors.Join(err, fsys.Remove(temporary))
	}
	if err := fsys.Rename(temporary, plain+ext); err != nil {
		return err
	}
	if err := fsys.SyncDir(dir); err != nil {
		return err
	}
	if err := fsys.Remove(plain); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return fsys.SyncDir(dir)
}

// sealNow seals the active file.
func (t *trail) sealNow(ctx context.Context) error {
	t.mu.Lock()
	err := t.refusal()
	t.mu.Unlock()
	if err != nil {
		return err
	}
	done := make(chan error, 1)
	select {
	case t.rotate <- done:
	case <-ctx.Done():
		return ctx.Err()
	case <-t.stop:
		return ErrClosed
	}
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err() // it goes on
	}
}
