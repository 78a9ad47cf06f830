// Package tiles writes an audit trail as a C2SP tlog-tiles log
// (https://c2sp.org/tlog-tiles): a folder of static files that any web server
// can serve and any client of transparency logs can check, without this library.
//
//	checkpoint              the newest signed checkpoint
//	tile/<L>/<N>            hashes of the tree, 256 a file
//	tile/entries/<N>        the records' lines, 256 a file
//
// The last tile of a level may be partial: it ends in .p/<W>. An entry is the
// bytes of a line without its newline, and so is the leaf that is hashed.
package tiles

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/steplog/steplog/audit"
	"github.com/steplog/steplog/internal/vfs"
)

const (
	// height is that of a tile: 2^8 hashes.
	height = 8
	width  = 1 << height
	// maxCheckpoint is how much is read of a checkpoint that is there, in bytes.
	maxCheckpoint = 64 << 10
)

// ErrOther is returned for a folder that has the export of another trail, or of records
// that this one does not have: the folder is left as it is.
var ErrOther = errors.New("tiles: the folder has the export of another trail, or of another state of this one; export to a new one")

// ErrRetained is returned for a trail whose first records were deleted by
// retention: their tiles can no longer be made.
var ErrRetained = errors.New("tiles: the beginning of the trail was deleted by retention")

// Export writes the trail in the folder trail to the folder out, making it when
// it is absent, and returns the checkpoint that the export ends with. Exporting
// again into the same folder adds what is new: full tiles never change, and those
// that are there, and that the checkpoint there covers, are left alone. The checkpoint
// is written last. Into a folder whose checkpoint is not of an earlier state of the
// trail nothing is written: that is [ErrOther]. One export at a time may go to a folder;
// one beside it may fail.
//
// A trail whose records do not have the root that its checkpoint says is an error, and
// the checkpoint is not written. Signatures are not checked: see [audit.Verify] for that.
func Export(ctx context.Context, trail, out string) (audit.Checkpoint, error) {
	point, err := export(ctx, out, audit.OpenProver, trail)
	if errors.Is(err, errTree) || errors.Is(err, ErrOther) {
		// The hashes beside the text are not synced, and a copy may have others.
		point, err = export(ctx, out, audit.OpenTextProver, trail)
	}
	return point, err
}

// errTree is wrapped by what is found of hashes that do not fit together.
var errTree = errors.New("the tree is not the one of the checkpoint")

func export(ctx context.Context, out string, open func(dir string) (*audit.Prover, error), trail string) (audit.Checkpoint, error) {
	p, err := open(trail)
	if err != nil {
		return audit.Checkpoint{}, err
	}
	x := exporter{ctx: ctx, fs: vfs.OS(), out: out, prover: p, size: int64(p.Checkpoint().Size)}
	if err := errors.Join(x.run(), p.Close()); err != nil {
		return audit.Checkpoint{}, fmt.Errorf("tiles: export %s: %w", trail, err)
	}
	return p.Checkpoint(), nil
}

type exporter struct {
	ctx    context.Context // of the call that the export lives in
	fs     vfs.FS
	out    string
	prover *audit.Prover
	size   int64
	old    int64   // how many records the export has that is there
	leaves []int64 // by stored index, one of each tile of these that was written
}

func (x *exporter) run() error {
	if x.prover.First() > 0 {
		return ErrRetained
	}
	if err := x.goesOn(); err != nil {
		return err
	}
	if err := x.entries(); err != nil {
		return err
	}
	for _, t := range tlog.NewTiles(height, 0, x.size) {
		if err := x.ctx.Err(); err != nil {
			return err
		}
		path := tilePath(t)
		if x.there(path, t.W, (t.N+1)<<(height*(t.L+1))) {
			continue
		}
		data, err := tlog.ReadTileData(t, x.prover)
		if err != nil {
			return err
		}
		if err := x.write(path, data); err != nil {
			return err
		}
		if t.L == 0 {
			x.leaves = append(x.leaves, tlog.StoredHashIndex(0, t.N*width))
		}
	}
	if x.size > 0 {
		x.leaves = append(x.leaves, tlog.StoredHashIndex(0, x.size-1)) // partial tiles of upper levels are on its way
	}
	if err := x.verify(); err != nil {
		return err
	}
	return x.write("checkpoint", x.prover.Checkpoint().Note)
}

// entries writes the bundles of lines: each line after its length, 16 bits, big
// endian.
func (x *exporter) entries() error {
	from := x.firstMissing()
	var bundle []byte
	n := from
	flush := func() error {
		if len(bundle) == 0 {
			return nil
		}
		w := int((n-1)%width) + 1
		err := x.write(filepath.Join("tile", "entries", number((n-1)/width, w)), bundle)
		bundle = bundle[:0]
		return err
	}
	for line, err := range x.prover.Lines(uint64(from)) {
		if err == nil {
			err = x.check(n, line)
		}
		if err != nil {
			return err
		}
		bundle = binary.BigEndian.AppendUint16(bundle, uint16(len(line)))
		bundle = append(bundle, line...)
		if n++; n%width == 0 {
			if err := errors.Join(flush(), x.ctx.Err()); err != nil {
				return err
			}
		}
	}
	if n != x.size {
		return fmt.Errorf("%d records instead of %d", n, x.size)
	}
	return flush()
}

// check compares a record with the hash that the tree has of it, which may be older than
// what somebody made of the text.
func (x *exporter) check(n int64, line []byte) error {
	hashes, err := x.prover.ReadHashes([]int64{tlog.StoredHashIndex(0, n)})
	if err == nil && hashes[0] != tlog.RecordHash(line) {
		err = fmt.Errorf("%w: record %d has another hash there", errTree, n)
	}
	return err
}

// verify reads what was written as a client does, who trusts the checkpoint alone.
func (x *exporter) verify() error {
	tree := tlog.TileHashReader(tlog.Tree{N: x.size, Hash: x.prover.Checkpoint().Root}, written{x})
	for leaves := range slices.Chunk(x.leaves, width) {
		if err := x.ctx.Err(); err != nil {
			return err
		}
		if _, err := tree.ReadHashes(leaves); err != nil {
			return fmt.Errorf("%w: %w", errTree, err)
		}
	}
	return nil
}

// written reads tiles back.
type written struct{ x *exporter }

// Height is that of a tile.
func (w written) Height() int { return height }

// ReadTiles reads some tiles.
func (w written) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	all := make([][]byte, len(tiles))
	for i, t := range tiles {
		var err error
		if all[i], err = vfs.ReadWhole(w.x.fs, filepath.Join(w.x.out, tilePath(t)), width*tlog.HashSize); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// SaveTiles keeps nothing.
func (w written) SaveTiles([]tlog.Tile, [][]byte) {}

// tilePath is where a tile of hashes lies in an export.
func tilePath(t tlog.Tile) string { return filepath.Join("tile", fmt.Sprint(t.L), number(t.N, t.W)) }

// firstMissing is the first record whose full bundle is not there yet.
func (x *exporter) firstMissing() int64 {
	var n int64
	for (n+1)*width <= x.size && x.there(filepath.Join("tile", "entries", number(n, width)), width, (n+1)*width) {
		n++
	}
	return n * width
}

// goesOn checks that the export that is there, if one is, is of an earlier state of the
// trail.
func (x *exporter) goesOn() error {
	text, err := vfs.ReadWhole(x.fs, filepath.Join(x.out, "checkpoint"), maxCheckpoint)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	lines := strings.SplitN(string(text), "\n", 4)
	if len(lines) < 4 || lines[0] != x.prover.Checkpoint().Origin {
		return ErrOther
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil || size < 0 || size > x.size {
		return ErrOther
	}
	root, err := tlog.TreeHash(size, x.prover)
	if err != nil {
		return err
	}
	if root.String() != lines[2] {
		return ErrOther
	}
	x.old = size
	return nil
}

// there reports whether a full tile, of records up to one, was written by an earlier
// export that came to its end.
func (x *exporter) there(path string, w int, end int64) bool {
	if w != width || end > x.old {
		return false
	}
	_, err := x.fs.Lstat(filepath.Join(x.out, path))
	return err == nil
}

// number is the path of the n-th tile of a level: groups of three digits, all
// but the last with an x before them, and the width of a partial one.
func number(n int64, w int) string {
	path := fmt.Sprintf("%03d", n%1000)
	for n >= 1000 {
		n /= 1000
		path = fmt.Sprintf("x%03d/%s", n%1000, path)
	}
	if w != width {
		path += fmt.Sprintf(".p/%d", w)
	}
	return filepath.FromSlash(path)
}

// write has a file appear whole.
func (x *exporter) write(path string, data []byte) error {
	full := filepath.Join(x.out, path)
	if err := x.fs.MkdirAll(filepath.Dir(full), 0o755); err != nil {
		return err
	}
	temporary := full + ".tmp"
	f, err := x.fs.OpenFile(temporary, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return errors.Join(err, x.fs.Remove(temporary))
	}
	return x.fs.Rename(temporary, full)
}
