package logger

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/steplog/steplog/audit"
	"github.com/steplog/steplog/audit/access"
	"github.com/steplog/steplog/internal/journal"
	"github.com/steplog/steplog/levels"
	"github.com/steplog/steplog/query"
	"github.com/steplog/steplog/rotation"
	"go.uber.org/zap/zapcore"
)

// Options are the settings of a [Store]. The zero value and nil are ready to
// use. They are copied by [Open].
type Options struct {
	// Level is the minimum level until Store.Levels says otherwise. The zero
	// value is Info.
	Level zapcore.Level
	// Rule is how files rotate and are retained that have no rule of their own:
	// by default at 100 MiB, keeping all.
	Rule rotation.Rule
	// Files are the rules of single files by name, such as "email".
	Files map[string]FileRule
	// Mode is how records reach the files.
	Mode Mode

	// SyncEvery is how often written records are made durable: 0 means 1 s.
	// Records of level error and above ask for it at once.
	SyncEvery time.Duration
	// MaxWait is how long a call waits for a writer that is merely behind before
	// its record is dropped and counted: 0 means 100 ms. Each time that the process
	// is stopped, as that of a machine that is moved, uses up at most a quarter of
	// it. It has no effect in ModeWrite, where each call writes for itself.
	MaxWait time.Duration
	// CloseTimeout is how long Close waits for a disk that does not answer: 0
	// means 5 s.
	CloseTimeout time.Duration
	// PerformanceEvery is how often the process's CPU time, memory and number
	// of goroutines are logged: 0 means 1 minute. They are logged at start and
	// at stop too.
	PerformanceEvery time.Duration

	// RingBytes is the size of the buffer between callers and files, in bytes on
	// the disk and in memory: 0 means 8 MiB, it is rounded up to whole pages, and
	// lies between 4 MiB and 512 MiB. Another size than before takes effect when the
	// folder is opened with room on the disk for what waits in the buffer. It has no
	// effect in ModeWrite.
	RingBytes int
	// CaptureBytes is how long a captured input or output, or a value given to
	// [Value], may be as JSON before it is cut, in bytes: 0 means 64 KiB, and it
	// lies between 256 and 1 MiB.
	CaptureBytes int

	// MaskKeys are names of keys whose values are hidden, in addition to the
	// built-in list (password, token, authorization, cookie and the like). Case
	// and separators do not matter. At most 1,000, none of them empty.
	MaskKeys []string
	// IndexFields are the paths of detail fields that files index when they are
	// closed, and active ones in memory: nil means sku and order_id. The first 64
	// count; more than 1,000, or an empty one, are refused. A change holds for files
	// that are closed later; it never changes an answer, only how fast a condition on
	// the field is found.
	IndexFields []string

	// KeepSettings keeps the level tree and the file rules in the folder, so
	// that the next Open with KeepSettings starts with them. What was set while
	// running then goes before Level and Files; what was not stays as these
	// say. A memory store keeps nothing.
	KeepSettings bool
	// OpenRun is asked during Open about each run that has no end because its
	// process died, without its sub logs. If it reports true the run and its steps
	// stay open, because it goes on in another process or will be resumed here;
	// otherwise they end as failed. nil ends them all.
	OpenRun func(query.MainLog) bool
	// TraceIDs returns the trace and span ids of a context, "" for none. It is
	// called by [FromContext], when runs and steps start, and for lines of
	// [Logger.Slog] with a context, from many goroutines.
	TraceIDs func(context.Context) (trace, span string)
	// OnProblem hears of every problem that no call could return: records that
	// could not be written, names that were refused, failed syncs. It is called
	// on a goroutine of the store's, one problem at a time, never under a lock,
	// and may use the store but not close it. Stats counts problems whether it is
	// set or not; what comes faster than the hook returns is only counted.
	OnProblem func(error)
	// Audit are the settings of the audit trail, nil for the defaults. Its Clock,
	// MaskKeys and Rule add to what holds for the store: the clock and the hidden
	// keys are the store's where it has none of its own, and its rule is never
	// that of other files, so that nothing of the trail is deleted unless its own
	// Rule, or that of Files["audit"], says so. What OnProblem of the trail hears
	// the store's hears too.
	Audit *audit.Options
	// Access are the settings of what records requests, nil for the defaults.
	Access *access.Options
	// Clock tells the time: nil means time.Now. It is called on every logging
	// call and must be safe for concurrent use.
	Clock func() time.Time
}

// FileRule is what holds for one log file. The zero value takes every level and
// rotates by Options.Rule.
type FileRule struct {
	// Levels are the levels that the file takes; lines of others are left out.
	// It applies on top of the minimum level, and never to run, step and capture
	// records. The zero value is every level.
	Levels levels.Set
	// Rotation is how the file rotates and what is retained of it. A zero
	// Rotation inherits Options.Rule.
	Rotation rotation.Rule
}

// Mode is how records reach the files.
type Mode uint8

const (
	// ModeJournal is the default: a call copies its record into mapped memory
	// and returns, and a writer moves it on to the file within some 10 ms. No
	// call waits for the disk, and records survive the death of the process. It
	// needs a file system where that is safe, which are ext4, xfs and tmpfs, and
	// OpenMemory; elsewhere ModeWrite is in force, as Stats says.
	ModeJournal Mode = iota
	// ModeWrite hands each record to the operating system before the call
	// returns. Records survive the death of the process, and other programs see
	// them in the file at once. A store whose disk is too full for what an earlier one
	// in ModeJournal left goes on with that mode until it is opened again.
	ModeWrite
)

// journal returns the mode under the name that the journal has for it.
func (m Mode) journal() journal.Mode {
	if m == ModeWrite {
		return journal.ModeWrite
	}
	return journal.ModeJournal
}

// modeOf returns the mode that the journal says is in force.
func modeOf(m journal.Mode) Mode {
	if m == journal.ModeWrite {
		return ModeWrite
	}
	return ModeJournal
}

// String returns "journal" or "write".
func (m Mode) String() string {
	switch m {
	case ModeJournal:
		return "journal"
	case ModeWrite:
		return "write"
	default:
		return fmt.Sprintf("Mode(%d)", uint8(m))
	}
}

// What zero options mean.
const (
	defaultCloseTimeout     = 5 * time.Second
	defaultPerformanceEvery = time.Minute
	defaultCaptureBytes     = 64 << 10

	minCaptureBytes = 256     // less than what a cut value itself takes
	maxCaptureBytes = 1 << 20 // the longest line
	minRingBytes    = 4 << 20 // four of the longest lines
	maxRingBytes    = 512 << 20
	maxKeys         = 1000
)

// complete returns a checked copy of o with its defaults filled in. o may be
// nil.
func (o *Options) complete() (Options, error) {
	var c Options
	if o != nil {
		c = *o
	}
	if err := c.check(); err != nil {
		return Options{}, err
	}
	if c.Files = maps.Clone(c.Files); c.Files == nil {
		c.Files = map[string]FileRule{}
	}
	if c.Audit != nil { // the trail may begin much later
		trail := *c.Audit
		trail.Events, trail.MaskKeys = slices.Clone(trail.Events), slices.Clone(trail.MaskKeys)
		c.Audit = &trail
	}
	c.IndexFields = slices.Clone(c.IndexFields) // files are closed later
	if c.CloseTimeout == 0 {
		c.CloseTimeout = defaultCloseTimeout
	}
	if c.PerformanceEvery == 0 {
		c.PerformanceEvery = defaultPerformanceEvery
	}
	if c.CaptureBytes == 0 {
		c.CaptureBytes = defaultCaptureBytes
	}
	if c.IndexFields == nil {
		c.IndexFields = journal.DefaultIndexFields()
	}
	return c, nil
}

// check names the first option that cannot be used.
func (o *Options) check() error {
	bad := func(name, format string, args ...any) error {
		return fmt.Errorf("%w: %s %s", ErrOptions, name, fmt.Sprintf(format, args...))
	}
	for _, d := range []struct {
		name string
		d    time.Duration
	}{
		{"SyncEvery", o.SyncEvery}, {"MaxWait", o.MaxWait},
		{"CloseTimeout", o.CloseTimeout}, {"PerformanceEvery", o.PerformanceEvery},
	} {
		if d.d < 0 {
			return bad(d.name, "is negative (%s)", d.d)
		}
	}
	if o.Level < levels.Trace || o.Level > levels.Fatal {
		return bad("Level", "is %d, outside trace (%d) to fatal (%d)", o.Level, levels.Trace, levels.Fatal)
	}
	if o.Mode > ModeWrite {
		return bad("Mode", "is unknown (%d)", uint8(o.Mode))
	}
	if o.RingBytes != 0 && (o.RingBytes < minRingBytes || o.RingBytes > maxRingBytes) {
		return bad("RingBytes", "is %d, outside %d to %d", o.RingBytes, minRingBytes, maxRingBytes)
	}
	if o.CaptureBytes != 0 && (o.CaptureBytes < minCaptureBytes || o.CaptureBytes > maxCaptureBytes) {
		return bad("CaptureBytes", "is %d, outside %d to %d", o.CaptureBytes, minCaptureBytes, maxCaptureBytes)
	}
	for name, keys := range map[string][]string{"MaskKeys": o.MaskKeys, "IndexFields": o.IndexFields} {
		if len(keys) > maxKeys {
			return bad(name, "has more than %d names", maxKeys)
		}
		if i := slices.Index(keys, ""); i >= 0 {
			return bad(name, "has an empty name at %d", i)
		}
	}
	if err := o.Rule.Validate(); err != nil {
		return bad("Rule", "cannot be used: %v", err)
	}
	for name, rule := range o.Files {
		if !rotation.ValidName(name) {
			return bad("Files", "has %q, which is no name of a log file", name)
		}
		if err := rule.Rotation.Validate(); err != nil {
			return bad("Files", "has a rule for %q that cannot be used: %v", name, err)
		}
	}
	if err := o.Audit.Validate(); err != nil {
		return bad("Audit", "cannot be used: %v", err)
	}
	return nil
}
