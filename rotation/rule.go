package rotation

import (
	"errors"
	"fmt"
	"time"
)

// DefaultMaxBytes is the size at which a file is closed when a Rule does not
// say: 100 MiB.
const DefaultMaxBytes = 100 << 20

// maxMaxBytes is the largest size that a Rule may name. Whoever indexes a file
// may keep offsets in 32 bits: a file is at most this large, plus one write.
const maxMaxBytes = 1 << 30

// ErrRule is returned for a Rule with a value out of range. The text of the
// error names the field, the value and the range.
var ErrRule = errors.New("rotation: invalid rule")

// Rule says when a log's active file is closed and how long closed ones stay.
// The zero value closes at 100 MiB, compresses with gzip and keeps everything.
//
// Files are deleted oldest first, in the order of their names. The active file
// is never deleted.
type Rule struct {
	// MaxBytes is the size of the text, in bytes, over which the active file
	// does not grow: the write that would exceed it goes to a new file. A
	// single write that is larger has a file for itself. 0 means
	// [DefaultMaxBytes]; at most 1 GiB.
	MaxBytes int64 `json:"max_bytes,omitempty"`
	// MaxFiles is how many closed files are kept beside the active one. 0
	// keeps all.
	MaxFiles int `json:"max_files,omitempty"`
	// MaxAge is how long a file stays after it was closed, which its name
	// tells. Where names run ahead of the clock, because it had stepped back,
	// the time of a file's last record counts. A clock that leaps ahead by more
	// than an hour while the file is open makes nothing old for a day, so that it
	// can be set right; a machine that was suspended looks the same. 0 keeps files
	// however old. In JSON it is a number of nanoseconds.
	MaxAge time.Duration `json:"max_age,omitempty"`
	// MaxTotalBytes is how much disk the files of the log take together, the
	// active one included, in bytes as stored: compressed files count
	// compressed. 0 sets no limit.
	MaxTotalBytes int64 `json:"max_total_bytes,omitempty"`
	// Compression is what closed files are compressed with. The zero value is
	// [Gzip]. Files compressed earlier stay as they are when it changes, and
	// plain ones are compressed.
	Compression Compression `json:"compression,omitempty"`
}

// Validate returns an error that wraps [ErrRule] for a rule that Open and
// SetRule would refuse.
func (r Rule) Validate() error {
	_, err := r.filled()
	return err
}

// filled returns the rule with defaults in place, or an error that wraps
// ErrRule.
func (r Rule) filled() (Rule, error) {
	switch {
	case r.MaxBytes < 0 || r.MaxBytes > maxMaxBytes:
		return r, fmt.Errorf("%w: MaxBytes is %d, not between 0 (for %d) and %d", ErrRule, r.MaxBytes, DefaultMaxBytes, maxMaxBytes)
	case r.MaxFiles < 0:
		return r, fmt.Errorf("%w: MaxFiles is %d, below 0", ErrRule, r.MaxFiles)
	case r.MaxAge < 0:
		return r, fmt.Errorf("%w: MaxAge is %v, below 0", ErrRule, r.MaxAge)
	case r.MaxTotalBytes < 0:
		return r, fmt.Errorf("%w: MaxTotalBytes is %d, below 0", ErrRule, r.MaxTotalBytes)
	case r.Compression > None:
		return r, fmt.Errorf("%w: Compression is %d, none of Gzip, Zstd and None", ErrRule, uint8(r.Compression))
	}
	if r.MaxBytes == 0 {
		r.MaxBytes = DefaultMaxBytes
	}
	return r, nil
}

// Compression is what closed files are compressed with. As text and in JSON it
// is "gzip", "zstd" or "none".
type Compression uint8

// The compressions. Both compressed forms are cut in blocks, so that any part
// of the text is read without what stands before it, and both are what the
// ordinary tools read: zcat and zstdcat.
const (
	Gzip Compression = iota // NAME.log.gz, the default
	Zstd                    // NAME.log.zst, decoded twice as fast
	None                    // closed files stay as they are
)

// String returns "gzip", "zstd" or "none".
func (c Compression) String() string {
	switch c {
	case Gzip:
		return "gzip"
	case Zstd:
		return "zstd"
	case None:
		return "none"
	}
	return fmt.Sprintf("Compression(%d)", uint8(c))
}

// MarshalText returns String, and an error for a value that is none of the
// constants.
func (c Compression) MarshalText() ([]byte, error) {
	if c > None {
		return nil, fmt.Errorf("%w: %v", ErrRule, c)
	}
	return []byte(c.String()), nil
}

// UnmarshalText reads what MarshalText wrote.
func (c *Compression) UnmarshalText(text []byte) error {
	for k := Gzip; k <= None; k++ {
		if k.String() == string(text) {
			*c = k
			return nil
		}
	}
	return fmt.Errorf("%w: compression %q is none of gzip, zstd and none", ErrRule, text)
}
