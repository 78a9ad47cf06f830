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
	"os"
	"path/filepath"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/steplog/steplog/audit"
	"github.com/steplog/steplog/internal/vfs"
)

const (
	// height is that of a tile: 2^8 hashes.
	height = 8
	width  = 1 << height
)

// ErrRetained is returned for a trail whose first records were deleted by
// retention: their tiles can no longer be made.
var ErrRetained = errors.New("tiles: the beginning of the trail was deleted by retention")

// Export writes the trail in the folder trail to the folder out, making it when
// it is absent, and returns the checkpoint that the export ends with. Exporting
// again into the same folder adds what is new: full tiles never change, and those
// that are there are left alone. The checkpoint is written last.
//
// A record that is not the one of which the tree has the hash is an error. Signatures are
// not checked: see [audit.Verify] for that.
func Export(ctx context.Context, trail, out string) (audit.Checkpoint, error) {
	p, err := audit.OpenProver(trail)
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
}

func (x *exporter) run() error {
	if x.prover.First() > 0 {
		return ErrRetained
	}
	if err := x.entries(); err != nil {
		return err
	}
	for _, t := range tlog.NewTiles(height, 0, x.size) {
		if err := x.ctx.Err(); err != nil {
			return err
		}
		path := filepath.Join("tile", fmt.Sprint(t.L), number(t.N, t.W))
		if x.there(path, t.W) {
			continue
		}
		data, err := tlog.ReadTileData(t, x.prover)
		if err != nil {
			return err
		}
		if err := x.write(path, data); err != nil {
			return err
		}
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
		err = fmt.Errorf("record %d is not the one of which the tree has the hash", n)
	}
	return err
}

// firstMissing is the first record whose full bundle is not there yet.
func (x *exporter) firstMissing() int64 {
	var n int64
	for (n+1)*width <= x.size && x.there(filepath.Join("tile", "entries", number(n, width)), width) {
		n++
	}
	return n * width
}

// there reports whether a full tile was written by an earlier export.
func (x *exporter) there(path string, w int) bool {
	if w != width {
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
