package line

import (
	"bytes"
	"unicode/utf8"
)

// Brief is [Parser.Parse] for a line that is known to be a record, for whoever
// shows its keys and not its details: r.Details, r.Error and r.Lifecycle are left
// out where that spares reading them, and must not be looked at. Short texts of
// lines read one after the other share an allocation.
func (p *Parser) Brief(raw []byte, r *Record) error {
	if p.usual(raw, r) {
		return nil
	}
	p.brief = true
	err := p.Parse(raw, r)
	p.brief = false
	return err
}

// usual takes a line that says no more than a message and details, with the
// identifiers of the line before. It reports whether the line is one.
func (p *Parser) usual(raw []byte, r *Record) bool {
	at := beginning(raw, r)
	if at == 0 || !p.find(raw[at:]) {
		return false
	}
	known := &p.known[p.last]
	s := scanner{b: raw, i: at + len(known.text) + len(behindIdentifiers)}
	message, ok := s.str()
	text := raw[message.from:message.to]
	if !ok || message.escaped || message.wide && !utf8.Valid(text) || len(text) > maxShared {
		return false
	}
	switch rest := raw[s.i:]; {
	case string(rest) == "}":
	case len(rest) > len(beforeDetails) && string(rest[:len(beforeDetails)]) == beforeDetails && isLast(raw, s.i+len(beforeDetails)):
	default:
		return false
	}
	seq, when, level, kind := r.Seq, r.Time, r.Level, r.Kind
	*r = Record{}
	r.Seq, r.Time, r.Level, r.Kind, r.Identity = seq, when, level, kind, known.identity
	r.Message = view(append(p.take(len(text)), text...))
	p.before = p.last
	return true
}

// beforeDetails stands between the message and the details of most lines.
const beforeDetails = `,"details":`

// roomBytes is how many bytes of short texts share an allocation: whoever keeps
// the text of one line keeps those of its neighbours alive.
const roomBytes = 2 << 10

// take returns room for the texts of a line in brief.
func (p *Parser) take(n int) []byte {
	if n > roomBytes/4 {
		return make([]byte, 0, n)
	}
	if cap(p.room)-len(p.room) < n {
		p.room = make([]byte, 0, min(roomBytes, n<<min(p.rooms, 16)))
		p.rooms++
	}
	at := len(p.room)
	p.room = p.room[:at+n]
	return p.room[at : at : at+n]
}

// isLast reports whether an object that begins here in a line that is known to be
// one object is the last thing in it: the only two ends of objects from here on
// stand at the end, and an end inside a string would have a quote behind it.
func isLast(raw []byte, at int) bool {
	n := len(raw)
	return n-at >= 3 && raw[at] == '{' && raw[n-1] == '}' && bytes.IndexByte(raw[at:], '}') == n-2-at
}

const (
	beforeSeq       = `{"seq":`
	beforeTimestamp = `,"timestamp":"`
	beforeLevel     = `","level":"`
	beforeKind      = `","kind":"`
)

// beginning takes what most lines begin with, up to and with the comma behind the
// kind. It returns where that ends, 0 for a line that begins in another way.
func beginning(raw []byte, r *Record) int {
	if len(raw) < 128 || string(raw[:len(beforeSeq)]) != beforeSeq {
		return 0
	}
	i := len(beforeSeq)
	seq := uint64(0)
	for ; i < len(beforeSeq)+18; i++ { // as many digits always fit
		c := raw[i] - '0'
		if c > 9 {
			break
		}
		seq = seq*10 + uint64(c)
	}
	if i == len(beforeSeq) || raw[len(beforeSeq)] == '0' || string(raw[i:i+len(beforeTimestamp)]) != beforeTimestamp {
		return 0
	}
	i += len(beforeTimestamp)
	at, ok := parseTimestamp(raw[i : i+timestampSize])
	if i += timestampSize; !ok || string(raw[i:i+len(beforeLevel)]) != beforeLevel {
		return 0
	}
	i += len(beforeLevel)
	n := bytes.IndexByte(raw[i:i+8], '"')
	if n < 0 {
		return 0
	}
	level, ok := parseLevel(raw[i : i+n])
	if i += n; !ok || string(raw[i:i+len(beforeKind)]) != beforeKind {
		return 0
	}
	i += len(beforeKind)
	if n = bytes.IndexByte(raw[i:], '"'); n < 0 || i+n+1 == len(raw) || raw[i+n+1] != ',' {
		return 0
	}
	kind, ok := ParseKind(view(raw[i : i+n]))
	if !ok {
		return 0
	}
	r.Seq, r.Time, r.Level, r.Kind = seq, at, level, kind
	return i + n + 2
}

// identifierKeys are what identifiers begin with, in the order in which lines are
// written, but for the attempt.
var identifierKeys = [...]string{`"server":"`, `"server_name":"`, `"service":"`, `"service_name":"`, `"project":"`, `"operation":"`,
	`"operation_name":"`, `"parent_operation":"`, `"run":"`, `"root_run":"`, `"parent_run":"`, `"parent_step":"`, `"step":"`, `"action":"`,
	`"action_name":"`} // immutable

// identifiers takes identifiers as far as they stand in the order in which lines are
// written, each with the comma behind it.
func (s *scanner) identifiers(id, old *Identity, ids *identifiers) {
	to := [len(identifierKeys)]*string{&id.Server, &id.ServerName, &id.Service, &id.ServiceName, &id.Project, &id.Operation,
		&id.OperationName, &id.ParentOperation, &id.Run, &id.RootRun, &id.ParentRun, &id.ParentStep, &id.Step, &id.Action, &id.ActionName}
	was := [len(identifierKeys)]*string{&old.Server, &old.ServerName, &old.Service, &old.ServiceName, &old.Project, &old.Operation,
		&old.OperationName, &old.ParentOperation, &old.Run, &old.RootRun, &old.ParentRun, &old.ParentStep, &old.Step, &old.Action, &old.ActionName}
	for i, key := range identifierKeys {
		from, lent := s.i, s.lent
		if len(s.b)-from < len(key) || string(s.b[from:from+len(key)]) != key {
			continue
		}
		s.i += len(key) - 1
		if !s.again(to[i], *was[i]) || s.i == len(s.b) || s.b[s.i] != ',' {
			s.i, s.lent, *to[i] = from, lent, "" // whoever reads any line sees what is wrong
			return
		}
		if ids.from < 0 {
			ids.from = from
		}
		ids.next(from, s.i)
		s.i++
	}
}
