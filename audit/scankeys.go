package audit

import (
	"bytes"
	"time"
)

// ParseKeys reads of a record's line what records are found by: its number,
// time, event, outcome, who acted, the target, the flow and the project. The
// rest of the Record is zero. It is for the other packages of this module, which
// read every record once.
func ParseKeys(raw []byte) (Record, error) {
	var r Record
	if !quickKeys(raw, &r) { // anything unusual
		return ParseRecord(raw)
	}
	return r, nil
}

// quickKeys reads a line as encoder.body writes it, up to the project, and
// reports whether it is one. Every key is in its place or absent.
func quickKeys(raw []byte, r *Record) bool {
	s := keyScan{rest: raw}
	seq, ok := seqOf(raw)
	if !ok {
		return false
	}
	r.Seq = uint64(seq)
	s.rest = raw[bytes.IndexByte(raw, ',')+1:]
	at, err := time.Parse(timeFormat, s.text("timestamp"))
	if err != nil {
		return false
	}
	r.Time = at
	s.text("level")
	if s.text("kind") != "audit" {
		return false
	}
	r.Topic = s.text("topic")
	s.text("id")
	r.Event, r.Title = s.text("event"), s.text("title")
	r.Verb, r.Module = Verb(s.text("verb")), s.text("module")
	r.Outcome = Outcome(s.text("outcome"))
	s.skipNumber("intent")
	s.text("reason")
	s.actor("actor", &r.Actor)
	s.actor("on_behalf_of", &r.OnBehalfOf)
	if s.open("target") {
		r.Target = Target{Type: s.text("type"), ID: s.text("id"), Name: s.text("name")}
		s.close()
	}
	r.FlowID, r.Project = s.text("operation"), s.text("project")
	return !s.odd && r.Event != "" && s.atEnd()
}

// atEnd reports whether what is left is what may follow the project: a key that
// stands where this version knows none must not pass unseen.
func (s *keyScan) atEnd() bool {
	if string(s.rest) == "}" {
		return true
	}
	for _, key := range []string{"ip", "ip_from", "request", "run", "changes", "diff_error", "more_changes", "truncated", "redacted"} {
		if s.member(key) {
			return true
		}
	}
	return false
}

// keyScan takes members off the front of an object in the order in which they
// are asked for.
type keyScan struct {
	rest []byte
	odd  bool // something that only a real parser understands
}

// member takes `"key":` when it comes next.
func (s *keyScan) member(key string) bool {
	n := len(key) + 3
	if s.odd || len(s.rest) < n || s.rest[0] != '"' || string(s.rest[1:n-2]) != key || s.rest[n-2] != '"' || s.rest[n-1] != ':' {
		return false
	}
	s.rest = s.rest[n:]
	return true
}

// text takes a member that is a text; "" when it is not the next.
func (s *keyScan) text(key string) string {
	if !s.member(key) {
		return ""
	}
	if len(s.rest) == 0 || s.rest[0] != '"' {
		s.odd = true
		return ""
	}
	end := bytes.IndexByte(s.rest[1:], '"')
	if end < 0 || bytes.IndexByte(s.rest[1:1+end], '\\') >= 0 {
		s.odd = true
		return ""
	}
	text := string(s.rest[1 : 1+end])
	s.rest = s.rest[end+2:]
	s.comma()
	return text
}

func (s *keyScan) comma() {
	if len(s.rest) > 0 && s.rest[0] == ',' {
		s.rest = s.rest[1:]
	}
}

func (s *keyScan) skipNumber(key string) {
	if s.member(key) {
		s.rest = bytes.TrimLeft(s.rest, "0123456789")
		s.comma()
	}
}

func (s *keyScan) open(key string) bool {
	if !s.member(key) {
		return false
	}
	if len(s.rest) == 0 || s.rest[0] != '{' {
		s.odd = true
		return false
	}
	s.rest = s.rest[1:]
	return true
}

func (s *keyScan) close() {
	if len(s.rest) == 0 || s.rest[0] != '}' {
		s.odd = true
		return
	}
	s.rest = s.rest[1:]
	s.comma()
}

func (s *keyScan) actor(key string, a *Actor) {
	if s.open(key) {
		*a = Actor{ID: s.text("id"), Email: s.text("email"), Name: s.text("name"), Type: s.text("type")}
		s.close()
	}
}
