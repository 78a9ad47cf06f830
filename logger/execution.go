package logger

import (
	"context"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/steplog/steplog/internal/journal"
	"github.com/steplog/steplog/internal/line"
	"github.com/steplog/steplog/internal/runs"
	"github.com/steplog/steplog/levels"
	"github.com/steplog/steplog/query"
	"go.uber.org/zap/zapcore"
)

// execution is what a run and a step have in common: the records of its start,
// its updates and its end.
type execution struct {
	store *Store      // nil when nothing is recorded; immutable
	kind  line.Kind   // KindRun or KindStep; immutable
	owner *runs.Owner // immutable once the execution is handed out
	by    callers     // of what started it here; immutable once the execution is handed out

	mu      sync.Mutex // held over appends, so that records come in order; guards the rest
	seq     uint64     // of the start record, 0 when that was dropped
	start   line.Lifecycle
	started time.Time
	counts  query.Counts
	counted bool
	ended   bool // the host's end stands, or there is nothing to end
}

// word is what messages call the execution.
func (x *execution) word() string {
	if x.kind == line.KindRun {
		return "run"
	}
	return "step"
}

// begin writes the start record. The caller holds mu, or nobody else has x yet.
func (x *execution) begin(l *Logger) {
	x.started = x.store.now()
	x.start.Phase = line.PhaseStart
	e := line.Entry{Time: x.started, Level: levels.Info, Kind: x.kind, Trace: l.trace, Span: l.span,
		Message: x.word() + " started", Lifecycle: &x.start}
	x.seq, _ = x.append(&e)
}

// adopt takes over what the journal knows.
func (x *execution) adopt(seq uint64, start line.Lifecycle, started time.Time, state runs.State) {
	x.seq, x.start, x.started = seq, start, started
	x.counts = query.Counts{Processed: state.Processed, Succeeded: state.Succeeded, Failed: state.Failed, Fragments: state.Fragments}
	x.counted = state.Counted
	x.ended = state.Ended && !state.Implied
}

// resume writes that what the library had ended goes on.
func (x *execution) resume() error {
	lc := line.Lifecycle{Phase: line.PhaseResume, ID: x.seq}
	e := line.Entry{Time: x.store.now(), Level: levels.Info, Kind: x.kind, Message: x.word() + " resumed", Lifecycle: &lc}
	_, err := x.append(&e)
	return err
}

// add adds to the counts and writes their totals. It does nothing after the
// end.
func (x *execution) add(c query.Counts) {
	if x.store == nil {
		return
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.ended {
		return
	}
	x.counts.Processed += c.Processed
	x.counts.Succeeded += c.Succeeded
	x.counts.Failed += c.Failed
	x.counts.Fragments += c.Fragments
	x.counted = true
	lc := line.Lifecycle{Phase: line.PhaseUpdate, ID: x.seq}
	x.total(&lc)
	e := line.Entry{Time: x.store.now(), Level: levels.Info, Kind: x.kind, Message: x.word() + " counts", Lifecycle: &lc}
	_, _ = x.append(&e)
}

func (x *execution) total(lc *line.Lifecycle) {
	lc.Processed, lc.Succeeded, lc.Failed, lc.Fragments = x.counts.Processed, x.counts.Succeeded, x.counts.Failed, x.counts.Fragments
	lc.Counted = x.counted
}

// finish writes the end record. The caller holds mu and has checked ended; err is
// one that was told, for no method of the host's may wait for mu. It is the end even
// when the record is dropped: the next open of the folder then closes what looks open.
func (x *execution) finish(l *Logger, o query.Outcome, err error, state runs.State) error {
	x.ended = true
	now := x.store.now()
	lc := journal.EndLifecycle(x.seq, &x.start, state)
	x.total(&lc)
	lc.Started = x.started
	lc.Duration = max(now.Sub(x.started), 0)
	lc.Outcome, lc.Reason, lc.Implied = o.String(), x.store.reason(o, err), false
	level := levels.Info
	if o.Failure() {
		level = levels.Error
	}
	e := line.Entry{Time: now, Level: level, Kind: x.kind, Trace: l.trace, Span: l.span,
		Message: x.word() + " " + strings.ReplaceAll(o.String(), "_", " "), Lifecycle: &lc, Err: err}
	_, failed := x.append(&e)
	return dropped(failed)
}

func (x *execution) append(e *line.Entry) (uint64, error) {
	return x.store.append(x.store.file(FileUsage), x.owner, e, nil)
}

// outcomeOf says how something that returned err ended.
func outcomeOf(err error) query.Outcome {
	switch {
	case err == nil:
		return query.Succeeded
	case line.Is(err, context.Canceled):
		return query.Cancelled
	case line.Is(err, context.DeadlineExceeded):
		return query.TimedOut
	default:
		return query.Failed
	}
}

// ended returns o, or if that is no end, the outcome that err stands for.
func ended(o query.Outcome, err error) query.Outcome {
	if !o.Success() && (o == query.Running || o > query.Panicked) {
		return outcomeOf(err)
	}
	return o
}

// maxReason is how long a reason may be, in bytes. The error itself stands in
// the end record in full.
const maxReason = 4 << 10

// reason says in one text why something ended as it did.
func (s *Store) reason(o query.Outcome, err error) string {
	switch {
	case err != nil:
		return s.cutReason(err.Error())
	case o == query.Panicked:
		return "it panicked, or its goroutine was ended"
	default:
		return ""
	}
}

func (s *Store) cutReason(text string) string {
	if len(text) <= maxReason {
		return text
	}
	return s.head(text, maxReason) + "…"
}

// callers are the program counters of the function that called an exported one
// of this package, and of that function's own caller.
type callers [2]uintptr

// callersOf returns those of the exported function that calls it.
func callersOf() (c callers) {
	const callerOfExported = 3 // after Callers, callersOf and the exported function
	runtime.Callers(callerOfExported, c[:])
	return c
}

// functions returns the names of both, "" for one that there is not.
func (c callers) functions() (caller, its string) {
	if c == (callers{}) {
		return "", ""
	}
	frames := runtime.CallersFrames(c[:])
	first, _ := frames.Next()
	second, _ := frames.Next()
	return first.Function, second.Function
}

// unwound reports whether an exported End, with these callers, is called by a
// deferred function that runs because of a panic, or of runtime.Goexit, as
// testing's FailNow calls it, or is deferred itself. Without this,
// defer func() { run.End(err) }() would take either, during which err is nil, for
// a success. What such a function starts itself, to clean up, did not panic, and
// neither did what others do that it calls: those end in their own way.
func (x *execution) unwound(end callers) bool {
	caller, its := end.functions()
	if unwinds(caller) {
		return true
	}
	if !unwinds(its) {
		return false
	}
	starter, under := x.by.functions()
	return starter != caller || under != its
}

// unwinds reports whether a function is one of those that run deferred functions because
// nothing returns.
func unwinds(function string) bool {
	return function == "runtime.gopanic" || function == "runtime.Goexit"
}

// sixLevels are the levels in the order of [line.Levels].
var sixLevels = [...]zapcore.Level{levels.Trace, levels.Debug, levels.Info, levels.Warn, levels.Error, levels.Fatal}
