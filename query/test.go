package query

import (
	"context"
	"io"
	"regexp"
	"regexp/syntax"
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
	size    int       // of the pattern, as [MaxPatternSize] counts it
	until   *patience // with patterns; nil where no context ends them
}

// newTest makes a validated expression ready.
func newTest(e Expr) *test {
	t := &test{Expr: e, value: e.Value, values: e.Values}
	for _, arg := range e.Args {
		t.args = append(t.args, newTest(arg))
	}
	switch {
	case e.Op == OpMatch:
		pattern := e.Value
		if e.Fold {
			pattern = "(?i:" + e.Value + ")"
		}
		t.pattern = regexp.MustCompile(pattern)
		tree, _ := syntax.Parse(e.Value, syntax.Perl)
		t.size = patternSize(tree)
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
func (t *test) within(ctx context.Context) (patterns bool) { return t.endsWith(&patience{ctx: ctx}) }

func (t *test) endsWith(until *patience) (patterns bool) {
	for _, arg := range t.args {
		patterns = arg.endsWith(until) || patterns
	}
	t.until = until
	return patterns || t.pattern != nil
}

// fork returns a test for another goroutine, which ends with the same context.
func (t *test) fork() *test {
	f := t.clone()
	if t.until != nil {
		f.within(t.until.ctx)
	}
	return f
}

func (t *test) clone() *test {
	c := *t
	c.args = make([]*test, len(t.args))
	for i, arg := range t.args {
		c.args[i] = arg.clone()
	}
	return &c
}

// manySteps is how many steps patterns take between two looks at the context: some
// tenths of a second.
const manySteps = 16 << 20

// patience is what the patterns of one test have for their texts, all together: many
// short texts take as long as a long one. It is for one goroutine at a time.
type patience struct {
	ctx   context.Context // of the call that the test lives in
	steps int             // since the last look at ctx
	ended bool
}

// over counts steps and reports whether the context has ended.
func (p *patience) over(steps int) bool {
	if p.steps += steps; p.steps >= manySteps {
		p.steps, p.ended = 0, p.ended || p.ctx.Err() != nil
	}
	return p.ended
}

// matches reports whether the pattern matches some part of a text. After the context
// has ended the answer may be wrong.
func (t *test) matches(text string) bool {
	switch {
	case t.until == nil:
		return t.pattern.MatchString(text)
	case len(text) > manySteps/t.size:
		return t.pattern.MatchReader(&untilDone{t, strings.NewReader(text)})
	default:
		return !t.until.over(t.size*len(text)) && t.pattern.MatchString(text)
	}
}

// untilDone reads a text that ends when a context does.
type untilDone struct {
	of   *test
	text *strings.Reader
}

// ReadRune returns the next rune.
func (u *untilDone) ReadRune() (rune, int, error) {
	r, n, err := u.text.ReadRune()
	if err == nil && u.of.until.over(u.of.size*n) {
		return 0, 0, io.EOF
	}
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
	r := makeRecord(rec, file)
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
