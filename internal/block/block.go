// Package block reads and writes text files that are compressed in independent
// blocks of about 64 KiB, so that any part of the text is found and decoded
// without what stands before it.
//
// Both forms are what the ordinary tools read: a [Gzip] file is a series of
// gzip members, as BGZF defines them, that zcat prints; a [Zstd] file is
// seekable zstd, a series of frames with a table at the end, that zstdcat
// prints. FORMAT.md has the bytes.
//
// Everything read from a file is checked against limits before memory is
// allocated for it, and damage is a [CorruptError], never a panic.
package block

import (
	"errors"
	"fmt"
)

// Format is how the blocks of a file are compressed.
type Format uint8

// The formats.
const (
	Gzip Format = iota + 1 // BGZF
	Zstd                   // seekable zstd
)

// Bytes is how much text a block holds at most. It is the limit that BGZF
// sets for itself: with it a block that does not compress at all still fits
// the 16 bits that hold a member's size.
const Bytes = 0xff00

const (
	// maxZstdText bounds the text of a block in a zstd file that another
	// program wrote. Larger blocks would defeat random access.
	maxZstdText = 1 << 20
	// maxZstdData bounds a compressed block; zstd adds 1/256 and a few bytes
	// to what it cannot compress.
	maxZstdData = maxZstdText + maxZstdText/128 + 1024
	// maxText bounds the text of a whole file. It is far over what a log file
	// may have and keeps sums of sizes from overflowing.
	maxText = 1 << 40
)

// Errors of files that are not damaged but cannot be read either.
var (
	// ErrFormat is returned by Open for a file in another format.
	ErrFormat = errors.New("block: not a file of blocks")
	// ErrUnknownFormat is returned by NewWriter for a Format that is none of
	// the constants.
	ErrUnknownFormat = errors.New("block: unknown format")
)

// CorruptError says that a file of blocks is damaged. What lies before Offset
// may be intact.
type CorruptError struct {
	// Offset is where in the file the damaged block or table begins, in bytes.
	Offset int64
	// Err is what is wrong there.
	Err error
}

// Error names the place and the cause.
func (e *CorruptError) Error() string {
	return fmt.Sprintf("block: damaged at byte %d: %v", e.Offset, e.Err)
}

// Unwrap returns the cause.
func (e *CorruptError) Unwrap() error { return e.Err }

// span is one block: how many bytes of the file it takes and how many bytes
// of text it holds.
type span struct{ data, text uint32 }

// errNoBlocks: gzip or zstd, as far as the first bytes tell, but not in blocks.
var errNoBlocks = errors.New("not cut in blocks")

// Causes inside a CorruptError.
var (
	errCut      = errors.New("the file ends too early")
	errHeader   = errors.New("not the header of a block")
	errChecksum = errors.New("the checksum does not match")
	errSize     = errors.New("the size of the text is not what was announced")
	errTooLarge = errors.New("a block larger than the format allows")
	errTable    = errors.New("the table of blocks contradicts itself")
)
