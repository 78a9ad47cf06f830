package block

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"

	"github.com/klauspost/compress/flate"
)

// A gzip file of blocks, see FORMAT.md; every member carries a BC field:
//
//	data members …  index members …  footer member  end member
const (
	gzipHeader  = 18        // fixed header, XLEN and the BC field
	gzipTrailer = 8         // CRC-32 and size of the text
	gzipMember  = 1 << 16   // a member's largest size
	footerBytes = 56        // the footer member
	gzipTail    = 56 + 28   // footer and end members
	indexMagic  = "SI"      // extra field: sizes of blocks
	footerMagic = "SF"      // extra field: where the index is
	groupMagic  = "SG"      // extra field: the lines are grouped
	groupBytes  = 32        // the member with it
	footerField = 24        // bytes of that field
	indexMax    = 16 * 1000 // blocks listed by one index member: 64,000 bytes
	indexEntry  = 4
)

// gzipLevel takes 1.6 µs for a line of 490 bytes where 6 takes 1.9, and makes what
// is stored 3 % larger.
const gzipLevel = 5

// gzipEnd is BGZF's marker for the end of a file, an empty member.
const gzipEnd = "\x1f\x8b\x08\x04\x00\x00\x00\x00\x00\xff\x06\x00BC\x02\x00\x1b\x00\x03\x00\x00\x00\x00\x00\x00\x00\x00\x00"

// emptyDeflate is a deflate stream without text, then the trailer of no text.
const emptyDeflate = "\x03\x00\x00\x00\x00\x00\x00\x00\x00\x00"

var castagnoli = crc32.MakeTable(crc32.Castagnoli) // immutable

type gzipEncoder struct {
	z   *flate.Writer
	out bytes.Buffer
}

func newGzipEncoder() (*gzipEncoder, error) {
	e := &gzipEncoder{}
	var err error
	e.z, err = flate.NewWriter(&e.out, gzipLevel)
	return e, err
}

// encode returns text as one member; it is valid until the next call.
func (e *gzipEncoder) encode(text []byte) ([]byte, error) {
	e.out.Reset()
	e.out.Write(appendGzipHeader(nil, nil))
	e.z.Reset(&e.out)
	if _, err := e.z.Write(text); err != nil {
		return nil, err
	}
	if err := e.z.Close(); err != nil {
		return nil, err
	}
	if e.out.Len()+gzipTrailer > gzipMember {
		e.out.Truncate(gzipHeader)
		var stored [5]byte
		stored[0] = 1 // the last block, stored
		binary.LittleEndian.PutUint16(stored[1:], uint16(len(text)))
		binary.LittleEndian.PutUint16(stored[3:], ^uint16(len(text)))
		e.out.Write(stored[:])
		e.out.Write(text)
	}
	var trailer [gzipTrailer]byte
	binary.LittleEndian.PutUint32(trailer[:], crc32.ChecksumIEEE(text))
	binary.LittleEndian.PutUint32(trailer[4:], uint32(len(text)))
	e.out.Write(trailer[:])
	member := e.out.Bytes()
	setGzipSize(member)
	return member, nil
}

// tail returns what stands behind the blocks.
func (e *gzipEncoder) tail(spans []span, at int64, grouped bool) []byte {
	var text int64
	entries := make([]byte, 0, indexEntry*len(spans))
	for _, s := range spans {
		entries = binary.LittleEndian.AppendUint16(entries, uint16(s.data-1))
		entries = binary.LittleEndian.AppendUint16(entries, uint16(s.text))
		text += int64(s.text)
	}
	var out []byte
	for part := range chunks(entries, indexMax*indexEntry) {
		out = appendEmptyMember(out, indexMagic, part)
	}
	if grouped {
		out = appendEmptyMember(out, groupMagic, nil)
	}
	footer := binary.LittleEndian.AppendUint64(nil, uint64(at))
	footer = binary.LittleEndian.AppendUint64(footer, uint64(text))
	footer = binary.LittleEndian.AppendUint32(footer, uint32(len(spans)))
	footer = binary.LittleEndian.AppendUint32(footer, crc32.Checksum(entries, castagnoli))
	out = appendEmptyMember(out, footerMagic, footer)
	return append(out, gzipEnd...)
}

func chunks(b []byte, size int) func(yield func([]byte) bool) {
	return func(yield func([]byte) bool) {
		for len(b) > 0 {
			n := min(size, len(b))
			if !yield(b[:n]) {
				return
			}
			b = b[n:]
		}
	}
}

// appendGzipHeader appends a member's header with a BC field that
// setGzipSize fills, followed by the extra fields given.
func appendGzipHeader(dst, extra []byte) []byte {
	dst = append(dst, 0x1f, 0x8b, 8, 4, 0, 0, 0, 0, 0, 255)
	dst = binary.LittleEndian.AppendUint16(dst, uint16(6+len(extra)))
	dst = append(dst, 'B', 'C', 2, 0, 0, 0)
	return append(dst, extra...)
}

func setGzipSize(member []byte) {
	binary.LittleEndian.PutUint16(member[16:], uint16(len(member)-1))
}

func appendEmptyMember(dst []byte, magic string, field []byte) []byte {
	at := len(dst)
	extra := append([]byte(magic), 0, 0)
	binary.LittleEndian.PutUint16(extra[2:], uint16(len(field)))
	dst = appendGzipHeader(dst, append(extra, field...))
	dst = append(dst, emptyDeflate...)
	setGzipSize(dst[at:])
	return dst
}

// memberSize reads a member's size from its first gzipHeader bytes. ok is
// false when they are not the header of a BGZF member.
func memberSize(h []byte) (size, extra int, ok bool) {
	if len(h) < gzipHeader || h[0] != 0x1f || h[1] != 0x8b || h[2] != 8 || h[3] != 4 ||
		h[12] != 'B' || h[13] != 'C' || h[14] != 2 || h[15] != 0 {
		return 0, 0, false
	}
	extra = int(binary.LittleEndian.Uint16(h[10:]))
	size = int(binary.LittleEndian.Uint16(h[16:])) + 1
	return size, extra, extra >= 6 && size >= 12+extra+2+gzipTrailer
}

// gzipSpans finds the blocks of a file: from its index, or, where there is
// none that can be believed, from the headers of all members.
func gzipSpans(r io.ReaderAt, size int64) (spans []span, grouped bool, err error) {
	if spans, grouped := readGzipIndex(r, size); spans != nil {
		return spans, grouped, nil
	}
	return walkGzip(r, size)
}

// readGzipIndex returns nil for a file without an index, and for one whose
// index is damaged: the members can still be found.
func readGzipIndex(r io.ReaderAt, size int64) (list []span, grouped bool) {
	if size < gzipTail {
		return nil, false
	}
	var tail [gzipTail]byte
	if readFull(r, tail[:], size-gzipTail) != nil || string(tail[footerBytes:]) != gzipEnd {
		return nil, false
	}
	n, _, ok := memberSize(tail[:])
	if !ok || n != footerBytes || string(tail[18:20]) != footerMagic || binary.LittleEndian.Uint16(tail[20:]) != footerField {
		return nil, false
	}
	at := binary.LittleEndian.Uint64(tail[22:])
	text := binary.LittleEndian.Uint64(tail[30:])
	count := binary.LittleEndian.Uint32(tail[38:])
	sum := binary.LittleEndian.Uint32(tail[42:])
	end := uint64(size - gzipTail)
	// Each block has at least a header and a trailer in the file, and each
	// entry stands in it too.
	if at > end || uint64(count)*(gzipHeader+gzipTrailer) > at || uint64(count)*indexEntry > end-at {
		return nil, false
	}
	index := make([]byte, end-at)
	if readFull(r, index, int64(at)) != nil {
		return nil, false
	}
	entries := make([]byte, 0, indexEntry*int(count))
	for len(index) > 0 {
		n, extra, ok := memberSize(index)
		if ok && n == groupBytes && n <= len(index) && string(index[18:20]) == groupMagic {
			grouped, index = true, index[n:]
			continue
		}
		if !ok || n > len(index) || extra < 10 || string(index[18:20]) != indexMagic ||
			int(binary.LittleEndian.Uint16(index[20:])) != extra-10 {
			return nil, false
		}
		entries = append(entries, index[22:22+extra-10]...)
		index = index[n:]
	}
	if len(entries) != indexEntry*int(count) || crc32.Checksum(entries, castagnoli) != sum {
		return nil, false
	}
	spans := make([]span, count)
	var dataSum, textSum uint64
	for i := range spans {
		e := entries[indexEntry*i:]
		spans[i] = span{uint32(binary.LittleEndian.Uint16(e)) + 1, uint32(binary.LittleEndian.Uint16(e[2:]))}
		dataSum += uint64(spans[i].data)
		textSum += uint64(spans[i].text)
	}
	if dataSum != at || textSum != text {
		return nil, false
	}
	return spans, grouped
}

// walkGzip goes from member to member. Beside a CorruptError it returns those before
// the damage.
func walkGzip(r io.ReaderAt, size int64) (spans []span, grouped bool, err error) {
	var text int64
	for at := int64(0); at < size; {
		var h [gzipHeader]byte
		if size-at < gzipHeader {
			return spans, grouped, &CorruptError{at, errCut}
		}
		if err := readFull(r, h[:], at); err != nil {
			return spans, grouped, err
		}
		n, _, ok := memberSize(h[:])
		switch {
		case !ok && at == 0:
			return spans, grouped, errNoBlocks
		case !ok:
			return spans, grouped, &CorruptError{at, errHeader}
		case int64(n) > size-at:
			return spans, grouped, &CorruptError{at, errCut}
		}
		if n == groupBytes {
			var member [groupBytes]byte
			if err := readFull(r, member[:], at); err != nil {
				return spans, grouped, err
			}
			grouped = grouped || string(member[18:20]) == groupMagic
		}
		var isize [4]byte
		if err := readFull(r, isize[:], at+int64(n)-4); err != nil {
			return spans, grouped, err
		}
		t := binary.LittleEndian.Uint32(isize[:])
		if t > gzipMember {
			return spans, grouped, &CorruptError{at, errTooLarge}
		}
		if text += int64(t); text > maxText {
			return spans, grouped, &CorruptError{at, errTooLarge}
		}
		spans = append(spans, span{uint32(n), t})
		at += int64(n)
	}
	return spans, grouped, nil
}

type gzipDecoder struct {
	src bytes.Reader
	z   io.ReadCloser
}

// decode fills text, whose length is what the block must hold.
func (d *gzipDecoder) decode(text, member []byte) error {
	n, extra, ok := memberSize(member)
	if !ok || n != len(member) {
		return errHeader
	}
	body, trailer := member[12+extra:n-gzipTrailer], member[n-gzipTrailer:]
	d.src.Reset(body)
	if d.z == nil {
		d.z = flate.NewReader(&d.src)
	} else if err := d.z.(flate.Resetter).Reset(&d.src, nil); err != nil {
		return err
	}
	if _, err := io.ReadFull(d.z, text); err != nil {
		return fmt.Errorf("%w: %w", errSize, err)
	}
	var more [1]byte
	if n, err := d.z.Read(more[:]); n != 0 || err != io.EOF || d.src.Len() != 0 {
		return errSize
	}
	if binary.LittleEndian.Uint32(trailer[4:]) != uint32(len(text)) {
		return errSize
	}
	if binary.LittleEndian.Uint32(trailer) != crc32.ChecksumIEEE(text) {
		return errChecksum
	}
	return nil
}
