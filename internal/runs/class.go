package runs

// Class is what lists count runs by, and filter steps by: whether and how it
// ended, and whether anything was done.
type Class uint8

// outcomes are what an end record may say; the first stands for no end.
var outcomes = [...]string{"", "succeeded", OutcomeFailed, "cancelled", "timed_out", "terminated", "continued",
	"skipped", "panicked"} // immutable

const (
	classOutcome Class = 0x0f // index in outcomes; classOther for another text
	classOther   Class = 0x0f
	classBegun   Class = 0x10
	classEmpty   Class = 0x20
	classes            = 0x40
)

// Outcome returns what its end says; "" while it goes on, and a word that is no
// outcome where the end has one that this version does not know.
func (c Class) Outcome() string {
	if o := int(c & classOutcome); o < len(outcomes) {
		return outcomes[o]
	}
	return "unknown"
}

// Ended reports whether it ended.
func (c Class) Ended() bool { return c&classOutcome != 0 }

// Begun reports whether it started a step, or the host counted something.
func (c Class) Begun() bool { return c&classBegun != 0 }

// Empty reports whether the host counted, and nothing was processed or failed.
func (c Class) Empty() bool { return c&classEmpty != 0 }

// class returns the class of a run or step in this state.
func (s *State) class(steps int) (c Class) {
	if s.Ended {
		c = classOther
		for i, o := range outcomes[1:] {
			if o == s.Outcome {
				c = Class(i + 1)
			}
		}
	}
	if s.Counted || steps > 0 {
		c |= classBegun
	}
	if s.Counted && s.Processed == 0 && s.Failed == 0 {
		c |= classEmpty
	}
	return c
}

// Wanted says which classes are wanted.
type Wanted [classes]bool

// Classes returns the classes for which wanted returns true.
func Classes(wanted func(Class) bool) *Wanted {
	var want Wanted
	for c := range want {
		want[c] = wanted(Class(c))
	}
	return &want
}

// AnyClass returns all of them.
func AnyClass() *Wanted { return Classes(func(Class) bool { return true }) }
