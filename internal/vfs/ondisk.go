package vfs

import (
	"bytes"
	"io"
)

// OnDisk returns up to where, from one offset of f to another, the disk has what the
// system shows: after a sync that failed the system may go on showing what the disk never
// got, and sync it without an error. It begins with the block that from is in, and may
// return less. f must be open for reading, and synced before; what somebody writes there
// meanwhile may pass for missing. What the disk cannot give back it does not have.
//
// asked is false, and upto is to, where only the system can be asked: on all but Linux
// and [NewMem], and on file systems that do not read past their memory.
func OnDisk(f File, from, to int64) (upto int64, asked bool) {
	from = from / diskAlign * diskAlign
	opener, ok := f.(interface{ openDisk() (disk, error) })
	if !ok {
		return to, false
	}
	d, err := opener.openDisk()
	if err != nil {
		return to, false
	}
	defer d.Close() // only read
	room := max(0, min(diskChunk, to-from))
	shown, stored := make([]byte, room), make([]byte, room)
	for at := from; at < to; at += diskChunk {
		n := min(diskChunk, to-at)
		has, err := d.ReadAt(stored[:n], at)
		if err != nil && err != io.EOF && !IsUnreadable(err) {
			return to, false
		}
		shows, _ := f.ReadAt(shown[:has], at) // what it cannot show is not the same
		if same := equalUpto(shown[:shows], stored[:has]); int64(same) < n {
			return at + int64(same), true
		}
	}
	return to, true
}

// disk reads a file past the memory of the system, diskChunk bytes at most, from
// multiples of diskAlign on.
type disk interface {
	io.ReaderAt
	io.Closer
}

const (
	diskChunk = 1 << 20
	// diskAlign is a multiple of the blocks of every device.
	diskAlign = 64 << 10
)

// equalUpto returns how long the common beginning of a and b is.
func equalUpto(a, b []byte) int {
	n := min(len(a), len(b))
	if bytes.Equal(a[:n], b[:n]) {
		return n
	}
	for i := range n {
		if a[i] != b[i] {
			return i
		}
	}
	return n
}
