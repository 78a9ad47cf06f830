package query

import (
	"math"
	"regexp"
	"regexp/syntax"
	"strconv"
)

// Op is the operation of an [Expr]. Backends must refuse operations that they
// do not know with [ErrUnsupported]; later versions add some.
type Op uint8

const (
	// OpEvery matches every record. It is the zero value.
	OpEvery Op = iota
	// OpEq matches records in which Field has the value Value.
	OpEq
	// OpAnd matches records that every one of Args matches.
	OpAnd
	// OpOr matches records that at least one of Args matches.
	OpOr
	// OpNot matches records that its one argument does not match.
	OpNot
	// OpIn matches records in which Field has one of Values.
	OpIn
	// OpPrefix matches records in which Field begins with Value.
	OpPrefix
	// OpContains matches records in which Field contains Value.
	OpContains
	// OpMatch matches records in which the regular expression Value, in the
	// syntax of package regexp, matches some part of Field.
	OpMatch
	// OpLess, OpAtMost, OpMore and OpAtLeast match records in which Field is a
	// number that compares so with the number Value, both as float64.
	OpLess
	OpAtMost
	OpMore
	OpAtLeast
	// OpExists matches records that have Field, other than as an object or an
	// empty array.
	OpExists
)

// Limits of an expression, so that one query cannot take the process down.
const (
	// MaxExprDepth is how deep expressions may be nested.
	MaxExprDepth = 32
	// MaxExprSize is how many expressions one may hold, itself included.
	MaxExprSize = 256
	// MaxPatternSize is how large the regular expressions in one may be together, with
	// counted repetitions written out: in characters, classes of them and operators.
	// Each byte of a text takes up to as many steps, some 10 ns each.
	MaxPatternSize = 5000
)

// MaxValueBytes is how long a value or a regular expression may be, in bytes.
const MaxValueBytes = 4096

// Expr is a condition on a record. The zero value matches every record. It is
// plain data, so that a [Backend] can read it and translate it; make one with
// [Eq] and the other functions, or from a text with [Parse].
type Expr struct {
	Op Op
	// Field is a path under the details, see "Field paths" in the package
	// comment; it does not begin with "details.", which [Parse] and
	// [Engine.Facets] take off.
	Field string
	// Key says that Field is a fixed key of the record instead: "message", or one
	// that [Engine.Facets] knows. A record without it has "" there, and does not
	// have it for OpExists. Messages are compared without terminal sequences.
	Key bool
	// Value is what the field is compared with.
	Value string
	// Values are those of OpIn.
	Values []string
	// Fold compares without regard to case, by Unicode's simple folding.
	Fold bool
	// Args are what OpAnd, OpOr and OpNot combine.
	Args []Expr
}

// Eq matches records in whose details the field has the value: a scalar by its
// text in the line, a string without its quotes, an array when one of its
// elements does. A record without the field does not match.
//
// The field of Eq and of the functions below is a path under the details, "sku" and
// not "details.sku": the level, the message or another fixed key is found with
// [OnKey] around them.
func Eq(field, value string) Expr { return Expr{Op: OpEq, Field: field, Value: value} }

// In matches records in whose details the field has one of the values; without
// any, none.
func In(field string, values ...string) Expr { return Expr{Op: OpIn, Field: field, Values: values} }

// Prefix matches records in whose details the field begins with a text.
func Prefix(field, text string) Expr { return Expr{Op: OpPrefix, Field: field, Value: text} }

// Contains matches records in whose details the field contains a text.
func Contains(field, text string) Expr { return Expr{Op: OpContains, Field: field, Value: text} }

// Match matches records in whose details a regular expression matches some part
// of the field.
func Match(field, pattern string) Expr { return Expr{Op: OpMatch, Field: field, Value: pattern} }

// Exists matches records in whose details the field is.
func Exists(field string) Expr { return Expr{Op: OpExists, Field: field} }

// Between matches records in whose details the field is a number from low to
// high, both included. An array matches when one element is large enough and one
// is small enough.
func Between(field string, low, high float64) Expr {
	return And(Expr{Op: OpAtLeast, Field: field, Value: number(low)}, Expr{Op: OpAtMost, Field: field, Value: number(high)})
}

func number(f float64) string { return strconv.FormatFloat(f, 'g', -1, 64) }

// Folded returns e with every comparison in it made without regard to case.
func Folded(e Expr) Expr {
	e.Fold = e.Op.compares() && e.Op != OpExists && !e.Op.numeric()
	args := e.Args
	e.Args = nil
	for _, arg := range args {
		e.Args = append(e.Args, Folded(arg))
	}
	return e
}

// OnKey returns e about a fixed key of its name instead of a path; [Expr] says
// which there are.
func OnKey(e Expr) Expr {
	e.Key = e.Op.compares()
	args := e.Args
	e.Args = nil
	for _, arg := range args {
		e.Args = append(e.Args, OnKey(arg))
	}
	return e
}

// compares reports whether an operation is about one field.
func (o Op) compares() bool { return o == OpEq || o >= OpIn && o <= OpExists }

func (o Op) numeric() bool { return o >= OpLess && o <= OpAtLeast }

// And matches records that all of args match; without args, every record.
func And(args ...Expr) Expr { return Expr{Op: OpAnd, Args: args} }

// Or matches records that at least one of args matches; without args, none.
func Or(args ...Expr) Expr { return Expr{Op: OpOr, Args: args} }

// Not matches records that arg does not match.
func Not(arg Expr) Expr { return Expr{Op: OpNot, Args: []Expr{arg}} }

// validate reports what is wrong with an expression, as an [*InvalidError].
func (e Expr) validate() error {
	var size exprSize
	return e.check(1, &size)
}

// exprSize is how many expressions there are, and how large the patterns in them.
type exprSize struct{ all, patterns int }

func (e Expr) check(depth int, size *exprSize) error {
	if depth > MaxExprDepth {
		return invalid("Where", "is nested deeper than %d", MaxExprDepth)
	}
	if size.all++; size.all > MaxExprSize {
		return invalid("Where", "holds more than %d expressions", MaxExprSize)
	}
	switch {
	case e.Op == OpEvery:
		if len(e.Args) != 0 || e.operands() {
			return invalid("Where", "has operands but no operation")
		}
	case e.Op.compares():
		return e.checkField(size)
	case e.Op == OpAnd, e.Op == OpOr, e.Op == OpNot:
		if e.operands() {
			return invalid("Where", "gives a field to an operation that combines")
		}
		if e.Op == OpNot && len(e.Args) != 1 {
			return invalid("Where", "gives Not %d arguments instead of one", len(e.Args))
		}
		for _, arg := range e.Args {
			if err := arg.check(depth+1, size); err != nil {
				return err
			}
		}
	default:
		return invalid("Where", "has the unknown operation %d", e.Op)
	}
	return nil
}

func (e Expr) operands() bool {
	return e.Field != "" || e.Value != "" || len(e.Values) != 0 || e.Key || e.Fold
}

func (e Expr) checkField(size *exprSize) error {
	switch {
	case e.Field == "":
		return invalid("Where", "compares a field without a name")
	case len(e.Args) != 0:
		return invalid("Where", "gives a comparison arguments")
	case e.Op != OpIn && len(e.Values) != 0:
		return invalid("Where", "gives several values to an operation that takes one")
	case e.Op == OpIn && e.Value != "" || e.Op == OpExists && (e.Value != "" || e.Fold):
		return invalid("Where", "gives a value to an operation that takes none")
	case len(e.Values) > MaxFilterValues:
		return invalid("Where", "has more than %d values", MaxFilterValues)
	case e.Key && !knownKey(e.Field):
		return invalid("Where", "asks for the unknown key %q", e.Field)
	}
	for _, v := range append([]string{e.Value}, e.Values...) {
		if len(v) > MaxValueBytes {
			return invalid("Where", "has a value longer than %d bytes", MaxValueBytes)
		}
	}
	if e.Op.numeric() {
		if _, ok := parseNumber(e.Value); !ok || e.Fold {
			return invalid("Where", "compares with %q, which is no number", e.Value)
		}
	}
	if e.Op == OpMatch {
		return checkPattern(e.Value, size)
	}
	return nil
}

// checkPattern does not compile what is too large: that alone takes long.
func checkPattern(pattern string, size *exprSize) error {
	tree, err := syntax.Parse(pattern, syntax.Perl)
	if err == nil {
		if size.patterns += patternSize(tree); size.patterns > MaxPatternSize {
			return invalid("Where", "has regular expressions that are larger than %d with their repetitions written out", MaxPatternSize)
		}
		_, err = regexp.Compile(pattern)
	}
	if err != nil {
		return invalid("Where", "has a regular expression that is none: %v", err)
	}
	return nil
}

// patternSize is what [MaxPatternSize] limits. Package regexp refuses what is nested
// deeper, or repeated more often, than 1000.
func patternSize(tree *syntax.Regexp) int {
	size := max(len(tree.Rune), 1)
	if tree.Op == syntax.OpCharClass {
		size = 1
	}
	for _, sub := range tree.Sub {
		size += patternSize(sub)
	}
	if tree.Op == syntax.OpRepeat {
		size *= max(tree.Min, tree.Max, 1)
	}
	return size
}

// knownKey reports whether conditions can be on a fixed key.
func knownKey(key string) bool {
	_, fixed := new(Record).Fixed(key)
	return fixed || key == "message"
}

// parseNumber reads a finite number as JSON or Go write it.
func parseNumber(text string) (float64, bool) {
	f, err := strconv.ParseFloat(text, 64)
	return f, err == nil && !math.IsNaN(f) && !math.IsInf(f, 0)
}

// every reports whether e matches every record without looking at it.
func (e Expr) every() bool {
	switch e.Op {
	case OpEvery:
		return true
	case OpAnd:
		for _, arg := range e.Args {
			if !arg.every() {
				return false
			}
		}
		return true
	default:
		return false
	}
}
