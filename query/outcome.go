package query

import "fmt"

// Outcome is how a run or step ended.
type Outcome uint8

// The outcomes. Their texts, which the files hold, are in lower case with an
// underscore: "timed_out".
const (
	// Running is the outcome of what has not ended. It is the zero value.
	Running Outcome = iota
	// Succeeded is an end without an error.
	Succeeded
	// Failed is an end with an error.
	Failed
	// Cancelled was stopped on request, in an orderly way.
	Cancelled
	// TimedOut took longer than it was given.
	TimedOut
	// Terminated was stopped at once.
	Terminated
	// Continued goes on as another run. It counts as a success.
	Continued
	// Skipped was not carried out, as planned. It counts as a success.
	Skipped
	// Panicked ended in a panic.
	Panicked
)

// outcomeTexts are in the order of the constants. They are part of the format
// of the files; must not be changed.
var outcomeTexts = [...]string{"running", "succeeded", "failed", "cancelled", "timed_out", "terminated",
	"continued", "skipped", "panicked"}

// String returns the text of o.
func (o Outcome) String() string {
	if int(o) >= len(outcomeTexts) {
		return fmt.Sprintf("outcome(%d)", uint8(o))
	}
	return outcomeTexts[o]
}

// ParseOutcome returns the outcome with this text, and whether there is one.
func ParseOutcome(text string) (Outcome, bool) {
	for i, known := range outcomeTexts {
		if text == known {
			return Outcome(i), true
		}
	}
	return Running, false
}

// MarshalText returns the text of o, and an error that wraps [ErrInvalid] when
// o is no outcome.
func (o Outcome) MarshalText() ([]byte, error) {
	if int(o) >= len(outcomeTexts) {
		return nil, invalid("Outcome", "%d is unknown", uint8(o))
	}
	return []byte(outcomeTexts[o]), nil
}

// UnmarshalText sets o to the outcome with this text, and returns an error that
// wraps [ErrInvalid] when there is none.
func (o *Outcome) UnmarshalText(text []byte) error {
	parsed, ok := ParseOutcome(string(text))
	if !ok {
		return invalid("Outcome", "%q is unknown", text)
	}
	*o = parsed
	return nil
}

// Success reports whether o counts as a success: Succeeded, Continued and
// Skipped do.
func (o Outcome) Success() bool { return o == Succeeded || o == Continued || o == Skipped }

// Failure reports whether o counts as a failure: every end that is no
// [Outcome.Success].
func (o Outcome) Failure() bool { return o != Running && !o.Success() }

// The states of a run or step, [MainLog.State] and [SubLog.State].
const (
	// StateStarted is before the first step started or a count was added.
	StateStarted = 1
	// StateInProgress is from then on until the end.
	StateInProgress = 2
	// StateFinished is after the end.
	StateFinished = 3
)

// The statuses of a run or step, [MainLog.Status] and [SubLog.Status].
const (
	// StatusInProgress is until the end.
	StatusInProgress = 1
	// StatusSuccess is after an outcome that counts as a success.
	StatusSuccess = 2
	// StatusFailed is after an outcome that counts as a failure.
	StatusFailed = 3
	// StatusEmpty is after a success in which nothing was processed and nothing
	// failed, of a run or step whose host added counts at least once.
	StatusEmpty = 4
)

// stateOf derives the state; begun is whether a step started or a count came.
func stateOf(o Outcome, begun bool) int {
	switch {
	case o != Running:
		return StateFinished
	case begun:
		return StateInProgress
	default:
		return StateStarted
	}
}

// statusOf derives the status.
func statusOf(o Outcome, c Counts, counted bool) int {
	switch {
	case o == Running:
		return StatusInProgress
	case o.Failure():
		return StatusFailed
	case counted && c.Processed == 0 && c.Failed == 0:
		return StatusEmpty
	default:
		return StatusSuccess
	}
}
