package audit

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/steplog/steplog/internal/vfs"
	"github.com/steplog/steplog/rotation"
)

// Prove makes the proof for one record of the trail in a folder. Of a record in
// a sealed file it reads that file's hashes and the checkpoint that the file ends
// with, to which the proof leads; for any other it does what [OpenProver] does,
// and the proof leads to the newest checkpoint. It returns [ErrNotProvable] for a
// record that is not there.
func Prove(ctx context.Context, dir string, seq uint64) (Proof, error) {
	return ProveFS(ctx, vfs.OS(), dir, seq)
}

// ProveFS is Prove on any file system. It is for the other packages of this
// module.
func ProveFS(ctx context.Context, fsys vfs.FS, dir string, seq uint64) (Proof, error) {
	p, err := openSealed(fsys, dir, seq)
	if err == nil && p == nil {
		p, err = OpenProverFS(fsys, dir)
	}
	if err != nil {
		return Proof{}, err
	}
	proof, err := p.Prove(ctx, seq)
	err = errors.Join(err, p.Close())
	if errors.Is(err, errSidecar) { // the text says what is right
		if p, err = openProver(fsys, dir, false); err == nil {
			proof, err = p.Prove(ctx, seq)
			err = errors.Join(err, p.Close())
		}
	}
	if err != nil {
		return Proof{}, err
	}
	return proof, nil
}

// openSealed is a Prover that sees the trail as it was when the file of a record
// was sealed, with that file alone. It is nil when there is no such file, or
// anything about it is not as it should be: the whole trail tells more then.
func openSealed(fsys vfs.FS, dir string, seq uint64) (*Prover, error) {
	names, err := readOrder(fsys, dir)
	if err != nil {
		return nil, nil
	}
	q, next := sealedPart(fsys, dir, names, seq)
	if q == nil {
		return nil, nil
	}
	folder, err := rotation.OpenFolderFS(fsys, dir)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("audit: %w", err), q.close())
	}
	p := newProver(fsys, dir, folder)
	point, err := firstPoint(fsys, folder, dir, next)
	head, herr := q.head()
	if err != nil || herr != nil || int64(point.Size) != head.size || point.Root != head.root() {
		return nil, errors.Join(q.close(), p.Close())
	}
	p.checkpoint = point
	if err := p.join(q); err != nil {
		return nil, errors.Join(err, p.Close())
	}
	return p, nil
}

// sealedPart searches the sealed files for a record and returns the hashes of
// the one that has it, and the name of the next file; nil when one of those that
// it looked at has no usable sidecar.
func sealedPart(fsys vfs.FS, dir string, names []string, seq uint64) (q *part, next string) {
	for lo, hi := 0, len(names)-1; lo < hi; {
		mid := (lo + hi) / 2
		q, err := openHashes(fsys, dir, names[mid], os.O_RDONLY)
		if err != nil {
			return nil, ""
		}
		first, end := uint64(q.first), uint64(q.first+q.count)
		if first <= seq && seq < end {
			return q, names[mid+1]
		}
		if q.close() != nil {
			return nil, ""
		}
		if seq < first {
			hi = mid
		} else {
			lo = mid + 1
		}
	}
	return nil, ""
}

// firstPoint reads the checkpoint that a file begins with. Its signature is not
// looked at.
func firstPoint(fsys vfs.FS, folder *rotation.Folder, dir, name string) (Checkpoint, error) {
	t, err := openText(fsys, folder, dir, name)
	if err != nil {
		return Checkpoint{}, err
	}
	defer t.Close() // only read
	return pointOf(t)
}

// pointOf reads the checkpoint that a text begins with.
func pointOf(t text) (Checkpoint, error) {
	line, err := newLineReader(t, 8<<10).next()
	if err != nil {
		return Checkpoint{}, err
	}
	point, f, err := parsePoint(line, nil)
	if err != nil {
		return Checkpoint{}, err
	}
	if f == nil {
		return Checkpoint{}, ErrLine
	}
	return point, nil
}
