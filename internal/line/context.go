package line

import (
	"sync/atomic"

	"go.uber.org/zap"
)

// Context is what a logger has bound: fields, encoded once, and once more when
// secrets were registered since, a label, an error. A nil Context is empty. It is
// safe for concurrent use, and nothing that is seen of it changes otherwise.
type Context struct {
	bound
	newer atomic.Pointer[masked] // of secrets that were registered later, nil for none
}

type bound struct {
	masked
	ns        int  // open namespaces
	hide      bool // the fields that follow are in a namespace whose name is secret
	truncated bool
	label     string
	topic     string
	code      string
	hasErr    bool
	err       errorParts
}

// masked are members, each with a comma after it, in which the secrets of a version
// are hidden; namespaces are open at the end.
type masked struct {
	details []byte
	version uint64
}

var emptyContext Context // never changed

func (c *Context) clone() *Context {
	n := &Context{}
	if c != nil {
		n.bound = c.bound
		n.details = append([]byte(nil), c.details...)
	}
	return n
}

// members returns the members of c under details, without secrets that were
// registered after they were bound.
func (e *Encoder) members(c *Context, st *state) []byte {
	if c.version >= st.version || len(c.details) == 0 {
		return c.details
	}
	m := c.newer.Load()
	if m == nil || m.version < st.version {
		m = &masked{e.maskMembers(c.details), st.version}
		c.newer.Store(m)
	}
	return m.details
}

// MaskAgain returns a value that [Encoder.AppendValue] encoded without the secrets
// that were registered since. It may be value itself.
func (e *Encoder) MaskAgain(value []byte) []byte {
	if len(value) == 0 || !e.mask.HasSecrets() {
		return value
	}
	return e.maskMembers(value)
}

// maskMembers hides registered values in what this package encoded: in keys, texts
// and numbers.
func (e *Encoder) maskMembers(b []byte) []byte {
	out := make([]byte, 0, len(b))
	for s := (scanner{b: b}); s.i < len(b); {
		from := s.i
		switch c := b[from]; {
		case c == '"':
			l, ok := s.str()
			if !ok {
				return append(out, b[from:]...) // it is never so
			}
			if text, changed := e.mask.Mask(s.get(l)); changed {
				out = appendQuoted(out, text)
				continue
			}
		case c == '-' || c-'0' <= 9:
			s.i += max(numberLen(b[from:]), 1)
			if e.mask.Contains(b[from:s.i]) {
				out = e.maskNumber(append(out, b[from:s.i]...), len(out))
				continue
			}
		default:
			s.i++
		}
		out = append(out, b[from:s.i]...)
	}
	return out
}

// With returns c and the given fields: those of an error, code or topic apart,
// the others under details. A namespace stays open for what follows. Fields that
// would make a line too long by themselves are not bound, and every record says
// truncated. c may be nil and is not changed; the fields are encoded now and not
// kept.
func (e *Encoder) With(c *Context, fields []zap.Field) *Context {
	n := c.clone()
	st := e.newState()
	if n.version < st.version && len(n.details) > 0 {
		n.details = append([]byte(nil), e.members(c, &st)...)
	}
	n.version = st.version
	st.ns, st.hide = n.ns, n.hide
	e.marks(fields, &st, !n.hasErr)
	if st.skip >= 0 {
		n.err = e.errorParts(fieldError(&fields[st.skip]))
		n.hasErr = true
	}
	if st.topic != "" {
		n.topic = st.topic
	}
	if st.code != "" {
		n.code = st.code
	}
	had := len(n.details)
	n.details = e.fields(n.details, fields, &st)
	if len(n.details) > e.maxBody {
		// Too much to carry along: what was bound before stays, and says so.
		n.details, n.truncated = n.details[:had:had], true
		return n
	}
	n.ns, n.hide = st.ns, st.hide
	n.truncated = n.truncated || st.truncated
	return n
}

// Label returns c with another label. c may be nil and is not changed.
func (e *Encoder) Label(c *Context, label string) *Context {
	n := c.clone()
	n.label = label
	return n
}
