package query

import (
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
		return t.pattern.MatchString(text)
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
