package line

import (
	"bytes"
	"time"

	"go.uber.org/zap/zapcore"
)

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

// AppendPrefix appends the beginning of a line, which says its number. The line
// is this, the body from [Encoder.Append], and a newline.
func AppendPrefix(dst []byte, seq uint64) []byte {
	return append(appendUint(append(dst, beforeSeq...), seq), ',')
}

// SeqOf reads the number at the start of a line as AppendPrefix writes it, up to the
// comma behind it. ok is false for anything else.
func SeqOf(raw []byte) (seq uint64, ok bool) {
	if !bytes.HasPrefix(raw, []byte(beforeSeq)) {
		return 0, false
	}
	for i, c := range raw[len(beforeSeq):] {
		if c < '0' || c > '9' {
			return seq, i > 0 && c == ','
		}
		if i > 19 {
			return 0, false
		}
		seq = seq*10 + uint64(c-'0')
	}
	return 0, false
}

// NumberOf reads the number of a whole line, also of one that another program wrote: as
// [Parse] does. ok is false for what is no record.
func NumberOf(raw []byte) (seq uint64, ok bool) {
	if seq, ok = SeqOf(raw); ok {
		return seq, true
	}
	var r Record
	ok = Parse(raw, &r) == nil && r.Seq > 0
	return r.Seq, ok
}

// begun is what stands at the beginning of a line.
type begun struct {
	seq   uint64
	time  time.Time
	level zapcore.Level
	kind  Kind
}

// headed is what stands behind the time of a line, up to and with the comma behind the
// kind: most lines repeat that of the one before.
type headed struct {
	text  string
	level zapcore.Level
	kind  Kind

	day      [len("2006-01-02")]byte // of a time
	midnight int64                   // when it begins, in Unix seconds
}

// time reads a time, most of which are of the day of the one before.
func (h *headed) time(s []byte) (t time.Time, ok bool) {
	if h.day[0] != 0 && string(s[:len(h.day)]) == string(h.day[:]) {
		if t, ok = timeOfDay(s, h.midnight); ok {
			return t, true
		}
	}
	if t, ok = parseTimestamp(s); ok && s[len(s)-1] == 'Z' {
		const day = 24 * 60 * 60
		h.midnight = t.Unix() - (t.Unix()%day+day)%day
		copy(h.day[:], s)
	}
	return t, ok
}

// beginning takes what most lines begin with, up to and with the comma behind the
// kind. It returns where that ends, 0 for a line that begins in another way. last, if
// not nil, is that of the line before.
func beginning(raw []byte, last *headed) (b begun, end int) {
	if len(raw) < 128 || string(raw[:len(beforeSeq)]) != beforeSeq {
		return b, 0
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
		return b, 0
	}
	i += len(beforeTimestamp)
	var at time.Time
	var ok bool
	if last != nil {
		at, ok = last.time(raw[i : i+timestampSize])
	} else {
		at, ok = parseTimestamp(raw[i : i+timestampSize])
	}
	if i += timestampSize; !ok {
		return b, 0
	}
	if last != nil && last.text != "" && len(raw)-i > len(last.text) && string(raw[i:i+len(last.text)]) == last.text {
		return begun{seq, at, last.level, last.kind}, i + len(last.text)
	}
	from := i
	if string(raw[i:i+len(beforeLevel)]) != beforeLevel {
		return b, 0
	}
	i += len(beforeLevel)
	n := bytes.IndexByte(raw[i:i+8], '"')
	if n < 0 {
		return b, 0
	}
	level, ok := parseLevel(raw[i : i+n])
	if i += n; !ok || string(raw[i:i+len(beforeKind)]) != beforeKind {
		return b, 0
	}
	i += len(beforeKind)
	if n = bytes.IndexByte(raw[i:], '"'); n < 0 || i+n+1 == len(raw) || raw[i+n+1] != ',' {
		return b, 0
	}
	kind, ok := ParseKind(view(raw[i : i+n]))
	if !ok {
		return b, 0
	}
	if last != nil {
		h := &heads[LevelIndex(level)][kind]
		last.text, last.level, last.kind = view(h.text[:h.size]), level, kind
		if last.text != string(raw[from:i+n+2]) {
			last.text = ""
		}
	}
	return begun{seq, at, level, kind}, i + n + 2
}

// identifierKeys are what identifiers begin with, in the order in which lines are
// written, but for the attempt.
var identifierKeys = [...]string{`"server":"`, `"server_name":"`, `"service":"`, `"service_name":"`, `"project":"`, `"operation":"`,
	`"operation_name":"`, `"parent_operation":"`, `"run":"`, `"root_run":"`, `"parent_run":"`, `"parent_step":"`, `"step":"`, `"action":"`,
	`"action_name":"`} // immutable

// identifiers takes identifiers as far as they stand in the order in which lines are
// written, each with the comma behind it.
func (s *scanner) identifiers(id, old *Identity, ids *identifiers) {
	to, was := id.texts(), old.texts()
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
