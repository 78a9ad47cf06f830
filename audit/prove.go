package audit

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"sync"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/steplog/steplog/internal/vfs"
	"github.com/steplog/steplog/rotation"
)

// ErrNotProvable is returned for a record that is not in the trail, or no longer
// in it because retention deleted its file.
var ErrNotProvable = errors.New("audit: the record is not in the trail")

// Prover makes proofs that a record is in a trail. It sees the trail as it was
// when it was opened. It is safe for concurrent use.
type Prover struct {
	checkpoint Checkpoint
	first      int64
	before     frontier // of what stood before first
	fs         vfs.FS
	dir        string
	folder     *rotation.Folder

	mu    sync.Mutex          // guards what follows
	parts []*part             // by first record; each immutable
	known map[int64]tlog.Hash // by stored index
	old   []*part             // replaced by what their text says
}

// files are the parts as they are now.
func (p *Prover) files() []*part {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.parts
}

// upperLevel is the level from which on hashes are kept in memory once they were
// asked for, because most proofs share them: 32 bytes for 128 records at most,
// and those that lie in several files.
const upperLevel = 8

// Proof shows that a record is in a trail: the hashes on the way from its line
// to the root that a checkpoint signs (RFC 6962 §2.1.1).
type Proof struct {
	// Seq is the record's number.
	Seq uint64
	// Hashes are those beside the way, from the leaf to the root.
	Hashes []tlog.Hash
	// Checkpoint is the signed text.
	Checkpoint []byte
}

// Check reports whether a line, without its newline, is the record that the
// proof is of. It needs nothing but the key. It returns [ErrSignature] for a
// checkpoint that no trusted key signed, and [ErrRoot] when the line is not, or
// not as it stands here, what was signed.
func (p Proof) Check(line []byte, trusted note.Verifiers) error {
	point, err := OpenCheckpoint(p.Checkpoint, trusted)
	if err != nil {
		return err
	}
	return p.under(&point, line)
}

// under checks the proof against a checkpoint whose signature is good.
func (p *Proof) under(point *Checkpoint, line []byte) error {
	if seq, ok := seqOf(line); !ok || uint64(seq) != p.Seq || p.Seq >= point.Size {
		return fmt.Errorf("%w: the line is not record %d", ErrRoot, p.Seq)
	}
	err := tlog.CheckRecord(p.Hashes, int64(point.Size), point.Root, int64(p.Seq), tlog.RecordHash(line))
	if err != nil {
		return fmt.Errorf("%w: %w", ErrRoot, err)
	}
	return nil
}

// OpenProver opens the trail in a folder to prove what is in it. Sealed files
// are not read when their hashes lie beside them. It does not check signatures:
// whoever gets a proof does. The caller must Close it.
func OpenProver(dir string) (*Prover, error) { return OpenProverFS(vfs.OS(), dir) }

// OpenTextProver is OpenProver by the text of all files, for who has found that what lies
// beside it is wrong. It is for the other packages of this module.
func OpenTextProver(dir string) (*Prover, error) {
	fsys := vfs.OS()
	return openProver(fsys, vfs.Abs(fsys, dir), false)
}

// OpenProverFS is OpenProver on any file system. It is for the other packages of
// this module.
func OpenProverFS(fsys vfs.FS, dir string) (*Prover, error) {
	dir = vfs.Abs(fsys, dir)
	p, err := openProver(fsys, dir, true)
	if errors.Is(err, errSidecar) || damaged(err) { // which the sidecar of another file looks like
		return openProver(fsys, dir, false)
	}
	return p, err
}

// openProver opens all files, by their sidecars or by their text. It begins again where
// one was rotated or retained meanwhile.
func openProver(fsys vfs.FS, dir string, sidecars bool) (*Prover, error) {
	for range maxTries {
		names, err := readOrder(fsys, dir)
		var p *Prover
		if err == nil {
			p, err = openFiles(fsys, dir, names, sidecars)
		}
		if err == nil || !errors.Is(err, ErrMissing) && !errors.Is(err, fs.ErrNotExist) || !moved(fsys, dir, names) {
			return p, err
		}
	}
	return nil, errMoving
}

func openFiles(fsys vfs.FS, dir string, names []string, sidecars bool) (*Prover, error) {
	folder, err := rotation.OpenFolderFS(fsys, dir)
	if err != nil {
		return nil, fmt.Errorf("audit: %w", err)
	}
	p := newProver(fsys, dir, folder)
	for i, name := range names {
		if err := p.add(name, i == len(names)-1, sidecars); err != nil {
			return nil, errors.Join(fmt.Errorf("audit: prove: %s: %w", name, err), p.Close())
		}
	}
	return p, nil
}

func newProver(fsys vfs.FS, dir string, folder *rotation.Folder) *Prover {
	return &Prover{fs: fsys, dir: dir, folder: folder, known: map[int64]tlog.Hash{}}
}

// add takes in a file.
func (p *Prover) add(name string, last, sidecars bool) error {
	if !last && sidecars {
		part, err := openHashes(p.fs, p.dir, name, os.O_RDONLY)
		if err == nil {
			return p.join(part)
		}
		// Without a sidecar that can be used the text says the same.
	}
	t, err := openText(p.fs, p.folder, p.dir, name)
	if err != nil {
		return err
	}
	defer t.Close() // only read
	var known *part
	if last && sidecars {
		known, _ = openHashes(p.fs, p.dir, name, os.O_RDONLY) // as above
	}
	c, part, err := hashText(context.Background(), t, name, known)
	if err != nil {
		return err
	}
	if last {
		p.checkpoint = c.last
	}
	return p.join(part)
}

// join puts a file after those before it.
func (p *Prover) join(q *part) error {
	if len(p.parts) == 0 {
		p.first = q.first
		p.before.set(&q.before)
		p.parts = append(p.parts, q)
		return nil
	}
	end := p.parts[len(p.parts)-1]
	p.parts = append(p.parts, q)
	if next := end.first + end.count; next != q.first {
		return elsewhere(next, q.first)
	}
	head, err := end.head()
	if err == nil && !slices.Equal(head.hashes, q.before.hashes) {
		err = fmt.Errorf("%w: between %s and %s", errSidecar, end.name, q.name)
	}
	return err
}

// hashText hashes the lines of a file up to its last checkpoint; signatures are
// not looked at. What a sidecar that goes with the text has of them need not be
// read; known is nil when there is none, and belongs to the part that is returned,
// or is closed.
func hashText(ctx context.Context, t text, name string, known *part) (*checker, *part, error) {
	c := &checker{}
	c.open(name)
	scan := newLineScan(t, nil)
	q := &part{name: name}
	var head *frontier // of what q has
	if known != nil {
		if f, point, err := known.matches(t); err == nil {
			q, head, scan.from = known, &f, known.end
			c.resume(q.first, &q.before, &f, point, known.end)
		} else if err := known.close(); err != nil {
			return nil, nil, err
		}
	}
	c.onLeaves = func(leaves []tlog.Hash) {
		if head == nil {
			head = &frontier{}
			head.set(&c.start)
			q.first = c.start.size
		}
		q.add(head, leaves)
	}
	if _, err := scan.each(ctx, c.take); err != nil && (!damaged(err) || !c.begun) {
		return nil, nil, errors.Join(err, q.close())
	}
	if !c.begun {
		return nil, nil, errors.Join(ErrLine, q.close())
	}
	q.first, q.end = c.first, c.goodEnd
	q.before.set(&c.start)
	q.cut(c.good.size - c.first)
	return c, q, nil
}

// Checkpoint returns the newest checkpoint, which the proofs lead to.
func (p *Prover) Checkpoint() Checkpoint { return p.checkpoint }

// First returns the seq of the first record that is there.
func (p *Prover) First() uint64 { return uint64(p.first) }

// Prove makes the proof for a record. It returns [ErrNotProvable] for one that
// is not there.
func (p *Prover) Prove(ctx context.Context, seq uint64) (Proof, error) {
	if err := ctx.Err(); err != nil {
		return Proof{}, err
	}
	if seq < uint64(p.first) || seq >= p.checkpoint.Size {
		return Proof{}, fmt.Errorf("%w: %d of %d to %d", ErrNotProvable, seq, p.first, p.checkpoint.Size)
	}
	hashes, err := p.way(int64(seq))
	if errors.Is(err, errSidecar) {
		if err = p.reread(ctx); err == nil {
			hashes, err = p.way(int64(seq))
		}
	}
	if err != nil {
		return Proof{}, fmt.Errorf("audit: prove %d: %w", seq, err)
	}
	return Proof{Seq: seq, Hashes: hashes, Checkpoint: bytes.Clone(p.checkpoint.Note)}, nil
}

// way returns the hashes beside the way from a record to the root. It returns
// errSidecar when they do not lead there, because a sidecar has a wrong one.
func (p *Prover) way(seq int64) ([]tlog.Hash, error) {
	hashes, err := tlog.ProveRecord(int64(p.checkpoint.Size), seq, p)
	if err != nil {
		return nil, err
	}
	leaf, err := p.hash(0, seq)
	if err != nil {
		return nil, err
	}
	if tlog.CheckRecord(hashes, int64(p.checkpoint.Size), p.checkpoint.Root, seq, leaf) != nil {
		return nil, errSidecar
	}
	return hashes, nil
}

// reread has the text of every file say what its sidecar said.
func (p *Prover) reread(ctx context.Context) error {
	parts := slices.Clone(p.files())
	var old []*part
	for i, q := range parts {
		if q.file == nil {
			continue
		}
		t, err := p.textOf(q)
		if err != nil {
			return err
		}
		_, again, err := hashText(ctx, t, q.name, nil)
		if err = errors.Join(err, t.Close()); err != nil {
			return err
		}
		if again.first != q.first || again.count < q.count {
			return fmt.Errorf("%w: %s", ErrMissing, q.name)
		}
		again.cut(q.count) // it may have grown
		parts[i], old = again, append(old, q)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.parts, p.known, p.old = parts, map[int64]tlog.Hash{}, append(p.old, old...)
	return nil
}

// ReadHashes returns hashes of the tree by their stored index. It makes the
// Prover a tlog.HashReader.
func (p *Prover) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	hashes := make([]tlog.Hash, len(indexes))
	for i, index := range indexes {
		level, n := tlog.SplitStoredHashIndex(index)
		h, err := p.hash(level, n)
		if err != nil {
			return nil, err
		}
		hashes[i] = h
	}
	return hashes, nil
}

// hash is the root of the n-th complete subtree of a level.
func (p *Prover) hash(level int, n int64) (tlog.Hash, error) {
	from, to := n<<level, (n+1)<<level
	if to <= p.first {
		h, ok := p.before.subtree(level, n)
		if !ok {
			return h, fmt.Errorf("%w: it was deleted by retention", ErrNotProvable)
		}
		return h, nil
	}
	parts := p.files()
	i := sort.Search(len(parts), func(i int) bool { return parts[i].first+parts[i].count > from })
	whole := i < len(parts) && parts[i].first <= from && to <= parts[i].first+parts[i].count
	switch {
	case whole && level < upperLevel:
		return parts[i].hash(level, n)
	case level == 0:
		return tlog.Hash{}, fmt.Errorf("%w: %d", ErrNotProvable, from)
	}
	index := tlog.StoredHashIndex(level, n)
	p.mu.Lock()
	h, ok := p.known[index]
	p.mu.Unlock()
	if ok {
		return h, nil
	}
	var err error
	if whole {
		h, err = parts[i].hash(level, n)
	} else {
		h, err = p.joined(level, n)
	}
	if err != nil {
		return h, err
	}
	p.mu.Lock()
	p.known[index] = h
	p.mu.Unlock()
	return h, nil
}

// joined is the root of a subtree that lies in more than one file.
func (p *Prover) joined(level int, n int64) (tlog.Hash, error) {
	left, err := p.hash(level-1, 2*n)
	if err != nil {
		return left, err
	}
	right, err := p.hash(level-1, 2*n+1)
	if err != nil {
		return right, err
	}
	return tlog.NodeHash(left, right), nil
}

// Lines returns the lines of the records from one on, without their newlines, up
// to the newest checkpoint. A line is valid until the next one.
func (p *Prover) Lines(from uint64) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		for _, q := range p.files() {
			if uint64(q.first+q.count) <= from {
				continue
			}
			if !p.lines(q, from, yield) {
				return
			}
		}
	}
}

func (p *Prover) lines(q *part, from uint64, yield func([]byte, error) bool) bool {
	t, err := p.textOf(q)
	if err != nil {
		yield(nil, fmt.Errorf("audit: %w", err))
		return false
	}
	defer t.Close() // only read
	r := newLineReader(t, 256<<10)
	for {
		line, err := r.next()
		if errors.Is(err, io.EOF) {
			return true
		}
		if err != nil {
			yield(nil, fmt.Errorf("audit: read %s: %w", q.name, err))
			return false
		}
		seq, ok := seqOf(line)
		if !ok || uint64(seq) < from {
			continue
		}
		if seq >= q.first+q.count {
			return true
		}
		if !yield(line, nil) {
			return false
		}
	}
}

// textOf opens the text of a part. That of the newest may have another name by now: a
// file is not kept open for it, which would keep its writer from rotating on some systems.
func (p *Prover) textOf(q *part) (text, error) {
	if q.name != activeName && q.name != nextName {
		return openText(p.fs, p.folder, p.dir, q.name)
	}
	for range maxTries {
		names, err := readOrder(p.fs, p.dir)
		var t text
		if err == nil {
			t, err = p.beginning(names, q.first)
		}
		if t != nil || !moved(p.fs, p.dir, names) {
			return t, err
		}
	}
	return nil, errMoving
}

// beginning opens the file that begins with a record.
func (p *Prover) beginning(names []string, first int64) (text, error) {
	for _, name := range slices.Backward(names) {
		t, err := openText(p.fs, p.folder, p.dir, name)
		if err != nil {
			return nil, err
		}
		point, err := pointOf(t)
		if err == nil && int64(point.Size) == first {
			return t, nil
		}
		if err = errors.Join(err, t.Close()); err != nil || int64(point.Size) < first {
			return nil, errors.Join(fmt.Errorf("%w: record %d", ErrMissing, first), err)
		}
	}
	return nil, fmt.Errorf("%w: record %d", ErrGone, first)
}

// Close lets go of the files.
func (p *Prover) Close() error {
	var err error
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, q := range append(p.parts, p.old...) {
		err = errors.Join(err, q.close())
	}
	p.parts, p.old = nil, nil
	return errors.Join(err, p.folder.Close())
}

// openPlain opens a file that no Folder lists.
func openPlain(fsys vfs.FS, dir, name string) (text, error) {
	f, err := fsys.OpenFile(filepath.Join(dir, name), os.O_RDONLY, 0)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return plainText{f, info.Size()}, nil
}

type plainText struct {
	vfs.File
	size int64
}

func (p plainText) Size() int64 { return p.size }
