package segment

import (
	"encoding/binary"
	"encoding/hex"
	"slices"
	"sort"
	"unsafe"
)

// Identifiers are numbered, the empty one first. Those that are UUIDs in their
// usual form, as RFC 9562 section 4 has it with small letters, are stored as the
// 16 bytes that they stand for, behind the others:
//
//	others, UUIDs (4 each) | ends of the others in their bytes (4 each) | those | UUIDs (16 each)
//
// Each kind is sorted.
type textTable struct {
	ends, texts, uuids []byte
}

const uuidText = 36

// parseUUID returns the bytes of a UUID in its usual form.
func parseUUID(s string) (u [16]byte, ok bool) {
	if len(s) != uuidText || s[8] != '-' || s[13] != '-' || s[18] != '-' || s[23] != '-' {
		return u, false
	}
	n := 0
	for i := 0; i < uuidText; i++ {
		c := s[i]
		switch {
		case i == 8 || i == 13 || i == 18 || i == 23:
			continue
		case c >= '0' && c <= '9':
			c -= '0'
		case c >= 'a' && c <= 'f':
			c -= 'a' - 10
		default:
			return u, false
		}
		u[n>>1] = u[n>>1]<<4 | c
		n++
	}
	return u, true
}

func formatUUID(u []byte) string {
	var b [uuidText]byte
	hex.Encode(b[:], u[:4])
	b[8] = '-'
	hex.Encode(b[9:], u[4:6])
	b[13] = '-'
	hex.Encode(b[14:], u[6:8])
	b[18] = '-'
	hex.Encode(b[19:], u[8:10])
	b[23] = '-'
	hex.Encode(b[24:], u[10:])
	return string(b[:])
}

// encodeTexts writes every identifier once, and returns their numbers.
func (p *people) encodeTexts() (table []byte, number map[string]uint64) {
	others, uuids := []string{""}, []string{}
	for s := range p.texts {
		if _, is := parseUUID(s); is {
			uuids = append(uuids, s)
		} else {
			others = append(others, s)
		}
	}
	slices.Sort(others)
	slices.Sort(uuids) // as their bytes would be
	number = make(map[string]uint64, len(others)+len(uuids))
	table = binary.LittleEndian.AppendUint32(nil, uint32(len(others)))
	table = binary.LittleEndian.AppendUint32(table, uint32(len(uuids)))
	end := uint32(0)
	for i, s := range others {
		number[s] = uint64(i)
		end += uint32(len(s))
		table = binary.LittleEndian.AppendUint32(table, end)
	}
	for _, s := range others {
		table = append(table, s...)
	}
	for i, s := range uuids {
		number[s] = uint64(len(others) + i)
		u, _ := parseUUID(s)
		table = append(table, u[:]...)
	}
	return table, number
}

func decodeTexts(b []byte) (t textTable, ok bool) {
	if len(b) < 8 {
		return t, false
	}
	others, uuids := int(binary.LittleEndian.Uint32(b)), int(binary.LittleEndian.Uint32(b[4:]))
	b = b[8:]
	if others < 1 || others > len(b)/4 || uuids > (len(b)-4*others)/16 {
		return t, false
	}
	t.ends, t.texts = b[:4*others], b[4*others:len(b)-16*uuids]
	t.uuids = b[len(b)-16*uuids:]
	last := uint32(0)
	for i := range others {
		end := binary.LittleEndian.Uint32(t.ends[4*i:])
		if end < last {
			return t, false
		}
		last = end
	}
	return t, int(last) == len(t.texts)
}

func (t *textTable) others() int { return len(t.ends) / 4 }

// count returns how many there are.
func (t *textTable) count() int { return t.others() + len(t.uuids)/16 }

// at returns an identifier: of the others a part of mapped memory.
func (t *textTable) at(n uint32) string {
	if i := int(n) - t.others(); i >= 0 {
		return formatUUID(t.uuids[16*i:][:16])
	}
	from := uint32(0)
	if n > 0 {
		from = binary.LittleEndian.Uint32(t.ends[4*n-4:])
	}
	b := t.texts[from:binary.LittleEndian.Uint32(t.ends[4*n:])]
	return unsafe.String(unsafe.SliceData(b), len(b))
}

// find returns the number of an identifier, false when it is not there.
func (t *textTable) find(s string) (uint32, bool) {
	if u, is := parseUUID(s); is {
		n, ok := t.findUUID(binary.BigEndian.Uint64(u[:]), binary.BigEndian.Uint64(u[8:]))
		return uint32(t.others() + n), ok
	}
	n := sort.Search(t.others(), func(i int) bool { return t.at(uint32(i)) >= s })
	return uint32(n), n < t.others() && t.at(uint32(n)) == s
}

// findUUID returns the place of a UUID among them.
func (t *textTable) findUUID(high, low uint64) (int, bool) {
	from, to := 0, len(t.uuids)/16
	for from < to {
		i := int(uint(from+to) >> 1)
		u := t.uuids[16*i : 16*i+16]
		h, l := binary.BigEndian.Uint64(u), binary.BigEndian.Uint64(u[8:])
		switch {
		case h < high || h == high && l < low:
			from = i + 1
		case h == high && l == low:
			return i, true
		default:
			to = i
		}
	}
	return from, false
}
