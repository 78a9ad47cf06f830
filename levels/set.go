package levels

import (
	"strings"

	"go.uber.org/zap/zapcore"
)

// Set is a set of levels. The zero value is every level, so that a filter or a
// file rule that says nothing about levels lets all of them through. Other
// sets are made by [Of] and [AtLeast]; a Set is never a bare level, because the
// zero level is Info and "not said" could not be told from it.
//
// Sets are values, to be used from many goroutines. They can be compared with ==,
// but the zero value is not equal to AtLeast(Trace), which has the same levels.
type Set uint8

// One bit for each level in ascending order, and one that marks a set that was
// made, which is what keeps Of(), the empty set, apart from the zero value.
const (
	made       Set = 1 << 7
	everyLevel Set = 1<<6 - 1
)

// Of returns the set of exactly these levels. Of() is the empty set, which has
// no level. DPanic and Panic count as Error.
func Of(levels ...zapcore.Level) Set {
	s := made
	for _, l := range levels {
		s |= 1 << ordinal(l)
	}
	return s
}

// AtLeast returns the set of l and every level above it.
func AtLeast(l zapcore.Level) Set {
	return made | everyLevel&^(1<<ordinal(l)-1)
}

// Has reports whether l is in the set. DPanic and Panic are when Error is.
func (s Set) Has(l zapcore.Level) bool {
	return s&made == 0 || s&(1<<ordinal(l)) != 0
}

// String returns the names of the levels in the set in ascending order, joined
// by commas, or "none" for the empty set.
func (s Set) String() string {
	var names []string
	for _, l := range [...]zapcore.Level{Trace, Debug, Info, Warn, Error, Fatal} {
		if s.Has(l) {
			names = append(names, Name(l))
		}
	}
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ",")
}
