package tables

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
)

// MostBeside is beside how many rows something is kept.
const MostBeside = mostBeside * Together

// Signed returns what may be a file of tables with checksums that fit, where there are
// any.
func Signed(b []byte) []byte {
	b = bytes.Clone(b)
	if len(b) < tablesStart+tablesFoot {
		return b
	}
	foot := b[len(b)-tablesFoot:]
	rest := b[tablesStart : len(b)-tablesFoot]
	for i := range savedSections {
		size := binary.LittleEndian.Uint64(foot[12*i:])
		if size > uint64(len(rest)) {
			return b
		}
		binary.LittleEndian.PutUint32(foot[12*i+8:], crc32.Checksum(rest[:size], polynomial))
		rest = rest[size:]
	}
	n := tablesFoot - 4
	binary.LittleEndian.PutUint32(foot[n:], footSum(b[:tablesStart], foot[:n]))
	return b
}

// Believe takes what was saved for that of the folder, and returns the files it names.
func (s *Saved) Believe() (names [][2]string) {
	s.at = map[string]*savedSegment{}
	for _, f := range s.files {
		s.at[f.name], f.found = f, true
		names = append(names, [2]string{f.log, f.name})
	}
	return names
}
