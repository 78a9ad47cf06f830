package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"

	"github.com/steplog/steplog/levels"
	"go.uber.org/zap"
)

// transform is the action transform: it takes a list of rows through a few
// operations, in order. The output is {"rows", "count"}.
//
// A row is an object; a row that is a text counts as {"line": text}. Fields are
// dotted paths. The operations change copies, never the rows they were given.
func transform(ctx context.Context, call *Call) (any, error) {
	var args struct {
		From []any       `json:"from"`
		Do   []operation `json:"do"`
	}
	if err := call.Args(&args); err != nil {
		return nil, err
	}
	rows := args.From
	for i, do := range args.Do {
		var err error
		if rows, err = do.apply(rows); err != nil {
			return nil, fmt.Errorf("operation %d: %w", i+1, err)
		}
	}
	call.Log(ctx, levels.Debug, "transformed", zap.Int("from", len(args.From)), zap.Int("rows", len(rows)))
	return map[string]any{"rows": rows, "count": len(rows)}, nil
}

// operation is one change to all rows: exactly one of its fields is set.
type operation struct {
	Filter   *filter           `json:"filter"`   // keep the rows for which it holds
	Pick     []string          `json:"pick"`     // keep these fields, under the last part of their paths
	Rename   map[string]string `json:"rename"`   // old name to new
	Multiply *multiply         `json:"multiply"` // a number by a constant
	Format   *format           `json:"format"`   // a text with fields in it
	Extract  *extract          `json:"extract"`  // the groups of a regular expression
	Choose   *choose           `json:"choose"`   // a text by what a field matches
	Unique   string            `json:"unique"`   // the first row for each value of this field
	Only     string            `json:"only"`     // this field in place of the row
}

// mapper is an operation that looks at one row at a time. It reports whether the
// row stays.
type mapper interface {
	row(in map[string]any) (out any, keep bool, err error)
}

func (o *operation) apply(rows []any) ([]any, error) {
	do := o.mapper()
	if do == nil {
		return nil, errors.New("none is named")
	}
	out := make([]any, 0, len(rows))
	for i, row := range rows {
		object, err := asObject(row)
		if err != nil {
			return nil, fmt.Errorf("row %d: %w", i+1, err)
		}
		changed, keep, err := do.row(object)
		if err != nil {
			return nil, fmt.Errorf("row %d: %w", i+1, err)
		}
		if keep {
			out = append(out, changed)
		}
	}
	return out, nil
}

func (o *operation) mapper() mapper {
	switch {
	case o.Filter != nil:
		return o.Filter
	case o.Pick != nil:
		return pick(o.Pick)
	case o.Rename != nil:
		return rename(o.Rename)
	case o.Multiply != nil:
		return o.Multiply
	case o.Format != nil:
		return o.Format
	case o.Extract != nil:
		return o.Extract
	case o.Choose != nil:
		return o.Choose
	case o.Unique != "":
		return &unique{field: o.Unique, seen: make(map[string]bool)}
	case o.Only != "":
		return only(o.Only)
	default:
		return nil
	}
}

// pattern is a regular expression, compiled as its JSON is read. RE2's time is
// linear, whatever the pattern and the text.
type pattern struct{ *regexp.Regexp }

// UnmarshalText compiles the pattern.
func (p *pattern) UnmarshalText(text []byte) (err error) {
	p.Regexp, err = regexp.Compile(string(text))
	return err
}

// filter holds when all its conditions do. A row without the field is left out.
type filter struct {
	Field   string   `json:"field"`
	Is      any      `json:"is"`
	Matches *pattern `json:"matches"`
	Above   *float64 `json:"above"`
	Below   *float64 `json:"below"`
}

func (f *filter) row(in map[string]any) (any, bool, error) {
	value, err := lookup(in, f.Field)
	if err != nil {
		return nil, false, nil
	}
	if f.Is != nil && text(value) != text(f.Is) {
		return nil, false, nil
	}
	if f.Matches != nil && !f.Matches.MatchString(text(value)) {
		return nil, false, nil
	}
	if f.Above != nil || f.Below != nil {
		n, err := number(value)
		if err != nil {
			return nil, false, fmt.Errorf("%s: %w", f.Field, err)
		}
		if f.Above != nil && n <= *f.Above || f.Below != nil && n >= *f.Below {
			return nil, false, nil
		}
	}
	return in, true, nil
}

type pick []string

func (p pick) row(in map[string]any) (any, bool, error) {
	out := make(map[string]any, len(p))
	for _, path := range p {
		value, err := lookup(in, path)
		if err != nil {
			return nil, false, err
		}
		out[path[strings.LastIndexByte(path, '.')+1:]] = value
	}
	return out, true, nil
}

type rename map[string]string

func (r rename) row(in map[string]any) (any, bool, error) {
	out := make(map[string]any, len(in))
	for name, value := range in {
		if to, ok := r[name]; ok {
			name = to
		}
		out[name] = value
	}
	return out, true, nil
}

// multiply writes field × by, rounded to that many decimals, into another field.
type multiply struct {
	Field string  `json:"field"`
	By    float64 `json:"by"`
	Round int     `json:"round"`
	Into  string  `json:"into"`
}

func (m *multiply) row(in map[string]any) (any, bool, error) {
	value, err := lookup(in, m.Field)
	if err != nil {
		return nil, false, err
	}
	n, err := number(value)
	if err != nil {
		return nil, false, fmt.Errorf("%s: %w", m.Field, err)
	}
	scale := math.Pow10(m.Round)
	return with(in, m.Into, math.Round(n*m.By*scale)/scale), true, nil
}

// format writes a text into a field, with the field's value for each {field}. It
// looks at the text once: a value that has braces itself stays as it is.
type format struct {
	Text string `json:"text"`
	Into string `json:"into"`
}

func (f *format) row(in map[string]any) (any, bool, error) {
	var out strings.Builder
	rest := f.Text
	for {
		before, from, found := strings.Cut(rest, "{")
		field, after, closed := strings.Cut(from, "}")
		out.WriteString(before)
		if !found {
			return with(in, f.Into, out.String()), true, nil
		}
		if !closed {
			return nil, false, fmt.Errorf("a brace is not closed in %q", f.Text)
		}
		value, err := lookup(in, field)
		if err != nil {
			return nil, false, err
		}
		out.WriteString(text(value))
		rest = after
	}
}

// extract makes a row of the named groups of a pattern. Rows that do not match
// are left out.
type extract struct {
	Field   string  `json:"field"`
	Pattern pattern `json:"pattern"`
}

func (e *extract) row(in map[string]any) (any, bool, error) {
	value, err := lookup(in, e.Field)
	if err != nil {
		return nil, false, err
	}
	if e.Pattern.Regexp == nil {
		return nil, false, errors.New("extract needs a pattern")
	}
	found := e.Pattern.FindStringSubmatch(text(value))
	if found == nil {
		return nil, false, nil
	}
	out := make(map[string]any)
	for i, name := range e.Pattern.SubexpNames() {
		if name != "" {
			out[name] = found[i]
		}
	}
	return out, true, nil
}

// choose writes the answer of the first case that a field matches into another.
type choose struct {
	Field string `json:"field"`
	Into  string `json:"into"`
	Cases []struct {
		Matches pattern `json:"matches"`
		Then    string  `json:"then"`
	} `json:"cases"`
	Else string `json:"else"`
}

func (c *choose) row(in map[string]any) (any, bool, error) {
	value, err := lookup(in, c.Field)
	if err != nil {
		return nil, false, err
	}
	for _, one := range c.Cases {
		if one.Matches.Regexp != nil && one.Matches.MatchString(text(value)) {
			return with(in, c.Into, one.Then), true, nil
		}
	}
	return with(in, c.Into, c.Else), true, nil
}

type unique struct {
	field string
	seen  map[string]bool
}

func (u *unique) row(in map[string]any) (any, bool, error) {
	value, err := lookup(in, u.field)
	if err != nil {
		return nil, false, err
	}
	key := text(value)
	first := !u.seen[key]
	u.seen[key] = true
	return in, first, nil
}

type only string

func (o only) row(in map[string]any) (any, bool, error) {
	value, err := lookup(in, string(o))
	return value, true, err
}

// asObject returns a row as an object.
func asObject(row any) (map[string]any, error) {
	switch row := row.(type) {
	case map[string]any:
		return row, nil
	case string:
		return map[string]any{"line": row}, nil
	default:
		return nil, fmt.Errorf("it is a %T, not an object or a text", row)
	}
}

// number reads a value as a number: JSON's own, or a text, as CSV has it.
func number(v any) (float64, error) {
	switch v := v.(type) {
	case float64:
		return v, nil
	case string:
		return strconv.ParseFloat(v, 64)
	default:
		return 0, fmt.Errorf("%T is not a number", v)
	}
}

// text writes a value as people would: texts as they are, numbers without an
// exponent.
func text(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		return v
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	default:
		return fmt.Sprint(v)
	}
}
