package audit

import (
	"errors"
	"fmt"
)

// Errors of recording.
var (
	// ErrUnavailable is returned when a record could not be made durable in
	// time. What the caller was about to do should not be done. When the trail
	// failed while the record was on its way, or the context ended then, the
	// record may turn up after the next Open all the same: it was not
	// acknowledged, and that is all that can be said.
	ErrUnavailable = errors.New("audit: the trail cannot be written")
	// ErrClosed is returned after Close. It wraps ErrUnavailable.
	ErrClosed = fmt.Errorf("%w: closed", ErrUnavailable)
	// ErrLocked is returned by Open while another Recorder, of this or another
	// process, writes the trail.
	ErrLocked = errors.New("audit: the trail is written by another process, or by another recorder of this one")
	// ErrEvent is returned for an event that the catalogue does not have, and by
	// Open for one that cannot be added to it.
	ErrEvent = errors.New("audit: not an event that can be recorded")
	// ErrEntry is returned for an entry with a value that cannot be.
	ErrEntry = errors.New("audit: not a valid entry")
	// ErrHold is returned for a hold that selects nothing or whose id is taken,
	// and for the release of one that is not there.
	ErrHold = errors.New("audit: not a hold that can be placed or released")
	// ErrOptions is returned by Open for options that cannot be used.
	ErrOptions = errors.New("audit: invalid option")
	// ErrKey is returned when the key that signs or checks a trail is absent or
	// cannot be read.
	ErrKey = errors.New("audit: no usable key")
	// ErrDenied marks an act that was refused: what [Recorder.Do] runs returns an
	// error that wraps it to have the outcome [Denied].
	ErrDenied = errors.New("audit: denied")
)

// ErrDamaged is what every finding of [Verify] wraps. Open returns it too, and
// leaves the trail as it is: nothing is appended to an active file that was changed.
var ErrDamaged = errors.New("audit: the trail is damaged")

// The ways in which a trail can be damaged. Each wraps [ErrDamaged].
var (
	// ErrLine: a line that the trail's writer does not write.
	ErrLine = fmt.Errorf("%w: not a line of a trail", ErrDamaged)
	// ErrSequence: a record is missing, repeated or out of order.
	ErrSequence = fmt.Errorf("%w: records out of sequence", ErrDamaged)
	// ErrRoot: a checkpoint does not fit the records before it, so that one of
	// those was changed.
	ErrRoot = fmt.Errorf("%w: a checkpoint does not match its records", ErrDamaged)
	// ErrSignature: a checkpoint without a valid signature of a key that is
	// trusted.
	ErrSignature = fmt.Errorf("%w: a checkpoint is not signed by a trusted key", ErrDamaged)
	// ErrUncovered: there are bytes behind the last checkpoint that no signature
	// covers. A process that was killed leaves such; the next Open drops them.
	ErrUncovered = fmt.Errorf("%w: no checkpoint covers the end", ErrDamaged)
	// ErrMissing: a file of the trail is absent, and no record says that
	// retention deleted it.
	ErrMissing = fmt.Errorf("%w: a file is missing", ErrDamaged)
	// ErrRollback: the trail is shorter than a checkpoint says.
	ErrRollback = fmt.Errorf("%w: shorter than it was", ErrDamaged)
	// ErrFork: the trail is another one than that of a checkpoint, although it is
	// signed.
	ErrFork = fmt.Errorf("%w: another trail than the one that was signed", ErrDamaged)
)

// DamageError says where a trail is damaged.
type DamageError struct {
	// File is the file's name in the folder.
	File string
	// Offset is where in the file's text the line begins, in bytes.
	Offset int64
	// Seq is the number of the first record that is not vouched for any more.
	Seq uint64
	// Err wraps [ErrDamaged].
	Err error
}

// Error names the place and the cause.
func (e *DamageError) Error() string {
	return fmt.Sprintf("%v (%s, byte %d, record %d)", e.Err, e.File, e.Offset, e.Seq)
}

// Unwrap returns the cause.
func (e *DamageError) Unwrap() error { return e.Err }

// unavailable returns an error that wraps ErrUnavailable, once, of a trail that does
// not open by itself any more.
func unavailable(err error) error {
	if errors.Is(err, ErrUnavailable) {
		return err
	}
	return fmt.Errorf("%w until it is opened again: %w", ErrUnavailable, err)
}
