package line

import (
	"bytes"
	"encoding/binary"
	"math/bits"
	"strings"
)

// Parser is [Parse] for line after line of a file. It remembers the identifiers
// that it met, as they stand in the text: most lines repeat those of one before,
// byte for byte, and half of a line need not be read again. The zero value
// remembers those of the line before; it is for one goroutine at a time.
type Parser struct {
	// Many has it remember thousands, for text in which the lines of many runs
	// alternate. It is set before the first line.
	Many bool
	// Lend has the texts of records be parts of their lines, where they stand there as
	// they are: they hold as long as the line does, and so do those of identifiers as
	// long as the lines that they were met in, all of them.
	Lend bool
	// Paths has the values at some paths of the details be found while these are read,
	// for [Parser.Field]. Like Many and Lend it is set before the first line.
	Paths []string

	headed headed
	found  []found // of each path what stands behind it as a key of the last line's details
	line   []byte  // that line
	inner  []byte  // the details; nil when it has none
	known  []knownIdentity
	place  map[uint64]int32 // in known, by hash of the text
	last   int              // number of the identity of the last line, -1 for none
	before int              // the last one that was known
	ends   int              // how often all were forgotten

	outlined outlined // what was met in outlines
}

// maxKnown bounds what a Parser remembers: some MB.
const maxKnown = 1 << 13

type knownIdentity struct {
	text     []byte // the members of the line, without the comma behind them
	identity Identity
}

// behindIdentifiers is what stands behind the identifiers of most lines. It
// cannot be a part of a string, whose quotes are escaped.
const behindIdentifiers = `,"message":`

// Parse is the function [Parse].
func (p *Parser) Parse(raw []byte, r *Record) error {
	p.last, p.inner = -1, nil
	if !parse(raw, r, p) {
		p.inner = nil
		*r = Record{}
		p.last = -1
		return ErrNotRecord
	}
	if p.last >= 0 {
		p.before = p.last
	}
	return nil
}

// Same returns a number for the identifiers of the last line, below 8192 and the
// same as that of any other line that had the same since the Parser was new or
// forgot; ok is false when they were not remembered, and without Many. Forgot counts how often all
// were forgotten, after which numbers begin again.
func (p *Parser) Same() (number, forgot int, ok bool) { return p.last, p.ends, p.Many && p.last >= 0 }

// find looks for the identifiers that text begins with: those of the line before
// first, as lines of a run follow each other in a page.
func (p *Parser) find(text []byte) bool {
	if p.before < len(p.known) {
		k := p.known[p.before].text
		if len(text) > len(k) && bytes.Equal(text[:len(k)], k) && bytes.HasPrefix(text[len(k):], []byte(behindIdentifiers)) {
			p.last = p.before
			return true
		}
	}
	if !p.Many {
		return false
	}
	n := endOfIdentifiers(text)
	if n < 0 {
		return false
	}
	at, ok := p.place[hashText(text[:n])]
	if !ok || !bytes.Equal(p.known[at].text, text[:n]) {
		return false
	}
	if p.last = int(at); p.Lend {
		p.known[at].text = text[:n:n] // what was read lately is near
	}
	return true
}

// endOfIdentifiers is bytes.Index of behindIdentifiers: an m is rarer than a
// comma.
func endOfIdentifiers(text []byte) int {
	for at := 2; at < len(text); at++ {
		n := bytes.IndexByte(text[at:], 'm')
		if n < 0 {
			return -1
		}
		if at += n; bytes.HasPrefix(text[at-2:], []byte(behindIdentifiers)) {
			return at - 2
		}
	}
	return -1
}

// identifiers are where those of a line stand.
type identifiers struct {
	from, to int
	found    bool // by find
	more     bool // further ones behind those
	apart    bool // not one behind the other
}

// next takes in one more.
func (i *identifiers) next(from, to int) {
	// One comma, and nothing else, stands between two.
	i.apart = i.apart || i.to != 0 && from != i.to+1
	i.more = i.found && i.to != 0
	i.to = to
}

// remember keeps the identifiers of a line, if they stand together before the
// message.
func (p *Parser) remember(raw []byte, r *Record, ids *identifiers) {
	switch {
	case ids.from < 0:
	case ids.found:
		if ids.more && (ids.apart || r.Identity != p.known[p.last].identity) {
			p.last = -1 // others followed
		}
	case ids.apart || !bytes.HasPrefix(raw[ids.to:], []byte(behindIdentifiers)):
	case !p.Many:
		if p.known == nil {
			p.known = make([]knownIdentity, 1)
		}
		p.known[0] = knownIdentity{append(p.known[0].text[:0], raw[ids.from:ids.to]...), r.Identity}
	default:
		if len(p.known) == maxKnown {
			p.known, p.place = nil, nil
			p.ends++
		}
		if p.place == nil {
			p.place = map[uint64]int32{}
		}
		p.last = len(p.known)
		if p.Lend {
			text := raw[ids.from:ids.to:ids.to]
			p.place[hashText(text)] = int32(p.last)
			p.known = append(p.known, knownIdentity{text, r.Identity})
			return
		}
		r.Identity.Detach()
		text := bytes.Clone(raw[ids.from:ids.to])
		p.place[hashText(text)] = int32(p.last)
		p.known = append(p.known, knownIdentity{text, r.Identity})
	}
}

// identifier takes the value of an identifier whose key begins at from. Where it is
// the first one, all are taken at once that stand as in a line before.
func (p *Parser) identifier(s *scanner, from int, name string, r *Record, old *Identity, ids *identifiers) bool {
	if ids.from < 0 {
		ids.from = from
		if p.find(s.b[from:]) {
			p.pass(s, from, r, ids)
			return true
		}
	}
	if !parseMember(s, name, r, old) {
		return false
	}
	ids.next(from, s.i)
	return true
}

// pass goes over the identifiers that find found at from.
func (p *Parser) pass(s *scanner, from int, r *Record, ids *identifiers) {
	known := &p.known[p.last]
	r.Identity, s.i = known.identity, from+len(known.text)
	ids.from, ids.found = from, true
	ids.next(from, s.i)
}

// isIdentifier reports whether a key is one of an [Identity].
func isIdentifier(key string) bool {
	switch key {
	case "server", "server_name", "service", "service_name", "project", "operation", "operation_name", "parent_operation",
		"run", "root_run", "parent_run", "parent_step", "step", "action", "action_name", "attempt":
		return true
	}
	return false
}

// details takes the value of that key, and notes what stands at the paths.
func (p *Parser) details(s *scanner, r *Record) bool {
	if s.peek() != '{' {
		return s.object(&r.Details)
	}
	if p.found == nil {
		p.found = make([]found, len(p.Paths))
	}
	clear(p.found)
	from := s.i
	if s.i++; !s.take('}') && !s.find(p.Paths, p.found) {
		return false
	}
	r.Details = s.b[from:s.i:s.i]
	p.line, p.inner = s.b, r.Details
	return true
}

// Field is the function [Field] for the details of the last line and path n of Paths.
// With Lend what it yields may be a part of the line.
func (p *Parser) Field(n int, yield func(scalar string) bool) {
	if p.inner == nil {
		return
	}
	v := &p.found[n]
	if v.plain && p.Lend {
		yield(view(p.line[v.from+1 : v.to-1]))
	} else if v.to > 0 {
		scalars(p.line[v.from:v.to], "", false, yield)
	} else if strings.Contains(p.Paths[n], ".") {
		scalars(p.inner, p.Paths[n], true, yield)
	}
}

// hashText is a hash for one process: 16 bytes at a time, multiplied and folded by halves
// that do not wait for each other.
func hashText(b []byte) uint64 {
	h, g := uint64(len(b)), uint64(0x8bb84b93962eacc9)
	mix := func(b []byte) {
		hi, lo := bits.Mul64(h^binary.LittleEndian.Uint64(b), 0xa0761d6478bd642f)
		h = hi ^ lo
		hi, lo = bits.Mul64(g^binary.LittleEndian.Uint64(b[8:]), 0xe7037ed1a0b428db)
		g = hi ^ lo
	}
	if len(b) >= 16 {
		last := b[len(b)-16:]
		for ; len(b) > 16; b = b[16:] {
			mix(b)
		}
		mix(last)
	} else {
		for _, c := range b {
			h = h*31 + uint64(c)
		}
	}
	hi, lo := bits.Mul64(h^bits.RotateLeft64(g, 32), 0xe7037ed1a0b428db)
	return hi ^ lo
}
