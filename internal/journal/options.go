package journal

import (
	"time"

	"go.uber.org/zap/zapcore"

	"github.com/steplog/steplog/internal/line"
	"github.com/steplog/steplog/internal/runs"
	"github.com/steplog/steplog/internal/vfs"
	"github.com/steplog/steplog/rotation"
)

// Mode is how a record gets to the text.
type Mode uint8

// The modes.
const (
	// ModeJournal copies the record into mapped memory and returns: it outlives
	// the process, and a writer moves it to the text.
	ModeJournal Mode = iota
	// ModeWrite writes the line before the call returns. It is in force where
	// memory cannot be mapped safely.
	ModeWrite
)

// String returns "journal" or "write".
func (m Mode) String() string {
	if m == ModeWrite {
		return "write"
	}
	return "journal"
}

// defaultRingBytes is the size of the ring when Options do not say: 8 MiB.
const defaultRingBytes = 8 << 20

// minRingBytes is four times the longest line, so that one always fits the
// share of its level.
const minRingBytes = 4 << 20

// Options are the settings of a Journal; the zero value is ready.
type Options struct {
	// FS is where the folder lies, nil for the real file system.
	FS vfs.FS
	// Rule is how files rotate that have no rule of their own in Rules.
	Rule rotation.Rule
	// Rules are by log name.
	Rules map[string]rotation.Rule
	// Mode is how records get to the text; Stats says which mode is in force.
	Mode Mode
	// RingBytes is the size of the ring, in bytes, 0 for 8 MiB; at
	// least 4 MiB and rounded up to pages.
	RingBytes int
	// MaxWait is how long a caller waits for room while the writer is behind,
	// 0 for 100 ms; see waitParts for a process that is stopped meanwhile. Nobody
	// waits while the disk fails.
	MaxWait time.Duration
	// Boot identifies the running system, "" for its own boot id. Tests that
	// cut the power change it.
	Boot string
	// SyncEvery is how often written lines are made durable, 0 for 1 s. Levels
	// from error up ask for a sync at once.
	SyncEvery time.Duration
	// SaveAfter is how much text is logged, in bytes, before the tables are saved
	// while the folder is open, 0 for 64 MiB; at least four times what they took
	// the last time.
	SaveAfter int64
	// CloseTimeout is how long Close waits for the disk, 0 for 5 s.
	CloseTimeout time.Duration
	// IndexFields are the paths under the details whose values sealed files
	// index, and active ones once they are asked. Who only reads takes those of the
	// newest sealed file of a log, and [DefaultIndexFields] where there is none.
	IndexFields []string
	// Clock tells the time of the records that the journal writes itself and
	// of rotated files' names, nil for time.Now.
	Clock func() time.Time
	// OnProblem hears of every problem in the background, from a goroutine of
	// the journal's, one call at a time.
	OnProblem func(error)
	// OnRetain hears of each closed file that a rule deleted, after that. It is
	// called by a goroutine of the log's and must not wait. nil is fine.
	OnRetain func(name string)
	// Messages are those that have the codes that Meta tells, nil for none.
	Messages *line.Messages
	// KeepOpen decides on open about each run without an end: true keeps it
	// open because it goes on elsewhere. nil ends them all as failed.
	KeepOpen func(*runs.Run) bool
}

// Meta is what the journal must know of a record besides its line.
type Meta struct {
	Time      time.Time
	Level     zapcore.Level
	Kind      line.Kind
	Lifecycle *line.Lifecycle // run and step records: what the line says
	Message   uint16          // the code of the message among Options.Messages, 0 where it has none
}

// DefaultIndexFields returns the paths that are indexed where the host names none.
func DefaultIndexFields() []string { return []string{"sku", "order_id"} }
