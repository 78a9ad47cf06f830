package audit

import (
	"fmt"
	"os"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/steplog/steplog/internal/line"
	"github.com/steplog/steplog/internal/mask"
	"github.com/steplog/steplog/internal/vfs"
	"github.com/steplog/steplog/rotation"
)

// Options are the settings of a [Recorder]; nil and the zero value are ready to
// use. They are copied by Open.
type Options struct {
	// Events are the host's own, in addition to the catalogue. Each needs a name
	// that is not taken and does not begin with "steplog.", a verb, a module and a
	// title, none over 128 bytes.
	Events []Event

	// Signer signs the checkpoints. Where it keeps its key is the host's matter,
	// for example in a KMS. It is called once for each commit; what it takes is
	// part of each Record. Open has it sign once more, to see that what it signs
	// can be checked.
	//
	// Without one a key is made and kept in the folder, as audit.key. It proves
	// that nobody without access to that file changed the trail; who can read it
	// can write another trail. Keep checkpoints elsewhere, by OnCheckpoint, or the
	// key.
	Signer note.Signer
	// Verifiers check the checkpoints of the trail when it is opened: they know
	// every key that the trail was signed with before. They may be left out while
	// that is Signer's own and Signer checks signatures too (it is a
	// note.Verifier) or signs a text the same way each time, as Ed25519 and the
	// signers of note.NewSigner do: what it signed is signed again then, so a
	// Signer that is far away is better given its key here.
	Verifiers note.Verifiers
	// OnCheckpoint hears of checkpoints once what they cover is durable. Sent to
	// another place they are the anchors that [Verify] compares a trail with:
	// without one, nobody can tell that trail and checkpoint were both replaced
	// by older ones. It is called on a goroutine of the Recorder, one call at a
	// time, with the newest; those that came meanwhile are passed over. Close
	// waits for it.
	OnCheckpoint func([]byte)

	// BestEffort has Record and Do go on when the trail cannot be written: what
	// is not recorded is counted and reported, and no error is returned for it.
	// By default nothing is done that cannot be recorded.
	BestEffort bool
	// RecordQueries keeps the records of events with [VerbQuery], which are left
	// out by default.
	RecordQueries bool
	// Timeout is how long Record waits for the disk when its context has no
	// deadline, or up to a 64th longer: 0 means 5 s.
	Timeout time.Duration

	// MaskKeys are names of keys whose values are hidden in diffs, in addition to
	// the built-in list (password, token, authorization and the like).
	MaskKeys []string
	// DropSecrets replaces hidden values by "***". By default what stands for a
	// value is an HMAC of it under a key of the folder's, audit.hmac, so that a
	// change of a secret shows.
	DropSecrets bool
	// MaxChanges is how many rows of a diff are kept: 0 means
	// [DefaultMaxChanges], at most 10,000.
	MaxChanges int
	// MaxValueBytes is how long a value in a diff may be as JSON, in bytes: 0
	// means [DefaultMaxValueBytes], between 256 and 16,384.
	MaxValueBytes int

	// Rule says when the file is sealed, what it is compressed with and how long
	// sealed files are kept; by default at 100 MiB, with gzip, for ever.
	Rule rotation.Rule
	// Server is the id of the actor that the library's own acts have; "" means the
	// host's name.
	Server string

	// OnProblem hears of every problem that no caller is told. It may be called
	// from any goroutine.
	OnProblem func(error)
	// Clock tells the time, nil for time.Now, which holds too where it panics. It
	// must be safe for concurrent use.
	Clock func() time.Time
}

const (
	defaultTimeout = 5 * time.Second
	maxMaxChanges  = 10_000
	minMaxValue    = 256
	maxMaxValue    = 16_384
)

// Validate returns an error that wraps [ErrOptions] or [ErrEvent] for options that
// Open refuses whatever lies in the folder. nil options are valid.
func (o *Options) Validate() error {
	c, err := o.complete()
	if err != nil {
		return err
	}
	_, err = newCatalogue(c.Events)
	return err
}

// complete returns a checked copy with defaults filled in.
func (o *Options) complete() (Options, error) {
	var c Options
	if o != nil {
		c = *o
	}
	bad := func(format string, args ...any) (Options, error) {
		return Options{}, fmt.Errorf("%w: %s", ErrOptions, fmt.Sprintf(format, args...))
	}
	switch {
	case c.Signer != nil && !validName(c.Signer.Name()):
		return bad("the name of Signer is empty, or has a space, a plus, a quote or a backslash")
	case c.Timeout < 0:
		return bad("Timeout is %v, below 0", c.Timeout)
	case c.MaxChanges < 0 || c.MaxChanges > maxMaxChanges:
		return bad("MaxChanges is %d, not between 0 and %d", c.MaxChanges, maxMaxChanges)
	case c.MaxValueBytes != 0 && (c.MaxValueBytes < minMaxValue || c.MaxValueBytes > maxMaxValue):
		return bad("MaxValueBytes is %d, not between %d and %d", c.MaxValueBytes, minMaxValue, maxMaxValue)
	}
	if err := c.Rule.Validate(); err != nil {
		return bad("Rule: %v", err)
	}
	if c.Timeout == 0 {
		c.Timeout = defaultTimeout
	}
	if c.MaxChanges == 0 {
		c.MaxChanges = DefaultMaxChanges
	}
	if c.MaxValueBytes == 0 {
		c.MaxValueBytes = DefaultMaxValueBytes
	}
	if c.Server == "" {
		c.Server, _ = os.Hostname() // a process without a host name has no id
	}
	if c.OnProblem == nil {
		c.OnProblem = func(error) {}
	}
	hook := c.OnProblem
	c.OnProblem = func(err error) { _ = apart(func() { hook(err) }) } // nobody is left to tell
	if c.Clock == nil {
		c.Clock = time.Now
	} else {
		c.Clock = surely(c.Clock, c.OnProblem)
	}
	return c, nil
}

// surely is a clock of the host's that goes by the system's time where that one panics:
// files are named and kept by it on goroutines of the Recorder.
func surely(clock func() time.Time, problem func(error)) func() time.Time {
	return func() (now time.Time) {
		defer func() {
			if p := recover(); p != nil {
				problem(fmt.Errorf("audit: Options.Clock panicked: %s", line.PanicText(p)))
				now = time.Now()
			}
		}()
		return clock()
	}
}

// Host is what another package of this module lends a Recorder.
type Host struct {
	// FS is where the trail lies, nil for the real file system.
	FS vfs.FS
	// Mask hides secrets, nil for one of the Recorder's own.
	Mask *mask.Masker
}
