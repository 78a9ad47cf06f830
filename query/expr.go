package query

// Op is the operation of an [Expr]. Backends must refuse operations that they
// do not know with [ErrUnsupported]; later versions add some.
type Op uint8

const (
	// OpEvery matches every record. It is the zero value.
	OpEvery Op = iota
	// OpEq matches records in whose details Field has the value Value.
	OpEq
	// OpAnd matches records that every one of Args matches.
	OpAnd
	// OpOr matches records that at least one of Args matches.
	OpOr
	// OpNot matches records that its one argument does not match.
	OpNot
)

// Limits of an expression, so that one query cannot take the process down.
const (
	// MaxExprDepth is how deep expressions may be nested.
	MaxExprDepth = 32
	// MaxExprSize is how many expressions one may hold, itself included.
	MaxExprSize = 256
)

// Expr is a condition on a record's details. The zero value matches every
// record. It is plain data, so that a [Backend] can read it and translate it;
// make one with [Eq], [And], [Or] and [Not].
type Expr struct {
	Op Op
	// Field is the path of [OpEq], see "Field paths" in the package comment.
	Field string
	// Value is the text that the field must have.
	Value string
	// Args are what OpAnd, OpOr and OpNot combine.
	Args []Expr
}

// Eq matches records in whose details the field has the value: a scalar by its
// text in the line, a string without its quotes, an array when one of its
// elements does. A record without the field does not match.
func Eq(field, value string) Expr { return Expr{Op: OpEq, Field: field, Value: value} }

// And matches records that all of args match; without args, every record.
func And(args ...Expr) Expr { return Expr{Op: OpAnd, Args: args} }

// Or matches records that at least one of args matches; without args, none.
func Or(args ...Expr) Expr { return Expr{Op: OpOr, Args: args} }

// Not matches records that arg does not match.
func Not(arg Expr) Expr { return Expr{Op: OpNot, Args: []Expr{arg}} }

// validate reports what is wrong with an expression, as an [*InvalidError].
func (e Expr) validate() error {
	size := 0
	return e.check(1, &size)
}

func (e Expr) check(depth int, size *int) error {
	if depth > MaxExprDepth {
		return invalid("Where", "is nested deeper than %d", MaxExprDepth)
	}
	if *size++; *size > MaxExprSize {
		return invalid("Where", "holds more than %d expressions", MaxExprSize)
	}
	switch e.Op {
	case OpEvery:
		if len(e.Args) != 0 || e.Field != "" || e.Value != "" {
			return invalid("Where", "has operands but no operation")
		}
	case OpEq:
		if e.Field == "" {
			return invalid("Where", "compares a field without a name")
		}
		if len(e.Args) != 0 {
			return invalid("Where", "gives Eq arguments")
		}
	case OpAnd, OpOr, OpNot:
		if e.Field != "" || e.Value != "" {
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

// match evaluates a validated expression; field reports whether a path has a
// value.
func (e Expr) match(field func(path, value string) bool) bool {
	switch e.Op {
	case OpEq:
		return field(e.Field, e.Value)
	case OpAnd:
		for _, arg := range e.Args {
			if !arg.match(field) {
				return false
			}
		}
		return true
	case OpOr:
		for _, arg := range e.Args {
			if arg.match(field) {
				return true
			}
		}
		return false
	case OpNot:
		return !e.Args[0].match(field)
	default:
		return true
	}
}
