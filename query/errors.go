package query

import (
	"errors"
	"fmt"
)

var (
	// ErrInvalid is the root of every error that says that the question itself
	// is wrong: it will be wrong again. The error's type is [*InvalidError].
	ErrInvalid = errors.New("query: invalid")

	// ErrCursor is returned for a cursor that no page gave, or that contradicts
	// the rest of the paging. It wraps [ErrInvalid].
	ErrCursor = fmt.Errorf("%w cursor", ErrInvalid)

	// ErrTooMany is returned when an answer would have more buckets or distinct
	// values than the engine is willing to hold. It wraps [ErrInvalid]: ask for
	// wider buckets, or narrow the filter.
	ErrTooMany = fmt.Errorf("%w: the answer is too large", ErrInvalid)
)

var (
	// ErrNotFound is returned when no record has the id asked for. It may have
	// been deleted by retention.
	ErrNotFound = errors.New("query: not found")

	// ErrClosed is returned once the store or the engine's backend is closed.
	ErrClosed = errors.New("query: closed")

	// ErrUnsupported is returned for a question that the backend cannot answer.
	ErrUnsupported = errors.New("query: not supported by this backend")

	// ErrChanging is returned when files were deleted under the query each of
	// the times it was tried. It is worth asking again.
	ErrChanging = errors.New("query: files were deleted faster than they could be read")
)

// InvalidError says what is wrong with a question.
type InvalidError struct {
	// Param is the name of the field or argument, such as "Limit".
	Param string
	// Reason says what is wrong with it, in a few words.
	Reason string
	// Err is [ErrInvalid] or one of the errors that wrap it.
	Err error
}

// Error gives the parameter and the reason.
func (e *InvalidError) Error() string {
	return e.Err.Error() + ": " + e.Param + " " + e.Reason
}

// Unwrap returns Err.
func (e *InvalidError) Unwrap() error { return e.Err }

func invalid(param, format string, args ...any) error {
	return &InvalidError{Param: param, Reason: fmt.Sprintf(format, args...), Err: ErrInvalid}
}
