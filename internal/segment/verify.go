package segment

import (
	"bytes"
	"context"
	"encoding/binary"
	"io"
)

// Verify checks a sidecar against the data it belongs to: it makes the sidecar
// again and compares it, byte for byte. It returns [ErrStale] for other data,
// what [Read] returns for a sidecar that cannot be read, and a *[CorruptError]
// for one that does not say what the text does. Of one that an earlier version made,
// checksums and the data are compared alone.
func Verify(ctx context.Context, r io.ReaderAt, size int64, sidecar []byte) error {
	x, err := Read(sidecar, nil)
	if err != nil {
		return err
	}
	if err := x.CheckAll(); err != nil {
		return err
	}
	if size != x.DataSize() {
		return ErrStale
	}
	again, err := Rebuild(ctx, r, size, Options{Fields: x.fields})
	if err != nil {
		return err
	}
	y, err := Read(again, nil)
	if err != nil {
		return err
	}
	if y.DataCRC() != x.DataCRC() {
		return ErrStale
	}
	if binary.LittleEndian.Uint32(sidecar[len(headMagic):]) < version {
		return nil
	}
	for i := range sidecar {
		if i >= len(again) || sidecar[i] != again[i] {
			return &CorruptError{int64(i), errContent}
		}
	}
	if !bytes.Equal(sidecar, again) {
		return &CorruptError{int64(len(sidecar)), errContent}
	}
	return nil
}
