package line

import (
	"time"
	"unicode/utf8"
	"unsafe"

	"go.uber.org/zap/zapcore"
)

// Outline is what a page shows of a record: a [Record] without its details, the rest
// of its error, and what only run and step records say. Of the two objects it says
// where they stand.
type Outline struct {
	Seq   uint64
	Time  time.Time // UTC
	Level zapcore.Level
	Kind  Kind
	// Identity is the parser's, and holds until it reads the next line; its texts hold
	// for ever.
	Identity                *Identity
	Topic                   string
	Trace, Span             string
	Logger, Caller, Stack   string
	Label, Message, Phase   string
	ErrorMessage, ErrorCode string
	Truncated               bool
	Error, Details          Span
}

// Span is where an object stands in a line: from its brace up to what is behind its
// other one. The zero Span is none.
type Span struct{ From, To uint32 }

// In returns the object in its line, nil for none.
func (s Span) In(raw []byte) []byte {
	if s.To == 0 {
		return nil
	}
	return raw[s.From:s.To:s.To]
}

// outlined is what a [Parser] keeps from outline to outline.
type outlined struct {
	identity Identity
	text     string // as it stood in the line, without the comma behind it; "" for none
	room     []byte // for the texts of some lines
	rooms    int    // how many there were
	record   Record // of a line that is read as a whole
}

// Outline fills o from a line that is known to be a record, as [Parse] would fill a
// [Record], for whoever shows its keys and not its details. Short texts of lines read
// one after the other share an allocation. It returns [ErrNotRecord] where it sees
// that the line is none.
func (p *Parser) Outline(raw []byte, o *Outline) error {
	if p.outline(raw, o) {
		return nil
	}
	r := &p.outlined.record
	if err := p.Parse(raw, r); err != nil {
		*o = Outline{}
		return err
	}
	r.Outline(raw, o)
	return nil
}

// Outline fills o from a record that was read from raw, and holds as long as r does.
func (r *Record) Outline(raw []byte, o *Outline) {
	*o = Outline{Seq: r.Seq, Time: r.Time, Level: r.Level, Kind: r.Kind, Identity: &r.Identity, Topic: r.Topic,
		Trace: r.Trace, Span: r.Span, Logger: r.Logger, Caller: r.Caller, Stack: r.Stack, Label: r.Label, Message: r.Message,
		Phase: r.Phase, ErrorMessage: r.ErrorMessage, ErrorCode: r.ErrorCode, Truncated: r.Truncated,
		Error: spanOf(raw, r.Error), Details: spanOf(raw, r.Details)}
}

// spanOf returns where a part of a line stands in it.
func spanOf(raw, part []byte) Span {
	if len(part) == 0 || len(raw) == 0 {
		return Span{}
	}
	from := uint32(uintptr(unsafe.Pointer(&part[0])) - uintptr(unsafe.Pointer(&raw[0])))
	return Span{from, from + uint32(len(part))}
}

// outline takes a line that begins as lines are written, with its identifiers in their
// order. It reports whether the line is one.
func (p *Parser) outline(raw []byte, o *Outline) bool {
	begin, at := beginning(raw, &p.headed)
	if at == 0 {
		return false
	}
	*o = Outline{}
	o.Seq, o.Time, o.Level, o.Kind = begin.seq, begin.time, begin.level, begin.kind
	s := scanner{b: raw, i: at}
	if known := p.outlined.text; known != "" && len(raw)-at > len(known)+1 && string(raw[at:at+len(known)]) == known &&
		raw[at+len(known)] == ',' && !identifierAt(raw[at+len(known)+1:]) {
		s.i += len(known) + 1
	} else if !p.outlined.take(&s) {
		return false
	}
	o.Identity = &p.outlined.identity
	for {
		key, ok := s.str()
		if !ok || key.escaped || s.i == len(raw) || raw[s.i] != ':' {
			return false
		}
		s.i++
		if !p.outlineMember(&s, view(raw[key.from:key.to]), o) || s.i == len(raw) {
			return false
		}
		switch raw[s.i] {
		case ',':
			s.i++
		case '}':
			return s.i == len(raw)-1
		default:
			return false
		}
	}
}

// outlineMember takes the value of one key that is no identifier, and reports whether
// it is of the kind that is written there.
func (p *Parser) outlineMember(s *scanner, name string, o *Outline) bool {
	switch name {
	case "message":
		return p.outlined.string(s, &o.Message)
	case "details":
		if isLast(s.b, s.i) {
			o.Details = Span{uint32(s.i), uint32(len(s.b) - 1)}
			s.i = len(s.b) - 1
			return true
		}
		return s.span(&o.Details)
	case "topic":
		return p.outlined.string(s, &o.Topic)
	case "trace":
		return p.outlined.string(s, &o.Trace)
	case "span":
		return p.outlined.string(s, &o.Span)
	case "logger":
		return p.outlined.string(s, &o.Logger)
	case "caller":
		return p.outlined.string(s, &o.Caller)
	case "stack":
		return p.outlined.string(s, &o.Stack)
	case "label":
		return p.outlined.string(s, &o.Label)
	case "phase":
		return p.outlined.string(s, &o.Phase)
	case "truncated":
		return s.truth(&o.Truncated)
	case "error":
		from := s.i
		ok := s.peek() == '{' && s.members(func(name string) bool {
			switch name {
			case "message":
				return p.outlined.string(s, &o.ErrorMessage)
			case "code":
				return p.outlined.string(s, &o.ErrorCode)
			}
			_, ok := s.skip()
			return ok
		})
		o.Error = Span{uint32(from), uint32(s.i)}
		return ok
	case "seq", "timestamp", "level", "kind", "attempt":
		return false // it stands twice, or elsewhere
	}
	if isIdentifier(name) {
		return false
	}
	_, ok := s.skip()
	return ok
}

// span takes an object.
func (s *scanner) span(to *Span) bool {
	if s.peek() != '{' {
		return false
	}
	*to = Span{From: uint32(s.i)}
	ok := s.container()
	to.To = uint32(s.i)
	return ok
}

// take takes the identifiers of a line as they are written, up to and with the comma
// behind them.
func (k *outlined) take(s *scanner) bool {
	id := &k.identity
	to := id.texts()
	k.text, k.identity = "", Identity{}
	var spans [len(identifierKeys)]Span
	from := s.i
	for i, key := range identifierKeys {
		// Where the key is another one its colon mostly stands elsewhere.
		if len(s.b)-s.i < len(key) || s.b[s.i+len(key)-2] != ':' || string(s.b[s.i:s.i+len(key)]) != key {
			continue
		}
		s.i += len(key) - 1
		l, ok := s.str()
		if !ok || l.escaped || l.wide && !utf8.Valid(s.b[l.from:l.to]) || s.i == len(s.b) || s.b[s.i] != ',' {
			return false
		}
		s.i++
		spans[i] = Span{uint32(l.from - from), uint32(l.to - from)}
	}
	if rest := s.b[s.i:]; len(rest) > len(beforeAttempt) && string(rest[:len(beforeAttempt)]) == beforeAttempt {
		s.i += len(beforeAttempt)
		if s.small(&id.Attempt); s.i == len(s.b) || s.b[s.i] != ',' {
			return false
		}
		s.i++
	}
	if s.i == from {
		return true
	}
	k.text = k.keep(s.b[from : s.i-1])
	for i, part := range spans {
		*to[i] = k.text[part.From:part.To]
	}
	return true
}

const beforeAttempt = `"attempt":`

// identifierAt reports whether a part of a line begins with an identifier.
func identifierAt(rest []byte) bool {
	if len(rest) < 2 || rest[1] == 'm' { // the message follows in most
		return false
	}
	begins := func(key string) bool { return len(rest) > len(key) && string(rest[:len(key)]) == key }
	for _, key := range identifierKeys {
		if begins(key) {
			return true
		}
	}
	return begins(beforeAttempt)
}

// string takes a text.
func (k *outlined) string(s *scanner, to *string) bool {
	l, ok := s.str()
	if !ok {
		return false
	}
	if text := s.b[l.from:l.to]; !l.escaped && (!l.wide || utf8.Valid(text)) {
		*to = k.keep(text)
	} else {
		*to = unquote(text)
	}
	return true
}

// roomBytes is how many bytes of short texts share an allocation: whoever keeps
// the text of one line keeps those of its neighbours alive.
const roomBytes = 2 << 10

// keep returns a copy of a text.
func (k *outlined) keep(text []byte) string {
	n := len(text)
	if n > maxShared {
		return string(text)
	}
	if cap(k.room)-len(k.room) < n {
		k.room = make([]byte, 0, min(roomBytes, n<<min(k.rooms, 16)))
		k.rooms++
	}
	at := len(k.room)
	k.room = append(k.room, text...)
	return view(k.room[at:])
}
