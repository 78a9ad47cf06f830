package audit

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"

	"golang.org/x/mod/sumdb/note"

	"github.com/steplog/steplog/internal/block"
	"github.com/steplog/steplog/internal/vfs"
	"github.com/steplog/steplog/rotation"
)

// VerifyOptions say what a trail is checked against; nil is ready to use.
type VerifyOptions struct {
	// Verifiers are the keys that are trusted. nil trusts the key that lies in
	// the folder itself, and with it everybody who could read or replace that.
	Verifiers note.Verifiers
	// Anchors are checkpoints of this trail that were kept elsewhere, see
	// Options.OnCheckpoint. The trail must have grown out of each.
	Anchors [][]byte
}

// Report is what [Verify] found to be intact.
type Report struct {
	// Origin is the trail's own name.
	Origin string
	// First is the seq of the first record that is there, and Size the number
	// after the last one: First is above 0 when retention deleted older ones.
	First, Size uint64
	// Files and Checkpoints are how many of them were checked.
	Files, Checkpoints int64
	// Checkpoint is the newest.
	Checkpoint Checkpoint
	// Anchors is how many anchors the trail was compared with, that in its own
	// folder among them, and OlderAnchors how many lie before First, where there
	// is nothing left to compare.
	Anchors, OlderAnchors int
	// FolderKey is true when the key in the folder was trusted.
	FolderKey bool
}

// Verify checks every byte of the trail in a folder, without changing anything:
// that each record is where it belongs, that each checkpoint is signed by a
// trusted key and fits the records before it, that every record is covered by
// one, and that the trail grew out of the anchors and of audit.checkpoint. It
// needs nothing but the folder or a copy of it.
//
// A finding is a [*DamageError] with the place, whose cause is one of
// [ErrLine], [ErrSequence], [ErrRoot], [ErrSignature], [ErrUncovered],
// [ErrMissing], [ErrRollback] and [ErrFork], all of which wrap [ErrDamaged]. The
// report then says what is intact up to there. Of a folder that is being
// written it may find [ErrUncovered] in the middle of a commit, and it begins again
// where a file that it wanted to read was rotated or retained meanwhile.
//
// It returns an error of the file system, fs.ErrNotExist where there is no
// folder, [ErrKey] without Verifiers where the folder has no key, as one without a
// trail, and one that says so when files are rotated faster than they can be read:
// those are no findings.
//
// Without an anchor it cannot see that the whole folder was replaced by an older
// state of itself, or, by somebody who has the key, by another trail.
func Verify(ctx context.Context, dir string, o *VerifyOptions) (Report, error) {
	return VerifyFS(ctx, vfs.OS(), dir, o)
}

// VerifyFS is Verify on any file system. It is for the other packages of this
// module.
func VerifyFS(ctx context.Context, fsys vfs.FS, dir string, o *VerifyOptions) (Report, error) {
	if o == nil {
		o = &VerifyOptions{}
	}
	v := verification{trusted: o.Verifiers}
	if v.trusted == nil {
		pair, err := folderKey(fsys, dir)
		if errors.Is(err, fs.ErrNotExist) {
			if _, err := fsys.ReadDir(dir); err != nil {
				return v.report, fmt.Errorf("audit: %w", err) // no folder: a key is not what is missing
			}
			return v.report, fmt.Errorf("%w: no Verifiers, and no %s in the folder", ErrKey, keyName)
		}
		if err != nil {
			return v.report, err
		}
		key, err := note.NewVerifier(pair.verifier)
		if err != nil {
			return v.report, fmt.Errorf("%w: %s: %w", ErrKey, keyName, err)
		}
		v.trusted, v.report.FolderKey = note.VerifierList(key), true
	}
	for try := 1; ; try++ {
		w := v
		w.checker = &checker{}
		err := w.run(ctx, fsys, dir, o.Anchors)
		if errors.Is(err, ErrMissing) && moved(fsys, dir, w.names) {
			if try < maxTries {
				continue
			}
			err = errMoving // nobody knows whether any is missing
		}
		w.finish()
		return w.report, err
	}
}

// maxTries is how often a trail is followed of which files are rotated meanwhile: each
// time takes as long as the whole.
const maxTries = 10

// errMoving is no finding: it is worth trying again.
var errMoving = errors.New("audit: files of the trail were rotated or deleted faster than they could be read")

// verification is one run of Verify.
type verification struct {
	*checker
	trusted note.Verifiers
	report  Report
	names   []string // of the files, when it began
}

// moved reports whether a trail has other files than it had: it was rotated, or
// retention deleted one. Nothing is missing then because it was looked for elsewhere.
func moved(fsys vfs.FS, dir string, had []string) bool {
	names, _ := readOrder(fsys, dir) // what went wrong leaves none
	return !slices.Equal(names, had)
}

func (v *verification) run(ctx context.Context, fsys vfs.FS, dir string, anchors [][]byte) error {
	published, err := publishedCheckpoint(fsys, dir)
	if err != nil {
		return fmt.Errorf("audit: %w", err)
	}
	var known []Checkpoint
	for i, text := range anchors {
		a, err := OpenCheckpoint(text, v.trusted)
		if err != nil {
			return &DamageError{File: fmt.Sprintf("anchor %d", i), Err: err}
		}
		known = append(known, a)
	}
	if published != nil {
		p, err := OpenCheckpoint(published, v.trusted)
		if err != nil {
			return &DamageError{File: checkpointName, Err: err}
		}
		known = append(known, p)
	}
	v.expect(known)
	if v.names, err = readOrder(fsys, dir); err != nil {
		return err
	}
	folder, err := rotation.OpenFolderFS(fsys, dir)
	if err != nil {
		return fmt.Errorf("audit: %w", err)
	}
	defer folder.Close()
	for _, name := range v.names {
		if err := v.file(ctx, fsys, folder, dir, name); err != nil {
			return err
		}
	}
	return v.whole()
}

// readOrder lists the files of a trail, the active one last. When a rotation was
// interrupted, that is the one made ahead.
func readOrder(fsys vfs.FS, dir string) ([]string, error) {
	names, active, err := trailFiles(fsys, dir)
	if err != nil {
		return nil, fmt.Errorf("audit: %w", err)
	}
	if active {
		return append(names, activeName), nil
	}
	ahead, err := exists(fsys, dir, nextName)
	if err != nil {
		return nil, fmt.Errorf("audit: %w", err)
	}
	if ahead && len(names) > 0 {
		return append(names, nextName), nil
	}
	return nil, &DamageError{File: activeName, Err: fmt.Errorf("%w: %s", ErrMissing, activeName)}
}

// text is the text of a file, for reading anywhere.
type text interface {
	io.ReaderAt
	io.Closer
	Size() int64
}

// openText opens a file of the trail, whether it is compressed or not.
func openText(fsys vfs.FS, folder *rotation.Folder, dir, name string) (text, error) {
	if name != nextName {
		return folder.ReaderAt(name)
	}
	return openPlain(fsys, dir, name)
}

// file follows the lines of one file.
func (v *verification) file(ctx context.Context, fsys vfs.FS, folder *rotation.Folder, dir, name string) error {
	t, err := openText(fsys, folder, dir, name)
	if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, block.ErrFormat) && !errors.As(err, new(*block.CorruptError)) {
		return fmt.Errorf("audit: %w", err) // it is there, and nobody can say how it is
	}
	if err != nil {
		return &DamageError{File: name, Seq: uint64(v.head.size), Err: fmt.Errorf("%w: %w", ErrMissing, err)}
	}
	defer t.Close() // only read
	first := !v.started
	v.open(name)
	scan := newLineScan(t, v.trusted)
	end, err := scan.each(ctx, v.take)
	if err == nil && scan.blocks != nil {
		err = scan.blocks.NothingHidden()
	}
	if first && v.started {
		v.report.First = uint64(v.checker.first)
	}
	if v.started {
		v.report.Files++
	}
	if err != nil {
		if ctx.Err() != nil || damaged(err) {
			return err
		}
		// What cannot be read, such as a compressed file with a wrong checksum.
		return &DamageError{File: name, Offset: end, Seq: uint64(v.good.size), Err: fmt.Errorf("%w: %w", ErrLine, err)}
	}
	if end < t.Size() || v.good.size != v.head.size || !v.begun {
		return &DamageError{File: name, Offset: v.goodEnd, Seq: uint64(v.good.size), Err: ErrUncovered}
	}
	return v.forms(ctx, fsys, folder, dir, name, t)
}

// forms compares a sealed file with the other forms in which it is there: while it is
// compressed there are two, and somebody may look at either.
func (v *verification) forms(ctx context.Context, fsys vfs.FS, folder *rotation.Folder, dir, name string, t text) error {
	var there []string
	for _, form := range []string{name, name + ".gz", name + ".zst"} {
		if ok, err := exists(fsys, dir, form); err != nil {
			return fmt.Errorf("audit: %w", err)
		} else if ok {
			there = append(there, form)
		}
	}
	for i := 1; i < len(there); i++ { // the first is the one that was followed
		other, err := folder.ReaderOf(there[i])
		if errors.Is(err, rotation.ErrNotFound) {
			continue // it is a link or a folder, or is gone
		}
		same := err == nil
		if same {
			same, err = sameText(ctx, t, other)
			err = errors.Join(err, other.Close())
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err != nil || !same {
			return &DamageError{File: there[i], Seq: uint64(v.good.size), Err: errors.Join(fmt.Errorf("%w: it does not hold what %s does", ErrLine, there[0]), err)}
		}
	}
	return nil
}

// sameText reports whether two files hold the same text, and nothing beside it.
func sameText(ctx context.Context, a, b text) (bool, error) {
	if a.Size() != b.Size() {
		return false, nil
	}
	if blocks := newLineScan(b, nil).blocks; blocks != nil {
		if err := blocks.NothingHidden(); err != nil {
			return false, err
		}
	}
	one, two := make([]byte, chunkBytes), make([]byte, chunkBytes)
	for at := int64(0); at < a.Size() && ctx.Err() == nil; at += chunkBytes {
		n := min(a.Size()-at, chunkBytes)
		if m, err := a.ReadAt(one[:n], at); int64(m) < n {
			return false, noEOF(err)
		}
		if m, err := b.ReadAt(two[:n], at); int64(m) < n {
			return false, noEOF(err)
		}
		if !bytes.Equal(one[:n], two[:n]) {
			return false, nil
		}
	}
	return true, nil
}

// whole checks what only the end can tell.
func (v *verification) whole() error {
	if err := v.unmet(); err != nil {
		return err
	}
	first := v.report.First
	if first == 0 {
		return nil
	}
	for _, d := range v.deleted {
		if d.end == first {
			return nil
		}
	}
	return &DamageError{File: v.checker.file, Err: fmt.Errorf("%w: no record says that records 0 to %d were deleted", ErrMissing, first-1)}
}

func (v *verification) finish() {
	r := &v.report
	r.Origin, r.Size, r.Checkpoints, r.Checkpoint = v.origin, uint64(v.good.size), v.points, v.last
	for _, a := range v.anchors[:v.met] {
		if a.Size < r.First {
			r.OlderAnchors++
		} else {
			r.Anchors++
		}
	}
}
