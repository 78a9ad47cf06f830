package journal

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"runtime/debug"
	"sync/atomic"
	"unsafe"

	"go.uber.org/zap/zapcore"

	"github.com/steplog/steplog/internal/line"
)

// The ring is a file of one header page and a data area. Records are copied
// into it as frames; the writer moves them on to the text and gives their space
// back. FORMAT.md describes it byte by byte. The offsets are part of the format.
const (
	ringMagic  = "steplog ring\n\x00\x01\x00" // the last two bytes are the version, little endian
	ringHeader = 4096
	ringName   = "ring"

	offSize   = 16  // u64, bytes of the data area
	offCRC    = 24  // u32 over bytes 0 to 23
	offHead   = 64  // u64, on a cache line of its own
	offTail   = 128 // u64, on a cache line of its own
	offShown  = 192 // u64 seq, its complement, u64 time: what other processes may show
	offSynced = 256 // per file code: u64 first seq of the active text, u64 bytes of it that are durable

	maxSynced = (ringHeader - offSynced) / 16
)

// The processor's CRC is computed in three lanes from laneBytes on: bodies a
// little shorter are taken as if zeros followed, which is quicker. The numbers are
// part of the format.
const (
	laneBytes = 504
	padFrom   = 336
)

// checksum is the CRC of a body. It may overwrite the body's spare capacity.
func checksum(body []byte) uint32 {
	if n := len(body); n >= padFrom && n < laneBytes {
		if cap(body) < laneBytes {
			body = append(make([]byte, 0, laneBytes), body...)
		}
		body = body[:laneBytes]
		clear(body[n:])
	}
	return crc32.Checksum(body, castagnoli)
}

// Frames begin at multiples of frameAlign, so that a header never wraps.
const (
	frameHeader = 32
	frameAlign  = 32
)

// castagnoli is the polynomial of every checksum in the ring (CRC-32C).
var castagnoli = crc32.MakeTable(crc32.Castagnoli)

var errNotRing = errors.New("journal: not a ring, or a damaged one")

// frame is the header of one record in the ring. Encode and decode stand below.
//
//	0        4      6      8          16         24       28       32
//	┌────────┬──────┬──────┬──────────┬──────────┬────────┬────────┬─────────┐
//	│ length │ file │ turn │   seq    │ reserved │bodyCRC │ hdrCRC │ body... │
//	└────────┴──────┴──────┴──────────┴──────────┴────────┴────────┴─────────┘
//
// Numbers are little endian. length counts the body, file is the log's code in
// .journal/files.json, turn the low bits of how often the log had rotated when
// the record was appended. reserved is 0. hdrCRC covers bytes 0 to 27. The body
// is the line after its seq, without a newline, padded to a multiple of 32.
type frame struct {
	length  uint32
	file    uint16
	turn    uint16
	seq     uint64
	bodyCRC uint32
}

func (f *frame) put(b []byte) {
	_ = b[frameHeader-1]
	binary.LittleEndian.PutUint32(b[0:], f.length)
	binary.LittleEndian.PutUint16(b[4:], f.file)
	binary.LittleEndian.PutUint16(b[6:], f.turn)
	binary.LittleEndian.PutUint64(b[8:], f.seq)
	binary.LittleEndian.PutUint64(b[16:], 0)
	binary.LittleEndian.PutUint32(b[24:], f.bodyCRC)
	binary.LittleEndian.PutUint32(b[28:], crc32.Checksum(b[:28], castagnoli))
}

// parseFrame reads a header; false when its checksum is wrong.
func parseFrame(b []byte) (frame, bool) {
	_ = b[frameHeader-1]
	f := frame{
		length:  binary.LittleEndian.Uint32(b[0:]),
		file:    binary.LittleEndian.Uint16(b[4:]),
		turn:    binary.LittleEndian.Uint16(b[6:]),
		seq:     binary.LittleEndian.Uint64(b[8:]),
		bodyCRC: binary.LittleEndian.Uint32(b[24:]),
	}
	return f, binary.LittleEndian.Uint32(b[28:]) == crc32.Checksum(b[:28], castagnoli)
}

// frameSize is the space that a record takes.
func frameSize(body int) uint64 {
	return (frameHeader + uint64(body) + frameAlign - 1) &^ (frameAlign - 1)
}

// ring is memory that frames are kept in: mapped, so that it outlives the
// process. Positions count bytes since the ring was made; the place of a
// position is its remainder by the size of the data area.
type ring struct {
	mem  []byte
	data []byte
	size uint64
}

// newRing lays an empty ring over mem.
func newRing(mem []byte) *ring {
	clear(mem[:ringHeader])
	copy(mem, ringMagic)
	r := &ring{mem: mem, data: mem[ringHeader:], size: uint64(len(mem) - ringHeader)}
	binary.LittleEndian.PutUint64(mem[offSize:], r.size)
	binary.LittleEndian.PutUint32(mem[offCRC:], crc32.Checksum(mem[:offCRC], castagnoli))
	return r
}

// openRing reads the header of a ring that is there.
func openRing(mem []byte) (*ring, error) {
	if len(mem) >= len(ringMagic) && string(mem[:len(ringMagic)-2]) == ringMagic[:len(ringMagic)-2] &&
		binary.LittleEndian.Uint16(mem[len(ringMagic)-2:]) > formatVersion {
		return nil, ErrVersion
	}
	if len(mem) < ringHeader+frameAlign || string(mem[:len(ringMagic)]) != ringMagic ||
		binary.LittleEndian.Uint32(mem[offCRC:]) != crc32.Checksum(mem[:offCRC], castagnoli) ||
		binary.LittleEndian.Uint64(mem[offSize:]) != uint64(len(mem)-ringHeader) {
		return nil, errNotRing
	}
	r := &ring{mem: mem, data: mem[ringHeader:], size: uint64(len(mem) - ringHeader)}
	head, tail := r.head().Load(), r.tail().Load()
	if r.size%frameAlign != 0 || tail > head || head-tail > r.size || head%frameAlign != 0 || tail%frameAlign != 0 {
		return nil, errNotRing
	}
	return r, nil
}

// head is where the next frame goes: every frame below it is whole.
func (r *ring) head() *atomic.Uint64 { return (*atomic.Uint64)(unsafe.Pointer(&r.mem[offHead])) }

// tail is up to where everything is in the text.
func (r *ring) tail() *atomic.Uint64 { return (*atomic.Uint64)(unsafe.Pointer(&r.mem[offTail])) }

// put copies a frame to a position. The caller has made sure of the space and
// publishes the head afterwards.
func (r *ring) put(at uint64, f *frame, body []byte) {
	place := at % r.size
	f.put(r.data[place : place+frameHeader])
	place += frameHeader
	n := copy(r.data[place:], body)
	copy(r.data, body[n:])
}

// publish is put, and the head after it.
func (r *ring) publish(at uint64, f *frame, body []byte, head uint64) (err error) {
	defer caught(debug.SetPanicOnFault(true), &err)
	r.put(at, f, body)
	r.head().Store(head)
	return nil
}

// release gives the space below a position back and publishes up to which seq
// all is in the text, 0 when that is not known.
func (r *ring) release(upto, seq uint64) (err error) {
	defer caught(debug.SetPanicOnFault(true), &err)
	r.tail().Store(upto)
	if seq > 0 {
		r.setWritten(seq)
	}
	return nil
}

// frame reads the header at a position; false when there is none.
func (r *ring) frame(at uint64) (frame, bool) {
	place := at % r.size
	f, ok := parseFrame(r.data[place : place+frameHeader])
	return f, ok && frameSize(int(f.length)) <= r.size
}

// body appends the body of the frame at a position to dst.
func (r *ring) body(dst []byte, at uint64, f *frame) []byte {
	place := at%r.size + frameHeader
	end := place + uint64(f.length)
	if end <= r.size {
		return append(dst, r.data[place:end]...)
	}
	dst = append(dst, r.data[place:]...)
	return append(dst, r.data[:end-r.size]...)
}

// synced returns how much of a file's active text is durable, and the first seq
// of the text that this is said of.
func (r *ring) synced(code uint16) (first, bytes uint64) {
	if int(code) >= maxSynced {
		return 0, 0
	}
	at := offSynced + 16*int(code)
	return binary.LittleEndian.Uint64(r.mem[at:]), binary.LittleEndian.Uint64(r.mem[at+8:])
}

func (r *ring) setSynced(code uint16, first, bytes uint64) {
	if int(code) < maxSynced {
		at := offSynced + 16*int(code)
		binary.LittleEndian.PutUint64(r.mem[at:], first)
		binary.LittleEndian.PutUint64(r.mem[at+8:], bytes)
	}
}

// setWritten publishes for other processes that all records up to a seq are in
// the text. They read it with a system call, which may see half of a change: the
// complement tells.
func (r *ring) setWritten(seq uint64) {
	atomic.StoreUint64((*uint64)(unsafe.Pointer(&r.mem[offShown])), seq)
	atomic.StoreUint64((*uint64)(unsafe.Pointer(&r.mem[offShown+8])), ^seq)
}

// setAlive publishes when the writer was last seen, in nanoseconds since the Unix
// epoch; 0 when it is gone.
func (r *ring) setAlive(at int64) {
	atomic.StoreUint64((*uint64)(unsafe.Pointer(&r.mem[offShown+16])), uint64(at))
}

// written reads what setWritten and setAlive published from the start of a ring
// file; false when it is not a ring or half of a change.
func written(header []byte) (seq uint64, alive int64, ok bool) {
	if len(header) < offSynced || string(header[:len(ringMagic)]) != ringMagic {
		return 0, 0, false
	}
	seq = binary.LittleEndian.Uint64(header[offShown:])
	check := binary.LittleEndian.Uint64(header[offShown+8:])
	return seq, int64(binary.LittleEndian.Uint64(header[offShown+16:])), check == ^seq
}

// limit is how much of the ring records of a level may fill, so that on a full
// disk the less important ones are dropped first. Errors and the records of
// runs and steps may have all of it.
func (r *ring) limit(kind line.Kind, level zapcore.Level) uint64 {
	switch {
	case level >= zapcore.ErrorLevel || kind == line.KindRun || kind == line.KindStep:
		return r.size
	case level >= zapcore.WarnLevel:
		return r.size / 100 * 90
	case level >= zapcore.InfoLevel:
		return r.size / 100 * 75
	}
	return r.size / 100 * 50
}

// mark remembers where a seq stands in the ring; every markEvery-th is kept.
type mark struct{ seq, at uint64 }

const markEvery = 32
