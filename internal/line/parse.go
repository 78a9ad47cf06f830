package line

import (
	"errors"
	"time"

	"go.uber.org/zap/zapcore"
)

// ErrNotRecord is returned by [Parse] for a line that is not a JSON object or has
// no seq: foreign text in a file, or a torn line.
var ErrNotRecord = errors.New("line: not a record")

// Parse takes apart raw, one line without its newline, and fills all of r.
//
// It reads any JSON object with a seq, whatever the order of its keys and however
// it is spaced and escaped, checks all of it, and skips keys that it does not know
// and known ones whose value has the wrong type. Of a key that stands twice the
// last counts. It returns [ErrNotRecord] for anything else; r is then empty. It
// never panics.
//
// r.Error, r.Details and r.Lifecycle.IterationValue are parts of raw. Texts are
// copies; short ones share an allocation: clone what is kept for long. Identifiers
// equal to those that r had before keep their strings, so parsing line after line
// into one Record allocates little.
func Parse(raw []byte, r *Record) error {
	if !parse(raw, r, nil) {
		*r = Record{} // its texts may still be parts of raw
		return ErrNotRecord
	}
	return nil
}

func parse(raw []byte, r *Record, p *Parser) bool {
	old := r.Identity
	*r = Record{}
	s := scanner{b: raw}
	if !s.take('{') {
		return false
	}
	ids := identifiers{from: -1}
	hasSeq := s.head(r, &old, p, &ids)
	for more := hasSeq || !s.take('}'); more; {
		key, ok := s.str()
		if !ok {
			return false
		}
		if s.i < len(raw) && raw[s.i] == ':' { // take, without a call
			s.i++
		} else if !s.takeFar(':') {
			return false
		}
		name := s.name(key)
		switch {
		case name == "seq":
			ok = s.seq(&r.Seq)
			hasSeq = true
		case p != nil && isIdentifier(name):
			ok = p.identifier(&s, key.from-1, name, r, &old, &ids)
		case p != nil && len(p.Paths) > 0 && name == "details":
			ok = p.details(&s, r)
		default:
			ok = parseMember(&s, name, r, &old)
		}
		if !ok {
			return false
		}
		if s.i < len(raw) && raw[s.i] == ',' {
			s.i++
		} else if !s.takeFar(',') {
			if !s.take('}') {
				return false
			}
			more = false
		}
	}
	if s.peek(); !hasSeq || s.i < len(raw) {
		return false
	}
	if s.lent > 0 && (p == nil || !p.Lend) {
		c := copier{from: view(raw), to: make([]byte, 0, s.lent)}
		c.record(r)
	}
	if p != nil {
		p.remember(raw, r, &ids)
	}
	if r.Kind == KindRun || r.Kind == KindStep {
		r.Lifecycle.Phase = r.Phase
	}
	return true
}

// head takes what stands up to the identifiers and those, as lines are written, each
// with the comma behind it. It reports whether the line begins in this way; of one
// that does not it takes nothing.
func (s *scanner) head(r *Record, old *Identity, p *Parser, ids *identifiers) bool {
	var last *headed
	if p != nil {
		last = &p.headed
	}
	b, n := beginning(s.b, last)
	if n == 0 {
		return false
	}
	r.Seq, r.Time, r.Level, r.Kind = b.seq, b.time, b.level, b.kind
	s.i = n
	if p != nil && p.find(s.b[n:]) {
		p.pass(s, n, r, ids)
		s.i++ // over the comma that find saw
	} else {
		s.identifiers(&r.Identity, old, ids)
	}
	return true
}

// seq takes the number of a record, which must be one.
func (s *scanner) seq(to *uint64) bool {
	v, ok := s.skip()
	if !ok {
		return false
	}
	*to, ok = digits(v)
	return ok
}

// parseMember takes the value of one key, and reports whether it is valid JSON.
func parseMember(s *scanner, name string, r *Record, old *Identity) bool {
	switch name {
	case "timestamp":
		return s.time(&r.Time)
	case "level":
		return s.level(&r.Level)
	case "kind":
		return s.kind(&r.Kind)
	case "server":
		return s.again(&r.Server, old.Server)
	case "server_name":
		return s.again(&r.ServerName, old.ServerName)
	case "service":
		return s.again(&r.Service, old.Service)
	case "service_name":
		return s.again(&r.ServiceName, old.ServiceName)
	case "project":
		return s.again(&r.Project, old.Project)
	case "operation":
		return s.again(&r.Operation, old.Operation)
	case "operation_name":
		return s.again(&r.OperationName, old.OperationName)
	case "parent_operation":
		return s.again(&r.ParentOperation, old.ParentOperation)
	case "run":
		return s.again(&r.Run, old.Run)
	case "root_run":
		return s.again(&r.RootRun, old.RootRun)
	case "parent_run":
		return s.again(&r.ParentRun, old.ParentRun)
	case "parent_step":
		return s.again(&r.ParentStep, old.ParentStep)
	case "step":
		return s.again(&r.Step, old.Step)
	case "action":
		return s.again(&r.Action, old.Action)
	case "action_name":
		return s.again(&r.ActionName, old.ActionName)
	case "attempt":
		return s.small(&r.Attempt)
	case "topic":
		return s.again(&r.Topic, "")
	case "trace":
		return s.again(&r.Trace, "")
	case "span":
		return s.again(&r.Span, "")
	case "logger":
		return s.again(&r.Logger, "")
	case "caller":
		return s.again(&r.Caller, "")
	case "stack":
		return s.again(&r.Stack, "")
	case "label":
		return s.again(&r.Label, "")
	case "message":
		return s.again(&r.Message, "")
	case "phase":
		return s.again(&r.Phase, "")
	case "truncated":
		return s.truth(&r.Truncated)
	case "error":
		return s.errorObject(r)
	case "details":
		return s.object(&r.Details)
	}
	return parseLifecycle(s, name, &r.Lifecycle)
}

// parseLifecycle is parseMember for the keys that run and step records have.
func parseLifecycle(s *scanner, name string, l *Lifecycle) bool {
	switch name {
	case "id":
		v, ok := s.skip()
		if n, fits := digits(v); ok && fits {
			l.ID = n
		}
		return ok
	case "started":
		return s.time(&l.Started)
	case "outcome":
		return s.again(&l.Outcome, "")
	case "reason":
		return s.again(&l.Reason, "")
	case "implied":
		return s.truth(&l.Implied)
	case "duration_ns":
		return s.number((*int64)(&l.Duration))
	case "processed":
		l.Counted = true
		return s.number(&l.Processed)
	case "succeeded":
		l.Counted = true
		return s.number(&l.Succeeded)
	case "failed":
		l.Counted = true
		return s.number(&l.Failed)
	case "fragments":
		l.Counted = true
		return s.number(&l.Fragments)
	case "levels":
		return s.levels(&l.Levels)
	case "bytes":
		return s.number(&l.Bytes)
	case "triggered_by":
		return s.again(&l.TriggeredBy, "")
	case "schedule":
		return s.again(&l.Schedule, "")
	case "inbound":
		return s.truth(&l.Inbound)
	case "order":
		return s.small(&l.Order)
	case "iteration":
		return s.iteration(l)
	case "archived":
		return s.truth(&l.Archived)
	}
	_, ok := s.skip()
	return ok
}

// again takes a text, and keeps the string that old is if it says the same.
func (s *scanner) again(to *string, old string) bool {
	if s.peek() != '"' {
		_, ok := s.skip()
		return ok
	}
	l, ok := s.str()
	if !ok {
		return false
	}
	if old != "" && !l.escaped && string(s.b[l.from:l.to]) == old {
		*to = old
	} else {
		*to = s.lend(l)
	}
	return true
}

// short takes a text and returns its bytes, good for comparing; nil if the value
// is no text.
func (s *scanner) short() (v []byte, ok bool) {
	if s.peek() != '"' {
		_, ok = s.skip()
		return nil, ok
	}
	l, ok := s.str()
	if !ok {
		return nil, false
	}
	if l.escaped {
		return []byte(s.get(l)), true
	}
	return s.b[l.from:l.to], true
}

func (s *scanner) time(to *time.Time) bool {
	v, ok := s.short()
	if t, valid := parseTimestamp(v); ok && valid {
		*to = t
	}
	return ok
}

func (s *scanner) level(to *zapcore.Level) bool {
	v, ok := s.short()
	if l, known := parseLevel(v); ok && known {
		*to = l
	}
	return ok
}

func (s *scanner) kind(to *Kind) bool {
	v, ok := s.short()
	if k, known := ParseKind(view(v)); ok && known {
		*to = k
	}
	return ok
}

func (s *scanner) truth(to *bool) bool {
	v, ok := s.skip()
	if ok && (v[0] == 't' || v[0] == 'f') {
		*to = v[0] == 't'
	}
	return ok
}

func (s *scanner) number(to *int64) bool {
	n, fits, ok := s.integer()
	if ok && fits {
		*to = n
	}
	return ok
}

func (s *scanner) small(to *int) bool {
	n := int64(*to)
	ok := s.number(&n)
	*to = int(n)
	return ok
}

// object takes a value and keeps it if it is an object.
func (s *scanner) object(to *[]byte) bool {
	v, ok := s.skip()
	if ok && v[0] == '{' {
		*to = v
	}
	return ok
}

// members takes an object and calls each with its keys, to take the value. A
// value that is no object is skipped.
func (s *scanner) members(each func(name string) bool) bool {
	if s.peek() != '{' {
		_, ok := s.skip()
		return ok
	}
	s.i++
	if s.take('}') {
		return true
	}
	for {
		l, ok := s.str()
		if !ok || !s.take(':') || !each(s.name(l)) {
			return false
		}
		if !s.take(',') {
			return s.take('}')
		}
	}
}

func (s *scanner) levels(to *Levels) bool {
	return s.members(func(name string) bool {
		for i, n := range levelNames {
			if name == n {
				return s.number(&to[i])
			}
		}
		_, ok := s.skip()
		return ok
	})
}

func (s *scanner) iteration(l *Lifecycle) bool {
	l.Iterated = s.peek() == '{'
	return s.members(func(name string) bool {
		if name == "index" {
			return s.small(&l.IterationIndex)
		}
		v, ok := s.skip()
		if ok && name == "value" {
			l.IterationValue = v
		}
		return ok
	})
}

// errorObject takes the error key. A foreign line may have a text there.
func (s *scanner) errorObject(r *Record) bool {
	if s.peek() == '"' {
		return s.again(&r.ErrorMessage, "")
	}
	from := s.i
	object := s.peek() == '{'
	ok := s.members(func(name string) bool {
		switch name {
		case "message":
			return s.again(&r.ErrorMessage, "")
		case "code":
			return s.again(&r.ErrorCode, "")
		}
		_, ok := s.skip()
		return ok
	})
	if ok && object {
		r.Error = s.b[from:s.i:s.i]
	}
	return ok
}
