package segment

import (
	"encoding/binary"

	"github.com/steplog/steplog/internal/block"
)

// meta is what a file says of itself, as varints:
//
//	format of the data, its size, its CRC-32C | 1 when it is grouped by run
//	| size of the text, of its head | rows, scopes, owners
//	| number of classes, those | rows per class | ref of each level
//	| number of fields, their paths
type meta struct {
	data
	text, head           int64
	rows, scopes, owners int
	classes              []byte
	counts               Counts
	levels               [levelCount]Ref
	fields               []string
}

func (m *meta) encode() []byte {
	b := binary.AppendUvarint(nil, uint64(m.format))
	b = binary.AppendUvarint(b, uint64(m.size))
	b = binary.AppendUvarint(b, uint64(m.crc))
	grouped := uint64(0)
	if m.grouped {
		grouped = 1
	}
	for _, n := range [...]uint64{grouped, uint64(m.text), uint64(m.head), uint64(m.rows), uint64(m.scopes), uint64(m.owners)} {
		b = binary.AppendUvarint(b, n)
	}
	b = appendText(b, string(m.classes))
	for _, class := range m.classes {
		b = binary.AppendUvarint(b, uint64(m.counts[class/kindCount][class%kindCount]))
	}
	for _, r := range m.levels {
		b = r.append(b)
	}
	b = binary.AppendUvarint(b, uint64(len(m.fields)))
	for _, f := range m.fields {
		b = appendText(b, f)
	}
	return b
}

func decodeMeta(b []byte) (m meta, ok bool) {
	w := read(b)
	m.format = block.Format(w.Uvarint())
	m.size, m.crc = int64(w.Uvarint()), uint32(w.Uvarint())
	m.grouped = w.Uvarint() == 1
	m.text, m.head = int64(w.Uvarint()), int64(w.Uvarint())
	rows, scopes, owners := w.Uvarint(), w.Uvarint(), w.Uvarint()
	m.classes = []byte(w.text())
	total := uint64(0)
	for _, class := range m.classes {
		if class >= levelCount*kindCount {
			return m, false
		}
		n := w.Uvarint()
		total += min(n, maxRows)
		m.counts[class/kindCount][class%kindCount] = uint32(min(n, maxRows))
	}
	for i := range m.levels {
		m.levels[i] = w.ref()
	}
	n := w.Count()
	if n > maxFields {
		return m, false
	}
	for range n {
		m.fields = append(m.fields, w.text())
	}
	m.rows, m.scopes, m.owners = int(min(rows, maxRows+1)), int(min(scopes, maxRows+1)), int(min(owners, maxRows+1))
	return m, !w.Bad && m.rows <= maxRows && m.scopes <= m.rows && m.owners <= m.rows && total == rows &&
		m.format <= block.Zstd && m.text >= 0 && m.text <= maxText && m.head >= 0 && m.head <= m.text && m.size >= 0 &&
		(m.rows == 0 || len(m.classes) > 0)
}
