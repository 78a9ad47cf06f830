package query

import (
	"context"
	"io"
	"regexp"
	"slices"
	"strings"

	"github.com/steplog/steplog/internal/line"
)

// test is an expression made ready to be evaluated many times. It is for one
// goroutine at a time.
type test struct {
	Expr
	args    []*test
	value   string   // folded if need be
	values  []string // too
	number  float64
	pattern *regexp.Regexp
	ctx     context.Context // of the call that the test lives in; may be nil
}

// newTest makes a validated expression ready.
func newTest(e Expr) *test {
	t := &test{Expr: e, value: e.Value, values: e.Values}
	for _, arg := range e.Args {
		t.args = append(t.args, newTest(arg))
	}
	switch {
	case e.Op == OpMatch && e.Fold:
		t.pattern = regexp.MustCompile("(?i:" + e.Value + ")")
	case e.Op == OpMatch:
		t.pattern = regexp.MustCompile(e.Value)
	case e.Op.numeric():
		t.number, _ = parseNumber(e.Value)
	case e.Fold:
		t.value = line.Fold(e.Value)
		t.values = nil
		for _, v := range e.Values {
			t.values = append(t.values, line.Fold(v))
		}
	}
	return t
}

// within has patterns be given up when a context ends, and reports whether there are
// any: each may take long.
func (t *test) within(ctx context.Context) (patterns bool) {
	for _, arg := range t.args {
		patterns = arg.within(ctx) || patterns
	}
	t.ctx = ctx
	return patterns || t.pattern != nil
}

// longText is how much of a text is matched with a pattern between two looks at the
// context, in bytes: less than a second for the largest pattern.
const longText = 16 << 10

// matches reports whether the pattern matches some part of a text. After the context
// has ended the answer may be wrong.
func (t *test) matches(text string) bool {
	if t.ctx == nil || len(text) <= longText {
		return t.pattern.MatchString(text)
	}
	return t.pattern.MatchReader(&untilDone{ctx: t.ctx, text: strings.NewReader(text)})
}

// untilDone reads a text that ends when a context does.
type untilDone struct {
	ctx  context.Context
	text *strings.Reader
	read int // bytes since the last look at ctx
}

// ReadRune returns the next rune.
func (u *untilDone) ReadRune() (rune, int, error) {
	if u.read >= longText {
		if u.read = 0; u.ctx.Err() != nil {
			return 0, 0, io.EOF
		}
	}
	r, n, err := u.text.ReadRune()
	u.read += n
	return r, n, err
}

// match evaluates the expression for a record of a file.
func (t *test) match(rec *line.Record, file string) bool {
	switch t.Op {
	case OpEvery:
		return true
	case OpAnd:
		for _, arg := range t.args {
			if !arg.match(rec, file) {
				return false
			}
		}
		return true
	case OpOr:
		for _, arg := range t.args {
			if arg.match(rec, file) {
				return true
			}
		}
		return false
	case OpNot:
		return !t.args[0].match(rec, file)
	}
	if t.Key {
		text := keyText(rec, file, t.Field)
		if t.Op == OpExists {
			return text != ""
		}
		return t.text(text)
	}
	found := false
	line.Field(rec.Details, t.Field, func(scalar string) bool {
		found = t.text(scalar)
		return !found
	})
	return found
}

// keyText returns the text of a fixed key, "" when the record lacks it.
func keyText(rec *line.Record, file, key string) string {
	if key == "message" {
		return line.StripANSI(rec.Message)
	}
	r := makeRecord(rec, file, nil)
	text, _ := r.Fixed(key)
	return text
}

// text compares one value.
func (t *test) text(text string) bool {
	switch {
	case t.Op == OpExists:
		return true
	case t.Op == OpMatch:
		return t.matches(text)
	case t.Op.numeric():
		n, ok := parseNumber(text)
		switch {
		case !ok:
			return false
		case t.Op == OpLess:
			return n < t.number
		case t.Op == OpAtMost:
			return n <= t.number
		case t.Op == OpMore:
			return n > t.number
		default:
			return n >= t.number
		}
	case t.Fold:
		text = line.Fold(text)
	}
	switch t.Op {
	case OpEq:
		return text == t.value
	case OpIn:
		return slices.Contains(t.values, text)
	case OpPrefix:
		return strings.HasPrefix(text, t.value)
	default:
		return strings.Contains(text, t.value)
	}
}
