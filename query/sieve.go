package query

import (
	"bytes"
	"encoding/binary"
	"math/bits"
)

// sieve says of many lines that they cannot match, for a tenth of what it takes to
// parse them. It is for one goroutine at a time.
//
// In a line without a backslash and of printable ASCII alone every text of the record stands as
// it is, so that what is searched in a text must occur in the line. All other lines
// pass.
type sieve struct {
	// Of each clause one needle at least must be there.
	clauses [][]needle
	lower   []byte // the line, in lower case
}

// needle is what must be in a line: in the line as it is, or in lower case.
type needle struct {
	text  []byte
	lower bool
}

// newSieve returns nil where nothing can be told.
func newSieve(t *textMatcher) *sieve {
	if t == nil || t.access != nil {
		return nil
	}
	var s sieve
	if t.topic != "" {
		s.clauses = append(s.clauses, []needle{{text: []byte(t.topic)}})
	}
	for _, part := range t.parts {
		s.clauses = append(s.clauses, []needle{{[]byte(part), true}})
	}
	if t.where != nil {
		s.clauses = append(s.clauses, t.where.needles()...)
	}
	if len(s.clauses) == 0 {
		return nil
	}
	return &s
}

// needles returns the clauses that hold for the lines of all records that match.
func (t *test) needles() (clauses [][]needle) {
	switch t.Op {
	case OpAnd:
		for _, arg := range t.args {
			clauses = append(clauses, arg.needles()...)
		}
		return clauses
	case OpOr:
		var any []needle
		for _, arg := range t.args {
			of := arg.needles()
			if len(of) == 0 {
				return nil
			}
			any = append(any, of[0]...)
		}
		return [][]needle{any}
	case OpEq, OpPrefix, OpContains:
		if (!t.Key || t.Field == "message") && t.value != "" {
			return [][]needle{{{[]byte(t.value), t.Fold}}}
		}
	case OpIn:
		var any []needle
		for _, v := range t.values {
			if t.Key && t.Field != "message" || v == "" {
				return nil
			}
			any = append(any, needle{[]byte(v), t.Fold})
		}
		return [][]needle{any}
	}
	return nil
}

// drops reports whether the record of a line surely does not match.
func (s *sieve) drops(line []byte) bool {
	var plain bool
	if s.lower, plain = appendLower(s.lower[:0], line); !plain {
		return false
	}
	for _, clause := range s.clauses {
		if !s.has(line, clause) {
			return true
		}
	}
	return false
}

func (s *sieve) has(line []byte, clause []needle) bool {
	for _, n := range clause {
		in := line
		if n.lower {
			in = s.lower
		}
		if bytes.Contains(in, n.text) {
			return true
		}
	}
	return false
}

// appendLower appends a line in lower case, eight bytes at a time. plain is false for
// one that has a backslash, a control character or a byte that is not ASCII.
func appendLower(dst, line []byte) (_ []byte, plain bool) {
	const (
		ones = 0x0101010101010101
		tops = 0x80 * ones
	)
	at := len(dst)
	if cap(dst)-at < len(line)+8 {
		dst = append(make([]byte, 0, 2*(at+len(line)+8)), dst...)
	}
	dst = dst[:at+len(line)]
	out := dst[at:cap(dst)]
	for len(line) > 0 {
		var w uint64
		if len(line) >= 8 {
			w = binary.LittleEndian.Uint64(line)
			line = line[8:]
		} else {
			rest := [8]byte{' ', ' ', ' ', ' ', ' ', ' ', ' ', ' '}
			copy(rest[:], line)
			w = binary.LittleEndian.Uint64(rest[:])
			line = nil
		}
		slash := w ^ '\\'*ones
		if (w|(slash-ones)&^slash|(w-' '*ones)&^w)&tops != 0 {
			return dst[:at], false
		}
		// The top bit of each byte that is at least 'A', and of each above 'Z'.
		from, above := w+(0x80-'A')*ones, w+(0x7f-'Z')*ones
		w |= bits.RotateLeft64(from&^above&tops, -2)
		binary.LittleEndian.PutUint64(out, w)
		out = out[8:]
	}
	return dst, true
}
