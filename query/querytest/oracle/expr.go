package oracle

import (
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Expr is a condition on a record.
type Expr struct {
	// Op is "eq", "in", "prefix", "contains", "match", "less", "atmost", "more",
	// "atleast", "exists", "and", "or", "not" or "every".
	Op           string
	Field, Value string
	Values       []string
	// Key says that Field is a fixed key, Fold that case does not matter.
	Key, Fold bool
	Args      []*Expr
}

func (e *Expr) matches(r *Record) bool {
	switch e.Op {
	case "and":
		return !slices.ContainsFunc(e.Args, func(a *Expr) bool { return !a.matches(r) })
	case "or":
		return slices.ContainsFunc(e.Args, func(a *Expr) bool { return a.matches(r) })
	case "not":
		return !e.Args[0].matches(r)
	case "every":
		return true
	}
	values := r.Values(e.Field)
	if e.Key {
		values = []string{r.key(e.Field)}
		if e.Op == "exists" {
			return values[0] != ""
		}
	}
	return slices.ContainsFunc(values, e.holds)
}

// key returns the text of a fixed key.
func (r *Record) key(name string) string {
	switch name {
	case "level":
		return r.Level
	case "kind":
		return r.Kind
	case "file":
		return r.File
	case "error_code":
		return r.ErrorCode()
	case "message":
		return plain(r.String("message"))
	default:
		return r.String(name)
	}
}

func (e *Expr) holds(text string) bool {
	if e.Op == "match" {
		pattern := e.Value
		if e.Fold {
			pattern = "(?i:" + pattern + ")"
		}
		return regexp.MustCompile(pattern).MatchString(text)
	}
	same := func(s string) string {
		if e.Fold {
			return string(fold(s))
		}
		return s
	}
	got, want := same(text), same(e.Value)
	switch e.Op {
	case "eq":
		return got == want
	case "in":
		return slices.ContainsFunc(e.Values, func(v string) bool { return same(v) == got })
	case "prefix":
		return strings.HasPrefix(got, want)
	case "contains":
		return strings.Contains(got, want)
	case "exists":
		return true
	}
	a, err := strconv.ParseFloat(text, 64)
	b, _ := strconv.ParseFloat(e.Value, 64)
	if err != nil || math.IsNaN(a) || math.IsInf(a, 0) {
		return false
	}
	return e.Op == "less" && a < b || e.Op == "atmost" && a <= b || e.Op == "more" && a > b || e.Op == "atleast" && a >= b
}
