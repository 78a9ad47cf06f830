package line

import "go.uber.org/zap"

// Context is what a logger has bound: fields, encoded once, a label, an error. A
// nil Context is empty. It is immutable and safe for concurrent use.
type Context struct {
	details   []byte // members, each with a comma after it; namespaces open at the end
	ns        int    // open namespaces
	hide      bool   // the fields that follow are in a namespace whose name is secret
	truncated bool
	label     string
	topic     string
	code      string
	hasErr    bool
	err       errorParts
}

var emptyContext Context

func (c *Context) clone() *Context {
	n := &Context{}
	if c != nil {
		*n = *c
		n.details = append([]byte(nil), c.details...)
	}
	return n
}

// With returns c and the given fields: those of an error, code or topic apart,
// the others under details. A namespace stays open for what follows. Fields that
// would make a line too long by themselves are not bound, and every record says
// truncated. c may be nil and is not changed; the fields are encoded now and not
// kept.
func (e *Encoder) With(c *Context, fields []zap.Field) *Context {
	n := c.clone()
	st := e.newState()
	st.ns, st.hide = n.ns, n.hide
	marks(fields, &st, !n.hasErr)
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
