package block

import (
	"encoding/binary"
	"errors"
	"io"

	"github.com/klauspost/compress/zstd"
)

// The table at the end of a seekable zstd file, in a skippable frame:
//
//	magic u32 | size u32 | entries … | blocks u32 | descriptor u8 | magic u32
//
// as contrib/seekable_format/zstd_seekable_compression_format.md in the zstd
// repository defines it. An entry is {data u32, text u32} and, with bit 7 of
// the descriptor, a checksum u32.
const (
	zstdMagic      = 0xFD2FB528
	skippableMagic = 0x184D2A5E
	tableMagic     = 0x8F92EAB1
	tableHeader    = 8
	tableFooter    = 9
	tableChecksums = 1 << 7
	tableReserved  = 0x7c // must be 0
	// groupFrame says that the lines are grouped: a skippable frame of 8 bytes.
	groupFrame = "\x50\x2a\x4d\x18\x08\x00\x00\x00grouped\n"
)

type zstdEncoder struct {
	z   *zstd.Encoder
	buf []byte
}

func newZstdEncoder() (*zstdEncoder, error) {
	z, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(1<<16),
		zstd.WithEncoderLevel(zstd.SpeedBetterCompression))
	return &zstdEncoder{z: z}, err
}

func (e *zstdEncoder) encode(text []byte) ([]byte, error) {
	e.buf = e.z.EncodeAll(text, e.buf[:0])
	return e.buf, nil
}

func (e *zstdEncoder) tail(spans []span, _ int64, grouped bool) []byte {
	size := 8*len(spans) + tableFooter
	var out []byte
	if grouped {
		out = append(out, groupFrame...)
	}
	out = binary.LittleEndian.AppendUint32(out, skippableMagic)
	out = binary.LittleEndian.AppendUint32(out, uint32(size))
	for _, s := range spans {
		out = binary.LittleEndian.AppendUint32(out, s.data)
		out = binary.LittleEndian.AppendUint32(out, s.text)
	}
	out = binary.LittleEndian.AppendUint32(out, uint32(len(spans)))
	out = append(out, 0)
	return binary.LittleEndian.AppendUint32(out, tableMagic)
}

// zstdSpans finds the blocks of a file: from its table, or, where there is none or one
// that contradicts itself, from the headers of all frames. Beside a CorruptError it
// returns those before the damage.
func zstdSpans(r io.ReaderAt, size int64) (spans []span, grouped bool, err error) {
	spans, grouped, terr := readZstdTable(r, size)
	var damage *CorruptError
	damaged := errors.As(terr, &damage)
	if !damaged && !errors.Is(terr, errNoBlocks) {
		return spans, grouped, terr
	}
	spans, grouped, err = walkZstd(r, size)
	switch {
	case err == nil && damaged || errors.Is(err, errNoBlocks):
		return spans, grouped, terr
	case err == nil && len(spans) < 2:
		return nil, false, errNoBlocks // as the tools make it
	}
	return spans, grouped, err
}

// readZstdTable returns errNoBlocks for a file without a table.
func readZstdTable(r io.ReaderAt, size int64) (list []span, grouped bool, err error) {
	if size < tableHeader+tableFooter {
		return nil, false, errNoBlocks
	}
	var footer [tableFooter]byte
	if err := readFull(r, footer[:], size-tableFooter); err != nil {
		return nil, false, err
	}
	if binary.LittleEndian.Uint32(footer[5:]) != tableMagic {
		return nil, false, errNoBlocks
	}
	count, descriptor := int64(binary.LittleEndian.Uint32(footer[:])), footer[4]
	entry := int64(8)
	if descriptor&tableChecksums != 0 {
		entry = 12
	}
	length := tableHeader + count*entry + tableFooter
	if descriptor&tableReserved != 0 || length > size {
		return nil, false, &CorruptError{size - tableFooter, errTable}
	}
	at := size - length
	table := make([]byte, length)
	if err := readFull(r, table, at); err != nil {
		return nil, false, err
	}
	if binary.LittleEndian.Uint32(table) != skippableMagic ||
		int64(binary.LittleEndian.Uint32(table[4:])) != length-tableHeader {
		return nil, false, &CorruptError{at, errTable}
	}
	spans := make([]span, count)
	var data, text int64
	for i := range spans {
		e := table[tableHeader+int64(i)*entry:]
		s := span{binary.LittleEndian.Uint32(e), binary.LittleEndian.Uint32(e[4:])}
		if s.data > maxZstdData || s.text > maxZstdText {
			return nil, false, &CorruptError{data, errTooLarge}
		}
		data, text = data+int64(s.data), text+int64(s.text)
		spans[i] = s
	}
	if data+int64(len(groupFrame)) == at {
		mark := make([]byte, len(groupFrame))
		if err := readFull(r, mark, data); err != nil {
			return nil, false, err
		}
		if grouped = string(mark) == groupFrame; grouped {
			data = at
		}
	}
	if data != at || text > maxText {
		return nil, false, &CorruptError{at, errTable}
	}
	return spans, grouped, nil
}

// walkZstd goes from frame to frame. It returns errNoBlocks where one does not say how
// much text it holds, or holds more than a block may.
func walkZstd(r io.ReaderAt, size int64) (spans []span, grouped bool, err error) {
	var text int64
	defer func() {
		// What stands behind the blocks is none.
		for len(spans) > 0 && spans[len(spans)-1].text == 0 {
			spans = spans[:len(spans)-1]
		}
	}()
	for at := int64(0); at < size; {
		f, err := zstdFrame(r, at, size)
		if errors.Is(err, errNoBlocks) {
			return nil, false, err
		}
		if err != nil {
			return spans, grouped, err
		}
		if f.text == 0 && int(f.data) == len(groupFrame) {
			var mark [len(groupFrame)]byte
			if err := readFull(r, mark[:], at); err != nil {
				return spans, grouped, err
			}
			grouped = grouped || string(mark[:]) == groupFrame
		}
		if text += int64(f.text); text > maxText {
			return spans, grouped, &CorruptError{at, errTooLarge}
		}
		spans = append(spans, f)
		at += int64(f.data)
	}
	return spans, grouped, nil
}

// zstdFrame reads the headers of one frame: RFC 8878, section 3.1.
func zstdFrame(r io.ReaderAt, at, size int64) (span, error) {
	var head [zstd.HeaderMaxSize]byte
	in := head[:min(size-at, int64(len(head)))]
	if err := readFull(r, in, at); err != nil {
		return span{}, err
	}
	var h zstd.Header
	switch err := h.Decode(in); {
	case errors.Is(err, io.ErrUnexpectedEOF):
		return span{}, &CorruptError{at, errCut}
	case err != nil:
		return span{}, &CorruptError{at, errHeader}
	case h.Skippable && int64(h.SkippableSize) > size-at-int64(h.HeaderSize):
		return span{}, &CorruptError{at, errCut}
	case h.Skippable && int64(h.SkippableSize) > maxZstdData:
		return span{}, errNoBlocks
	case h.Skippable:
		return span{data: uint32(h.HeaderSize) + h.SkippableSize}, nil
	case !h.HasFCS || h.FrameContentSize > maxZstdText:
		return span{}, errNoBlocks
	}
	end := at + int64(h.HeaderSize)
	for last := false; !last; {
		var b [4]byte // three are the header
		if end+3 > size {
			return span{}, &CorruptError{at, errCut}
		}
		if err := readFull(r, b[:3], end); err != nil {
			return span{}, err
		}
		v := binary.LittleEndian.Uint32(b[:])
		last = v&1 == 1
		length := int64(v >> 3)
		switch v >> 1 & 3 {
		case 1:
			length = 1 // one byte that repeats
		case 3:
			return span{}, &CorruptError{at, errHeader}
		}
		if end += 3 + length; end-at > maxZstdData {
			return span{}, &CorruptError{at, errTooLarge}
		}
	}
	if h.HasCheckSum {
		end += 4
	}
	if end > size {
		return span{}, &CorruptError{at, errCut}
	}
	return span{uint32(end - at), uint32(h.FrameContentSize)}, nil
}

type zstdDecoder struct{ z *zstd.Decoder }

func (d *zstdDecoder) decode(text, frame []byte) error {
	if d.z == nil {
		z, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
			zstd.WithDecoderMaxMemory(2*maxZstdText), zstd.WithDecodeAllCapLimit(true))
		if err != nil {
			return err
		}
		d.z = z
	}
	got, err := d.z.DecodeAll(frame, text[:0:len(text)])
	if err != nil {
		return err
	}
	if len(got) != len(text) {
		return errSize
	}
	return nil
}
