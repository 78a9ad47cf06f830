package segment

import (
	"encoding/binary"

	"github.com/steplog/steplog/internal/wire"
)

// reader takes the parts of a sidecar.
type reader struct{ wire.Reader }

func read(b []byte) reader { return reader{wire.Reader{B: b}} }

func (w *reader) text() string { return string(w.Bytes(w.Count())) }

func appendText(dst []byte, s string) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(s)))
	return append(dst, s...)
}
