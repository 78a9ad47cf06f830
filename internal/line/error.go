package line

import (
	"fmt"
	"reflect"

	"go.uber.org/zap"
)

const (
	maxCauses  = 16 // causes written
	maxUnwraps = 64 // errors looked at in one chain
)

// errorParts is an error, taken apart and masked, but not yet encoded.
type errorParts struct {
	message string
	code    string
	causes  []string
}

// coder is an error that knows its code.
type coder interface{ Code() string }

func fieldError(f *zap.Field) error {
	err, _ := f.Interface.(error)
	return err
}

// errorKey appends the error key, if the record has an error or a code.
func (e *Encoder) errorKey(b []byte, en *Entry, c *Context, fields []zap.Field, st *state) []byte {
	var parts *errorParts
	var err error
	switch {
	case en.Err != nil:
		err = en.Err
	case c.hasErr:
		parts = &c.err
	case st.skip >= 0:
		if err = fieldError(&fields[st.skip]); err == nil {
			st.skip = -1 // not an error after all: it is shown under details
		}
	}
	switch {
	case err != nil:
		p := e.errorParts(err)
		b = append(b, `"error":`...)
		b = e.writeParts(b, &p, st.code, "$error", st)
	case parts != nil:
		b = append(b, `"error":`...)
		b = e.writeParts(b, parts, st.code, "$error", st)
	case st.code != "":
		b = append(b, `"error":{"code":`...)
		b = append(e.text(b, st.code, "", st), '}')
	default:
		return b
	}
	return append(b, ',')
}

// appendError appends an error under details.
func (e *Encoder) appendError(b []byte, err error, st *state) []byte {
	p := e.errorParts(err)
	return e.writeParts(b, &p, "", "", st)
}

// writeParts appends an error as an object. key says where it stands, for a note
// about a message that was cut; "" under details.
func (e *Encoder) writeParts(b []byte, p *errorParts, code, key string, st *state) []byte {
	if code == "" {
		code = p.code
	}
	b = append(b, `{"message":`...)
	if key == "" {
		b = e.value(b, p.message, st)
	} else {
		b = e.text(b, p.message, key, st)
	}
	if code != "" {
		b = append(b, `,"code":`...)
		b = e.text(b, code, "", st)
	}
	if len(p.causes) > 0 {
		b = append(b, `,"causes":[`...)
		for _, s := range p.causes {
			b = append(e.value(b, s, st), ',')
		}
		b = closeArray(b)
	}
	return append(b, '}')
}

// Told returns an error that says what err says now, and calls none of its methods
// later; nil for nil.
func (e *Encoder) Told(err error) error {
	if err == nil {
		return nil
	}
	return &told{e.errorParts(err)}
}

// told is an error that was asked already.
type told struct{ parts errorParts }

func (t *told) Error() string { return t.parts.message }

// errorParts walks the chain of err: depth first, through Unwrap in both its
// forms.
func (e *Encoder) errorParts(err error) (p errorParts) {
	if t, ok := err.(*told); ok {
		return t.parts
	}
	calls := e.foreign.Add(1)
	defer e.foreign.Add(-1)
	if calls >= manyCalls && deepStack() {
		return errorParts{message: TooNested}
	}
	p.message = e.errorText(err)
	w := chain{e: e, p: &p, left: maxUnwraps}
	w.visit(err, true)
	return p
}

type chain struct {
	e    *Encoder
	p    *errorParts
	left int
}

func (c *chain) visit(err error, top bool) {
	if err == nil || c.left == 0 {
		return
	}
	c.left--
	if c.p.code == "" {
		c.p.code = c.code(err)
	}
	if !top && len(c.p.causes) < maxCauses {
		c.p.causes = append(c.p.causes, c.e.errorText(err))
	}
	many, one := unwrap(err)
	if one != nil {
		c.visit(one, false)
	}
	for _, err := range many {
		c.visit(err, false)
	}
}

func (c *chain) code(err error) (code string) {
	x, ok := err.(coder)
	if !ok {
		return ""
	}
	defer func() {
		if recover() != nil {
			code = ""
		}
	}()
	return x.Code()
}

func unwrap(err error) (many []error, one error) {
	defer func() {
		if recover() != nil {
			many, one = nil, nil
		}
	}()
	switch x := err.(type) {
	case interface{ Unwrap() error }:
		return nil, x.Unwrap()
	case interface{ Unwrap() []error }:
		return x.Unwrap(), nil
	}
	return nil, nil
}

// maxLooked is how many errors Is looks at: more than anybody joins.
const maxLooked = 10_000

// Is is [errors.Is] of an error of the host's: its methods may panic, and it may
// be among its own causes, as no target then.
func Is(err, target error) (found bool) {
	defer func() { _ = recover() }()
	left := maxLooked
	return is(err, target, &left)
}

func is(err, target error, left *int) bool {
	for err != nil && *left > 0 {
		*left--
		if err == target {
			return true
		}
		if x, ok := err.(interface{ Is(error) bool }); ok && x.Is(target) {
			return true
		}
		many, one := unwrap(err)
		for _, err := range many {
			if is(err, target, left) {
				return true
			}
		}
		err = one
	}
	return false
}

// errorText returns the error's text, or that of its panic.
func (e *Encoder) errorText(err error) (text string) {
	defer func() {
		if r := recover(); r != nil {
			text = e.panicText(err, r)
		}
	}()
	return err.Error()
}

// panicText says what became of a value whose method panicked: "<nil>" for a nil
// pointer, whose methods may be expected to, else the panic's text.
func (e *Encoder) panicText(v, r any) string {
	if rv := reflect.ValueOf(v); rv.Kind() == reflect.Pointer && rv.IsNil() {
		return "<nil>"
	}
	return "<panic: " + e.panicReason(r) + ">"
}

// panicReason is the beginning of the text of what was panicked with. The secrets in it
// are hidden first: of one that was cut nobody could tell any more what it is.
func (e *Encoder) panicReason(r any) string {
	text, _ := e.mask.Mask(PanicText(r))
	return cutText(text, 256)
}

// PanicText is the text of what was panicked with. Its own methods may panic, with itself
// too, which fmt does not survive.
func PanicText(r any) (text string) {
	defer func() {
		if recover() != nil {
			text = fmt.Sprintf("a %T", r)
		}
	}()
	return fmt.Sprint(r)
}
