package audit

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"github.com/steplog/steplog/internal/vfs"
	"github.com/steplog/steplog/rotation"
)

// recovery is what opening a trail found.
type recovery struct {
	dropped int64  // bytes behind the last commit
	sum     string // their SHA-256, in hexadecimal
}

// openActive brings the trail to its last commit and leaves it ready to be
// written. It changes nothing when it finds damage. The trail is compared with
// anchors, and with what was published.
func (t *trail) openActive(ctx context.Context, anchors []Checkpoint) error {
	published, err := publishedCheckpoint(t.fs, t.dir)
	if err != nil {
		return err
	}
	if published != nil {
		p, err := OpenCheckpoint(published, t.trusted)
		if err != nil {
			return &DamageError{File: checkpointName, Err: err}
		}
		anchors = append(anchors, p)
	}
	if err := t.resolve(anchors); err != nil {
		return err
	}
	path := filepath.Join(t.dir, activeName)
	if err := t.open(path); err != nil {
		return err
	}
	err = t.recover(ctx, anchors)
	if err == nil {
		t.opened, err = openPlain(t.fs, t.dir, activeName)
	}
	if err != nil {
		return errors.Join(err, t.closeFile())
	}
	t.hashes.start(t.head.size-t.first, t.size)
	return nil
}

// open opens the active file.
func (t *trail) open(path string) error {
	f, err := t.fs.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	held, err := f.Stat()
	if err != nil {
		return errors.Join(err, f.Close())
	}
	t.path, t.file, t.held = path, f, held
	return nil
}

// resolve finishes or undoes a rotation that was interrupted, and begins the
// trail when there is none.
func (t *trail) resolve(anchors []Checkpoint) error {
	sealed, active, err := trailFiles(t.fs, t.dir)
	if err != nil {
		return err
	}
	next := filepath.Join(t.dir, nextName)
	path := filepath.Join(t.dir, activeName)
	ahead, err := exists(t.fs, t.dir, nextName)
	if err != nil {
		return err
	}
	if active && ahead && t.namedTwice(sealed) {
		// A rename that the system does in two steps was cut short.
		if err := t.fs.Remove(path); err != nil {
			return err
		}
		active = false
	}
	switch {
	case active && ahead:
		return t.fs.Remove(next)
	case active:
		return nil
	case ahead && len(sealed) > 0:
		if err := t.fs.RenameNew(next, path); err != nil {
			return err
		}
		return t.fs.SyncDir(t.dir)
	case len(sealed) > 0 || slices.ContainsFunc(anchors, func(a Checkpoint) bool { return a.Size > 0 }):
		return &DamageError{File: activeName, Err: fmt.Errorf("%w: %s", ErrMissing, activeName)}
	}
	// A trail begins with a checkpoint of no records.
	point, err := signCheckpoint(t.signer.Name(), &frontier{}, t.signer)
	if err != nil {
		return err
	}
	if err := vfs.WriteNew(t.fs, next, appendPoint(nil, &point, &frontier{})); err != nil {
		return err
	}
	if err := t.fs.RenameNew(next, path); err != nil {
		return err
	}
	return t.fs.SyncDir(t.dir)
}

// namedTwice reports whether the active file has the name of the newest sealed one too.
func (t *trail) namedTwice(sealed []string) bool {
	if len(sealed) == 0 {
		return false
	}
	active, err := t.fs.Lstat(filepath.Join(t.dir, activeName))
	if err != nil {
		return false
	}
	newest, err := t.fs.Lstat(filepath.Join(t.dir, sealed[len(sealed)-1]))
	return err == nil && t.fs.SameFile(active, newest)
}

// recover reads the active file up to its last commit.
func (t *trail) recover(ctx context.Context, anchors []Checkpoint) error {
	size := t.held.Size()
	c := &checker{}
	c.open(activeName)
	c.expect(anchors)
	_, err := newLineScan(plainText{t.file, size}, t.trusted).each(ctx, c.take)
	if err != nil && !damaged(err) {
		return err
	}
	if !c.begun || errors.Is(err, ErrFork) {
		if err == nil {
			err = &DamageError{File: activeName, Err: fmt.Errorf("%w: the file does not begin with a checkpoint", ErrLine)}
		}
		return err
	}
	if err := t.goesOn(c.first); err != nil {
		return err
	}
	if err := t.drop(c, size, err); err != nil {
		return err
	}
	if err := t.renew(c); err != nil {
		return err
	}
	t.head.set(&c.good)
	t.last, t.origin, t.size, t.first = c.last, c.origin, c.goodEnd, c.first
	return nil
}

// goesOn returns an error for an active file that begins with a record before the newest
// sealed one ends: it is an older copy, put there with the checkpoint of that time. To
// append to it would sign another trail than the one that is sealed. What cannot be read
// is left to Verify.
func (t *trail) goesOn(first int64) error {
	sealed, _, err := trailFiles(t.fs, t.dir)
	if err != nil || len(sealed) == 0 {
		return err
	}
	end, ok := t.endOf(sealed[len(sealed)-1])
	if !ok || end <= first {
		return nil
	}
	return &DamageError{File: activeName, Seq: uint64(end), Err: elsewhere(end, first)}
}

// endOf returns the number after the last record of a sealed file, by its last line; false
// where that is no checkpoint, or cannot be read.
func (t *trail) endOf(name string) (int64, bool) {
	folder, err := rotation.OpenFolderFS(t.fs, t.dir)
	if err != nil {
		return 0, false
	}
	defer folder.Close() // only read
	in, err := openText(t.fs, folder, t.dir, name)
	if err != nil {
		return 0, false
	}
	defer in.Close() // only read
	tail := make([]byte, min(in.Size(), maxPoint))
	n, _ := in.ReadAt(tail, in.Size()-int64(len(tail)))
	if n < len(tail) || n == 0 || tail[n-1] != '\n' {
		return 0, false
	}
	point, _, err := parsePoint(tail[lastLine(tail[:n-1]):n-1], nil)
	return int64(point.Size), err == nil
}

// drop removes what lies behind the last commit, when that can be a commit that
// was interrupted: there is one at most, because each begins after the one
// before is durable. found is what is wrong there, nil for nothing.
func (t *trail) drop(c *checker, size int64, found error) error {
	n := size - c.goodEnd
	if found == nil {
		found = &DamageError{File: activeName, Offset: c.goodEnd, Seq: uint64(c.good.size), Err: ErrUncovered}
	}
	if short := c.rolledBack(); short != nil {
		if n > 0 {
			return found
		}
		return short
	}
	if n == 0 {
		return nil
	}
	if n > maxCommit {
		return found
	}
	tail := make([]byte, n)
	if m, err := t.file.ReadAt(tail, c.goodEnd); int64(m) < n {
		return fmt.Errorf("audit: read %s: %w", activeName, noEOF(err))
	}
	if t.signedBefore(tail) {
		return found
	}
	if err := t.setAside(tail); err != nil {
		return err
	}
	if err := t.file.Truncate(c.goodEnd); err != nil {
		return err
	}
	if err := t.file.Sync(); err != nil {
		return err
	}
	sum := sha256.Sum256(tail)
	t.found = recovery{dropped: n, sum: hex.EncodeToString(sum[:])}
	return nil
}

// rolledBack reports whether the last commit is older than a published
// checkpoint.
func (c *checker) rolledBack() error {
	for _, a := range c.anchors {
		if a.Size > uint64(c.good.size) {
			return &DamageError{File: c.file, Offset: c.goodEnd, Seq: uint64(c.good.size),
				Err: fmt.Errorf("%w: %d records instead of %d", ErrRollback, c.good.size, a.Size)}
		}
	}
	return nil
}

// signedBefore reports whether a text has a signed checkpoint before its last
// line: what stands before such a one was durable once.
func (t *trail) signedBefore(text []byte) bool {
	for {
		line, rest, ok := bytes.Cut(text, []byte("\n"))
		if !ok || len(rest) == 0 {
			return false
		}
		if _, _, err := parsePoint(line, t.trusted); err == nil {
			return true
		}
		text = rest
	}
}

// setAside keeps what is dropped in audit.log.broken, for people to look at.
func (t *trail) setAside(tail []byte) error {
	f, err := t.fs.OpenFile(filepath.Join(t.dir, brokenName), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	n, err := f.Write(tail)
	if err == nil && n < len(tail) {
		err = io.ErrShortWrite
	}
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	return t.fs.SyncDir(t.dir)
}

// renew puts a copy of the file in its place where not all of it was published as
// durable, and the disk does not have that or cannot be asked: the process may have died
// between writing and syncing it, or its sync may have failed, after which the system
// shows it and does not have it on the disk. To write it again where it stands is not
// enough: of a page whose first write failed, ext4 takes the place on the disk for
// unwritten from then on, and syncs it without an error.
func (t *trail) renew(c *checker) error {
	if c.afterMet == c.goodEnd {
		return nil
	}
	if err := t.file.Sync(); err == nil {
		if upto, asked := vfs.OnDisk(t.file, c.afterMet, c.goodEnd); asked && upto >= c.goodEnd {
			return t.fs.SyncDir(t.dir)
		}
	}
	next := filepath.Join(t.dir, nextName)
	if err := t.copyActive(next, c.goodEnd); err != nil {
		return fmt.Errorf("audit: renew %s: %w", activeName, errors.Join(err, vfs.IgnoreNotExist(t.fs.Remove(next))))
	}
	if err := t.closeFile(); err != nil {
		return err
	}
	if err := t.fs.Rename(next, t.path); err != nil {
		return err
	}
	if err := t.fs.SyncDir(t.dir); err != nil {
		return err
	}
	return t.open(t.path)
}

// copyActive writes and syncs a copy of the active file up to a size.
func (t *trail) copyActive(name string, size int64) error {
	f, err := t.fs.OpenFile(name, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = io.CopyN(struct{ io.Writer }{f}, io.NewSectionReader(t.file, 0, size), size)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// closeFile closes the active file, if it is open.
func (t *trail) closeFile() error {
	if t.file == nil {
		return nil
	}
	err := t.file.Close()
	t.file = nil
	return err
}

// lockTrail takes the lock of a trail.
func lockTrail(fsys vfs.FS, dir string) (io.Closer, error) {
	lock, err := fsys.Lock(filepath.Join(dir, lockName))
	if errors.Is(err, vfs.ErrLocked) {
		return nil, fmt.Errorf("open %s: %w", dir, ErrLocked)
	}
	return lock, err
}
