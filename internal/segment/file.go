package segment

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
)

// A sidecar:
//
//	header (32) | sections, each at a multiple of 8 … | table of contents | footer (32)
//
// The header says what the file is, the footer where the table is.
const (
	headMagic = "steplog index\n\x00\x00" // 16 bytes
	footMagic = "end of index\n\x00\x00\x00"
	version   = 2

	headBytes    = 32
	footBytes    = 32
	entryBytes   = 24
	maxSections  = 256
	sectionAlign = 8
)

// sectionID names a section. The numbers are part of the format.
type sectionID uint32

const (
	secMeta      sectionID = 1
	secFrames    sectionID = 2
	secColumns   sectionID = 3
	secPlaces    sectionID = 4
	secOrder     sectionID = 5
	secStrings   sectionID = 6
	secScopes    sectionID = 7
	secOwners    sectionID = 8
	secPostings  sectionID = 9
	secLifecycle sectionID = 10
	secMessage   sectionID = 16 // terms of the message
	secTopic     sectionID = 17 // the topic
	secFields    sectionID = 32 // the first indexed field; the others follow
)

// section is one part of a file.
type section struct {
	id   sectionID
	data []byte
}

// encodeFile puts sections together.
func encodeFile(sections []section) []byte {
	size := headBytes + footBytes + entryBytes*len(sections)
	for _, s := range sections {
		size += len(s.data) + sectionAlign
	}
	out := make([]byte, 0, size)
	out = append(out, headMagic...)
	out = binary.LittleEndian.AppendUint32(out, version)
	out = append(out, make([]byte, headBytes-len(out))...)
	table := make([]byte, 0, entryBytes*len(sections))
	for _, s := range sections {
		for len(out)%sectionAlign != 0 {
			out = append(out, 0)
		}
		table = binary.LittleEndian.AppendUint32(table, uint32(s.id))
		table = binary.LittleEndian.AppendUint32(table, crc32.Checksum(s.data, castagnoli))
		table = binary.LittleEndian.AppendUint64(table, uint64(len(out)))
		table = binary.LittleEndian.AppendUint64(table, uint64(len(s.data)))
		out = append(out, s.data...)
	}
	for len(out)%sectionAlign != 0 {
		out = append(out, 0)
	}
	at := len(out)
	out = append(out, table...)
	foot := binary.LittleEndian.AppendUint64(nil, uint64(at))
	foot = binary.LittleEndian.AppendUint32(foot, uint32(len(sections)))
	foot = binary.LittleEndian.AppendUint32(foot, crc32.Checksum(table, castagnoli))
	foot = append(foot, footMagic...)
	return append(out, foot...)
}

// extent is where a section lies, and what its bytes sum up to.
type extent struct {
	at, size int64
	crc      uint32
}

// decodeTable checks the frame of a file and returns where its sections lie.
func decodeTable(b []byte) (map[sectionID]extent, error) {
	if len(b) < len(headMagic) || string(b[:len(headMagic)]) != headMagic {
		return nil, ErrFormat
	}
	if len(b) < headBytes+footBytes {
		return nil, &CorruptError{0, errCut}
	}
	if v := binary.LittleEndian.Uint32(b[len(headMagic):]); v > version {
		return nil, ErrVersion
	} else if v == 0 {
		return nil, &CorruptError{int64(len(headMagic)), errTable}
	}
	foot := b[len(b)-footBytes:]
	if string(foot[16:]) != footMagic {
		return nil, &CorruptError{int64(len(b) - footBytes), errCut}
	}
	at, count := binary.LittleEndian.Uint64(foot), binary.LittleEndian.Uint32(foot[8:])
	end := uint64(len(b) - footBytes)
	if count > maxSections || at > end || end-at != uint64(count)*entryBytes {
		return nil, &CorruptError{int64(len(b) - footBytes), errTable}
	}
	table := b[at:end]
	if crc32.Checksum(table, castagnoli) != binary.LittleEndian.Uint32(foot[12:]) {
		return nil, &CorruptError{int64(at), errChecksum}
	}
	sections := make(map[sectionID]extent, count)
	for i := range int(count) {
		e := table[i*entryBytes:]
		x := extent{int64(binary.LittleEndian.Uint64(e[8:])), int64(binary.LittleEndian.Uint64(e[16:])), binary.LittleEndian.Uint32(e[4:])}
		id := sectionID(binary.LittleEndian.Uint32(e))
		_, twice := sections[id]
		if twice || x.at < headBytes || x.size < 0 || x.at > int64(at) || x.size > int64(at)-x.at || x.at%sectionAlign != 0 {
			return nil, &CorruptError{int64(at) + int64(i*entryBytes), fmt.Errorf("%w: section %d", errTable, id)}
		}
		sections[id] = x
	}
	return sections, nil
}
