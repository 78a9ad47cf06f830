package line

import (
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"sync"
	"sync/atomic"

	"go.uber.org/zap"

	"github.com/steplog/steplog/internal/mask"
)

// Limits of a line. They are part of the format.
const (
	// MaxLine is the default and the largest length of a line in bytes, without
	// its newline: a quarter of a journal ring of the smallest size.
	MaxLine = 1 << 20
	// MinLine is the smallest length that [Options] can set: room for the fixed
	// keys, each cut.
	MinLine = 16 << 10

	maxDepth   = 64       // values nested deeper are cut
	maxMapKeys = 1000     // entries of one map
	maxKey     = 1024     // bytes of one key
	maxHead    = 64 << 10 // bytes that remain of a value that was cut
	maxPrefix  = 28       // {"seq":18446744073709551615,
)

// Options configure an [Encoder]. The zero value is ready to use.
type Options struct {
	Mask     *mask.Masker // hides secrets; nil hides nothing
	Messages *Messages    // give codes to messages; nil for none
	MaxLine  int          // bytes of a line without its newline; 0 means [MaxLine], and it is kept within [MinLine] and MaxLine
}

// Encoder writes records as lines. It is safe for concurrent use.
type Encoder struct {
	mask     *mask.Masker
	messages *Messages
	maxBody  int

	keys    keyCache
	second  secondCache
	types   sync.Map     // reflect.Type to *typeInfo
	foreign atomic.Int64 // calls of methods of logged values under way
}

// NewEncoder returns an Encoder with the given options.
func NewEncoder(o Options) *Encoder {
	size := o.MaxLine
	if size <= 0 {
		size = MaxLine
	}
	size = min(max(size, MinLine), MaxLine)
	e := &Encoder{mask: o.Mask, maxBody: size - maxPrefix, messages: o.Messages}
	e.keys.init()
	return e
}

// topicApplication is the topic of what is logged outside runs: no other fixed key
// has the same text so often.
const topicApplication = "application"

// state is what one call of Append keeps between its parts.
type state struct {
	version   uint64 // of the registered secrets
	secrets   bool   // there are any
	truncated bool
	hide      bool // inside a namespace whose name is secret
	ns        int  // open namespaces
	start     int  // where the record begins
	skip      int  // the field that became the error key, or -1
	code      string
	topic     string
	notes     []byte // members for details: which texts of fixed keys were cut
}

func (e *Encoder) newState() state {
	v := e.mask.Version()
	return state{version: v, secrets: v != 0, skip: -1}
}

// Append appends the body of a record's line: what follows the prefix, up to and
// including the closing brace, without a newline. Whatever the entry and the
// fields hold, the body is valid, and with its prefix no longer than
// [Options.MaxLine].
//
// It allocates nothing for primitive, time and error fields while dst has room,
// and keeps neither en nor fields. Values may be far larger than a line while
// they are encoded, and the returned slice keeps that room: whoever pools such
// slices drops large ones. It is safe for concurrent use.
func (e *Encoder) Append(dst []byte, en *Entry, fields []zap.Field) (out []byte) {
	start := len(dst)
	defer func() {
		if r := recover(); r != nil {
			out = e.appendFailed(dst[:start], en, r)
		}
	}()
	return e.body(dst, en, fields)
}

// body is Append, without its guard.
func (e *Encoder) body(dst []byte, en *Entry, fields []zap.Field) []byte {
	st := e.newState()
	st.start, st.topic, st.truncated = len(dst), en.Topic, en.Truncated
	c := en.Context
	if c == nil {
		c = &emptyContext
	} else {
		if c.topic != "" {
			st.topic = c.topic
		}
		st.code = c.code
		st.ns, st.hide = c.ns, c.hide
		st.truncated = st.truncated || c.truncated
	}
	hasErr := en.Err != nil || c.hasErr
	e.marks(fields, &st, !hasErr)

	b := e.head(dst, en)
	b = append(b, en.Identity...)
	if st.topic == topicApplication && !st.secrets {
		b = append(b, `"topic":"`+topicApplication+`",`...)
	} else if st.topic != "" {
		b = e.fixed(b, `"topic":`, st.topic, &st)
	}
	if len(en.Trace)|len(en.Span)|len(en.Logger)|len(en.Caller)|len(en.Label)|len(c.label)|len(en.Phase) != 0 || en.Lifecycle != nil {
		b = e.names(b, en, c, &st)
	}
	if en.Message != "" || en.Kind == KindLine || en.Kind == KindEvent {
		b = e.fixed(b, `"message":`, en.Message, &st)
	}
	if hasErr || st.skip >= 0 || st.code != "" {
		b = e.errorKey(b, en, c, fields, &st)
	}
	if en.Stack != "" {
		b = e.fixed(b, `"stack":`, en.Stack, &st)
	}

	mark := len(b)
	if len(fields)|len(c.details)|len(st.notes)|st.ns != 0 {
		b = e.details(b, c, fields, &st)
	}
	if st.truncated {
		b = insert(b, mark, truncatedMember)
	}
	b[len(b)-1] = '}' // in place of the last comma: a body has its level at least
	if len(b)-st.start > e.maxBody {
		return e.shrink(b, st.start)
	}
	if m := e.messages; m != nil && m.asked.Load() && !st.secrets && en.Message != "" {
		en.MessageCode = m.Code(en.Message)
	}
	return b
}

// details appends the details, if there are any.
func (e *Encoder) details(b []byte, c *Context, fields []zap.Field, st *state) []byte {
	mark := len(b)
	b = append(b, `"details":{`...)
	open := len(b)
	if len(c.details) > 0 {
		b = append(b, e.members(c, st)...)
	}
	b = e.fields(b, fields, st)
	for ; st.ns > 0; st.ns-- {
		b = append(closeObject(b), ',')
	}
	if len(st.notes) > 0 {
		b = append(b, st.notes...)
	}
	if len(b) == open {
		return b[:mark]
	}
	b[len(b)-1] = '}'
	return append(b, ',')
}

// head appends what every body begins with: its time, its level and its kind.
func (e *Encoder) head(b []byte, en *Entry) []byte {
	const begin = `"timestamp":"`
	kind := en.Kind
	if int(kind) >= len(kindNames) {
		kind = KindNone
	}
	h := &heads[LevelIndex(en.Level)][kind]
	b = reserve(b, len(begin)+timestampRoom+headRoom)
	n := len(b)
	p := (*[len(begin) + timestampRoom + headRoom]byte)(b[n : n+len(begin)+timestampRoom+headRoom])
	copy(p[:], begin)
	sec, nsec := instant(en.Time)
	at := (*[timestampRoom]byte)(p[len(begin):])
	e.second.put(at, sec)
	putNanoseconds(at, nsec)
	*(*[headRoom]byte)(p[len(begin)+timestampSize:]) = h.text
	return b[:n+len(begin)+timestampSize+h.size]
}

// names appends the fixed keys between the topic and the message, which most
// records do not have.
func (e *Encoder) names(b []byte, en *Entry, c *Context, st *state) []byte {
	b = e.member(b, `"trace":`, en.Trace, st)
	b = e.member(b, `"span":`, en.Span, st)
	b = e.member(b, `"logger":`, en.Logger, st)
	b = e.member(b, `"caller":`, en.Caller, st)
	if en.Label != "" {
		b = e.member(b, `"label":`, en.Label, st)
	} else {
		b = e.member(b, `"label":`, c.label, st)
	}
	if en.Lifecycle != nil {
		return e.lifecycle(b, en.Lifecycle, st)
	}
	return e.member(b, `"phase":`, en.Phase, st)
}

const truncatedMember = `"truncated":true,`

// closeObject closes an object whose members all have a comma after them.
func closeObject(b []byte) []byte {
	if n := len(b) - 1; n >= 0 && b[n] == ',' {
		b[n] = '}'
		return b
	}
	return append(b, '}')
}

func closeArray(b []byte) []byte {
	if n := len(b) - 1; n >= 0 && b[n] == ',' {
		b[n] = ']'
		return b
	}
	return append(b, ']')
}

func insert(b []byte, at int, s string) []byte {
	b = append(b, s...)
	copy(b[at+len(s):], b[at:len(b)-len(s)])
	copy(b[at:], s)
	return b
}

// member appends a fixed key with a text, if there is one.
func (e *Encoder) member(b []byte, key, value string, st *state) []byte {
	if value == "" {
		return b
	}
	return e.fixed(b, key, value, st)
}

func (e *Encoder) fixed(b []byte, key, value string, st *state) []byte {
	return append(e.text(append(b, key...), value, key, st), ',')
}

// text appends the text of a fixed key, masked. Of one that no line could hold
// only the beginning, and a note for details that says so.
func (e *Encoder) text(b []byte, s, key string, st *state) []byte {
	if !st.secrets && len(s) <= maxInline {
		return appendQuoted(b, s)
	}
	if st.secrets {
		s, _ = e.mask.Mask(s)
	}
	if len(s) > e.maxBody {
		st.truncated = true
		st.notes = appendNote(st.notes, noteKey(key), len(s), sumOf(s))
		s = escapedHead(s, maxHead)
	}
	return appendQuoted(b, s)
}

// value appends the text of a value under details, masked, cut if no line could
// hold it.
func (e *Encoder) value(b []byte, s string, st *state) []byte {
	if st.secrets {
		s, _ = e.mask.Mask(s)
	}
	if len(s) > minValue {
		if head := e.headFor(b, len(s), st); head > 0 {
			return appendCut(b, s, head)
		}
	}
	return appendQuoted(b, s)
}

// headFor returns how much of a value of size bytes, more than minValue, is kept
// if it must be cut because no line could hold it, or because the record is far
// over its limit already; else 0.
func (e *Encoder) headFor(b []byte, size int, st *state) int {
	switch {
	case len(b)-st.start > 2*e.maxBody:
		st.truncated = true
		return minValue
	case size > e.maxBody:
		st.truncated = true
		return maxHead
	}
	return 0
}

// key appends a key of the host's and its colon, and reports whether its value is
// secret.
func (e *Encoder) key(b []byte, key string, st *state) ([]byte, bool) {
	slot := e.keys.slot(idOf(key))
	k := slot.Load()
	if !k.is(key, st.version) {
		return e.newKey(b, key, st, slot)
	}
	return append(b, k.full.text...), k.full.hidden || st.hide
}

func (e *Encoder) newKey(b []byte, key string, st *state, slot *atomic.Pointer[keyEntry]) ([]byte, bool) {
	hidden := e.mask.Key(key)
	start := len(b)
	b = e.appendKey(b, key, st)
	if len(key) <= maxCached {
		e.keys.put(slot, newKeyEntry(key, string(b[start:]), st.version, hidden))
	}
	return b, hidden || st.hide
}

// onceKey is key for keys that are data, such as those of maps: they would crowd
// out the others.
func (e *Encoder) onceKey(b []byte, key string, st *state) ([]byte, bool) {
	return e.appendKey(b, key, st), st.hide || e.mask.Key(key)
}

func (e *Encoder) appendKey(b []byte, key string, st *state) []byte {
	if st.secrets {
		key, _ = e.mask.Mask(key)
	}
	if len(key) > maxKey {
		key = cutText(key, maxKey) + "…"
		st.truncated = true
	}
	return append(appendQuoted(b, key), ':')
}

func sumOf(s string) string {
	h := sha256.Sum256([]byte(s))
	return hex.EncodeToString(h[:])
}

// appendFailed appends a line for a record that could not be encoded, which is a
// defect of this package: no input is known to cause it.
func (e *Encoder) appendFailed(b []byte, en *Entry, reason any) []byte {
	st := e.newState()
	b = e.head(b, en)
	b = append(b, en.Identity...)
	message, _ := e.mask.Mask(en.Message)
	b = e.fixed(b, `"message":`, escapedHead(message, MinLine/4), &st)
	b = append(b, `"truncated":true,"details":{"$panic":`...)
	b = e.text(b, escapedHead(e.panicReason(reason), 256), "", &st)
	return append(b, '}', '}')
}

// lifecycle appends the keys of a run or step record.
func (e *Encoder) lifecycle(b []byte, l *Lifecycle, st *state) []byte {
	end := l.Phase == PhaseEnd
	b = e.member(b, `"phase":`, l.Phase, st)
	if l.ID != 0 {
		b = append(appendUint(append(b, `"id":`...), l.ID), ',')
	}
	if !l.Started.IsZero() {
		b = append(b, `"started":"`...)
		b = append(appendTimestamp(b, l.Started), '"', ',')
	}
	b = e.member(b, `"outcome":`, l.Outcome, st)
	b = e.member(b, `"reason":`, l.Reason, st)
	b = flag(b, `"implied":true,`, l.Implied)
	b = number(b, `"duration_ns":`, int64(l.Duration), end)
	if l.Counted {
		b = number(b, `"processed":`, l.Processed, true)
		b = number(b, `"succeeded":`, l.Succeeded, true)
		b = number(b, `"failed":`, l.Failed, true)
		b = number(b, `"fragments":`, l.Fragments, true)
	}
	if end || l.Levels != (Levels{}) {
		b = append(b, `"levels":{`...)
		for i, n := range l.Levels {
			if n != 0 {
				b = append(b, '"')
				b = append(b, levelNames[i]...)
				b = append(appendInt(append(b, '"', ':'), n), ',')
			}
		}
		b = append(closeObject(b), ',')
	}
	b = number(b, `"bytes":`, l.Bytes, end)
	b = e.member(b, `"triggered_by":`, l.TriggeredBy, st)
	b = e.member(b, `"schedule":`, l.Schedule, st)
	b = flag(b, `"inbound":true,`, l.Inbound)
	b = number(b, `"order":`, int64(l.Order), false)
	if l.Iterated {
		b = append(b, `"iteration":{"index":`...)
		b = strconv.AppendInt(b, int64(l.IterationIndex), 10)
		if l.IterationValue != nil {
			b = append(b, `,"value":`...)
			b = append(b, l.IterationValue...)
		}
		b = append(b, '}', ',')
	}
	return flag(b, `"archived":true,`, l.Archived)
}

func number(b []byte, key string, n int64, always bool) []byte {
	if n == 0 && !always {
		return b
	}
	return append(appendInt(append(b, key...), n), ',')
}

func flag(b []byte, member string, on bool) []byte {
	if on {
		b = append(b, member...)
	}
	return b
}
