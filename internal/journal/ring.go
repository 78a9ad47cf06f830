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
	ringMagic  = "steplog ring\n\x00"
	ringHeader = 4096
	ringName   = "ring"

	offVersion = 14  // u16
	offSize    = 16  // u64, bytes of the data area
	offCRC     = 24  // u32 over bytes 0 to 23
	offHead    = 64  // u64, on a cache line of its own
	offTail    = 128 // u64, on a cache line of its own
	offShown   = 192 // u64 seq, its complement, u64 time: what other processes may show
	offSynced  = 256 // per file code: u64 first seq of the active text, u64 bytes of it that are durable

	maxSynced = (ringHeader - offSynced) / 16
)

// maxPosition bounds where the head of a ring that is opened may be. Writing at 10 GB/s
// takes 14 years to get there; from a larger one positions could pass 64 bits.
const maxPosition = 1 << 62

// ringVersion is that of the rings that are made. Those of version 1 have other
// checksums in their frames; what one holds is taken out, and a new one made.
const ringVersion = 2

// castagnoli is the polynomial of every checksum but those of frames (CRC-32C).
var castagnoli = crc32.MakeTable(crc32.Castagnoli)

var errNotRing = errors.New("journal: not a ring, or a damaged one")

// ring is memory that frames are kept in: mapped, so that it outlives the
// process. Positions count bytes since the ring was made; the place of a
// position is its remainder by the size of the data area.
type ring struct {
	mem  []byte
	data []byte
	size uint64
	crcs bool // version 1: the sums of frames are CRCs
}

// newRing lays an empty ring over mem.
func newRing(mem []byte) *ring {
	clear(mem[:ringHeader])
	copy(mem, ringMagic)
	binary.LittleEndian.PutUint16(mem[offVersion:], ringVersion)
	r := &ring{mem: mem, data: mem[ringHeader:], size: uint64(len(mem) - ringHeader)}
	binary.LittleEndian.PutUint64(mem[offSize:], r.size)
	binary.LittleEndian.PutUint32(mem[offCRC:], crc32.Checksum(mem[:offCRC], castagnoli))
	return r
}

// openRing reads the header of a ring that is there.
func openRing(mem []byte) (*ring, error) {
	version := versionOf(mem)
	if version > ringVersion {
		return nil, ErrVersion
	}
	if len(mem) < ringHeader+frameAlign || version == 0 ||
		binary.LittleEndian.Uint32(mem[offCRC:]) != crc32.Checksum(mem[:offCRC], castagnoli) ||
		binary.LittleEndian.Uint64(mem[offSize:]) != uint64(len(mem)-ringHeader) {
		return nil, errNotRing
	}
	r := &ring{mem: mem, data: mem[ringHeader:], size: uint64(len(mem) - ringHeader), crcs: version == 1}
	head, tail := r.head().Load(), r.tail().Load()
	if r.size%frameAlign != 0 || head > maxPosition || tail > head || head-tail > r.size || head%frameAlign != 0 || tail%frameAlign != 0 {
		return nil, errNotRing
	}
	return r, nil
}

// versionOf returns the version of the ring that a file begins with, 0 when it is
// none.
func versionOf(mem []byte) int {
	if len(mem) < offSize || string(mem[:len(ringMagic)]) != ringMagic {
		return 0
	}
	return int(binary.LittleEndian.Uint16(mem[offVersion:]))
}

// head is where the next frame goes: every frame below it is whole.
func (r *ring) head() *atomic.Uint64 { return (*atomic.Uint64)(unsafe.Pointer(&r.mem[offHead])) }

// tail is up to where everything is in the text.
func (r *ring) tail() *atomic.Uint64 { return (*atomic.Uint64)(unsafe.Pointer(&r.mem[offTail])) }

// place is where a position lies in the data area. Rings have a power of two, as a
// rule: dividing takes ten times as long.
func (r *ring) place(at uint64) uint64 {
	if mask := r.size - 1; r.size&mask == 0 {
		return at & mask
	}
	return at % r.size
}

// put copies a frame to a position. The caller has made sure of the space and
// publishes the head afterwards.
func (r *ring) put(at uint64, f *frame, body []byte) {
	place := r.place(at)
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

// frame reads the header at a position into f; false when there is none.
func (r *ring) frame(at uint64, f *frame) bool {
	place := r.place(at)
	header := r.data[place : place+frameHeader]
	ok := false
	if r.crcs {
		ok = f.parseCRC(header)
	} else {
		ok = f.parse(header)
	}
	return ok && frameSize(int(f.length)) <= r.size
}

// whole reports whether a body is the one that a frame was made with.
func (r *ring) whole(f *frame, body []byte) bool {
	if r.crcs {
		return wholeCRC(f, body)
	}
	return bodySum(body) == f.sum
}

// body appends the body of the frame at a position to dst.
func (r *ring) body(dst []byte, at uint64, f *frame) []byte {
	place := r.place(at) + frameHeader
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
	if version := versionOf(header); len(header) < offSynced || version == 0 || version > ringVersion {
		return 0, 0, false
	}
	seq = binary.LittleEndian.Uint64(header[offShown:])
	check := binary.LittleEndian.Uint64(header[offShown+8:])
	return seq, int64(binary.LittleEndian.Uint64(header[offShown+16:])), check == ^seq
}

// holds reports by the start of a ring file whether something is in the ring that may
// not be in the text.
func holds(header []byte) bool {
	return binary.LittleEndian.Uint64(header[offHead:]) != binary.LittleEndian.Uint64(header[offTail:])
}

// limit is how much of the ring records of a level may fill, so that on a full
// disk the less important ones are dropped first. Errors and the records of
// runs and steps may have all of it but what is kept for the records that say what
// was dropped: a log that is closed before the disk has room again leaves them there.
func (r *ring) limit(kind line.Kind, level zapcore.Level) uint64 {
	switch {
	case level >= zapcore.ErrorLevel || kind == line.KindRun || kind == line.KindStep:
		return r.size - min(r.size/64, 16<<10)
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
