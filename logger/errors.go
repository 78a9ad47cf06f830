package logger

import (
	"errors"
	"fmt"

	"github.com/steplog/steplog/internal/journal"
)

var (
	// ErrLocked is returned by [Open] while another process, or another Store of
	// this one, writes the folder. Use query.Open to read beside it.
	ErrLocked = errors.New("logger: the folder is written by another process, or by another store of this one; query.Open reads beside it")
	// ErrVersion is returned by [Open] for a folder that a newer version of this
	// package wrote in a form that this one does not know. Nothing was changed;
	// query.Open reads its text.
	ErrVersion = errors.New("logger: the folder was written by a newer version of this package")
	// ErrOptions is returned by [Open] for options that cannot be used. The
	// error says which one and why; nothing was opened.
	ErrOptions = errors.New("logger: invalid options")
	// ErrClosed is returned after [Store.Close].
	ErrClosed = errors.New("logger: closed")
	// ErrTimeout is returned by [Store.Close] when the disk did not answer in
	// time. What was accepted before stays accepted.
	ErrTimeout = errors.New("logger: the disk did not answer in time")
)

var (
	// ErrName is returned, or reported to [Options.OnProblem], for a file name
	// that does not match ^[a-z0-9][a-z0-9_-]{0,63}$ or that the call cannot be
	// used with.
	ErrName = errors.New("logger: no name for a log file here")
	// ErrTooShort is returned by [Store.AddSecret] for a value under 4 bytes:
	// hiding it would hide half of every line.
	ErrTooShort = errors.New("logger: a secret needs at least 4 bytes")
	// ErrRule is returned by [Store.SetFileRule] for a rule that cannot be used.
	// The rule before it stays.
	ErrRule = errors.New("logger: invalid file rule")
)

var (
	// ErrRunUnknown is returned when no run with the id is known: it never
	// started here, or retention removed its history.
	ErrRunUnknown = errors.New("logger: unknown run")
	// ErrRunEnded is returned when a run has ended and its end stands.
	ErrRunEnded = errors.New("logger: the run has ended")
	// ErrDropped is returned by [Store.EndRun] and [Store.MarkArchived] when their
	// record was dropped: the disk is full, failing or too slow. The run is still
	// open, the log not marked; call again when [Stats].Failing is over.
	ErrDropped = errors.New("logger: the record was dropped")
)

// A problem is reported to [Options.OnProblem] as an error that wraps one of
// these where the cause is in what the host passed.
var (
	// ErrOtherRun is reported when an id is given to a step that is in use by a
	// step of another run, or to a run of another operation. [Operation.Resume]
	// returns it.
	ErrOtherRun = errors.New("logger: the id belongs to another run")
	// ErrPanicked is reported when a value or hook of the host panicked during a
	// call. If the record could not be written, it was counted as dropped.
	ErrPanicked = errors.New("logger: the host's value or hook panicked")
)

// translate gives an error of the journal the name that this package exports.
func translate(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, journal.ErrClosed):
		return ErrClosed
	case errors.Is(err, journal.ErrTimeout):
		return ErrTimeout
	default:
		return err
	}
}

// dropped gives the reason for which Store.append dropped a record the name that
// this package exports.
func dropped(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w: %w", ErrDropped, err)
}
