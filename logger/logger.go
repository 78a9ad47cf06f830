package logger

import (
	"fmt"

	"github.com/steplog/steplog/internal/line"
	"github.com/steplog/steplog/internal/runs"
	"github.com/steplog/steplog/levels"
	"github.com/steplog/steplog/rotation"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// Logger logs lines for one place: a server, a service, an operation, a run or
// a step. It is immutable and safe for concurrent use; With, Label and To
// return others. A nil Logger does nothing.
//
// A logger inside a run writes to user.log, any other to application.log. A
// line is visible to queries when the call returns. Nothing that is passed is
// kept after the call.
type Logger struct {
	gate  *levels.Gate // nil in a logger that logs nothing
	store *Store
	file  *file
	owner *runs.Owner
	bound *line.Context // nil when nothing is bound
	kind  line.Kind

	trace, span string

	run *Run // nil outside runs
}

// silent is what functions that never return nil return where there is no
// store. It is never changed.
var silent = &Logger{}

// logger returns the logger of an identity outside runs, for application.log.
func (s *Store) logger(id line.Identity) *Logger {
	f := s.file(FileApplication)
	return &Logger{gate: s.gate(&id), store: s, file: f, owner: s.journal.Owner(id), kind: f.kind(false)}
}

// home returns the store that l writes to, nil for a logger that does not.
func (l *Logger) home() *Store {
	if l == nil {
		return nil
	}
	return l.store
}

// gate returns the gate of the scope of an identity.
func (s *Store) gate(id *line.Identity) *levels.Gate {
	return s.tree.At(levels.Scope{Server: id.Server, Service: id.Service, Operation: id.Operation, Action: id.Action})
}

// inside returns l moved into a run, or a step of it.
func (l *Logger) inside(id line.Identity, run *Run) *Logger {
	c := *l
	c.gate, c.owner = l.store.gate(&id), l.store.journal.Owner(id)
	c.file = l.store.file(FileUser)
	c.kind = c.file.kind(true)
	c.run = run
	return &c
}

// Trace logs at the lowest level.
func (l *Logger) Trace(msg string, fields ...zap.Field) {
	if l.enabled(levels.Trace) {
		l.log(levels.Trace, msg, fields)
	}
}

// Debug logs at level debug.
func (l *Logger) Debug(msg string, fields ...zap.Field) {
	if l.enabled(levels.Debug) {
		l.log(levels.Debug, msg, fields)
	}
}

// Info logs at level info.
func (l *Logger) Info(msg string, fields ...zap.Field) {
	if l.enabled(levels.Info) {
		l.log(levels.Info, msg, fields)
	}
}

// Warn logs at level warn.
func (l *Logger) Warn(msg string, fields ...zap.Field) {
	if l.enabled(levels.Warn) {
		l.log(levels.Warn, msg, fields)
	}
}

// Error logs at level error. The first error among the fields becomes the
// record's error, with its code and causes.
func (l *Logger) Error(msg string, fields ...zap.Field) {
	if l.enabled(levels.Error) {
		l.log(levels.Error, msg, fields)
	}
}

// Fatal logs at the highest level. It returns: a library does not end its host.
func (l *Logger) Fatal(msg string, fields ...zap.Field) {
	if l.enabled(levels.Fatal) {
		l.log(levels.Fatal, msg, fields)
	}
}

// Log logs at a level that is known only at run time. zap's DPanic and Panic
// count as error and do not panic.
func (l *Logger) Log(level zapcore.Level, msg string, fields ...zap.Field) {
	if level = six(level); l.enabled(level) {
		l.log(level, msg, fields)
	}
}

// Enabled reports whether a line of a level would be recorded now: the scope's
// minimum level and switch let it through and the file takes it. Use it before
// work that only a line needs.
func (l *Logger) Enabled(level zapcore.Level) bool {
	level = six(level)
	return l.enabled(level) && l.file.takes(level)
}

// enabled is the check before every line: one atomic load.
func (l *Logger) enabled(level zapcore.Level) bool {
	return l != nil && l.gate != nil && l.gate.Enabled(level)
}

// log writes a line that the gate let through. The call chain from here to the
// encoder is concrete, so that fields stays on the caller's stack.
func (l *Logger) log(level zapcore.Level, msg string, fields []zap.Field) {
	if !l.file.takes(level) {
		return
	}
	// Filled in place: a literal would be made elsewhere and copied, which has the
	// processor wait for what it has just written.
	var e line.Entry
	e.Time, e.Level, e.Kind, e.Context = l.store.stamp(), level, l.kind, l.bound
	e.Trace, e.Span, e.Message = l.trace, l.span, msg
	l.write(&e, fields)
}

// write completes and writes an entry. What goes wrong is counted and reported.
func (l *Logger) write(e *line.Entry, fields []zap.Field) {
	if e.Kind == line.KindEvent && e.Topic == "" {
		e.Topic = topicApplication
	}
	_, _ = l.store.append(l.file, l.owner, e, fields)
}

// Topics of events.
const (
	topicApplication = "application"
	topicSystem      = "system"
	topicPerformance = "performance"
)

// event writes an event of the library's own.
func (l *Logger) event(level zapcore.Level, topic, msg string, fields ...zap.Field) {
	if !l.enabled(level) || !l.file.takes(level) {
		return
	}
	e := line.Entry{Time: l.store.now(), Level: level, Kind: line.KindEvent, Topic: topic, Message: msg}
	_, _ = l.store.append(l.file, l.owner, &e, fields)
}

// With returns a logger whose lines have these fields too. They are encoded
// once, now. After a zap.Namespace all later fields stand below its name.
func (l *Logger) With(fields ...zap.Field) *Logger {
	if l == nil || l.gate == nil || len(fields) == 0 {
		return l.orSilent()
	}
	c := *l
	c.bound = l.store.encoder.With(l.bound, fields)
	return &c
}

// Label returns a logger whose lines have this label instead of an earlier one.
func (l *Logger) Label(label string) *Logger {
	if l == nil || l.gate == nil {
		return l.orSilent()
	}
	c := *l
	c.bound = l.store.encoder.Label(l.bound, label)
	return &c
}

// To returns a logger that writes to another file: one of the ready-made names,
// such as [FileEmail], or any other that matches ^[a-z0-9][a-z0-9_-]{0,63}$.
// Names that do not match, and audit, usage and access_log, which hold other
// records, are reported to Options.OnProblem; what is logged then goes to
// application.log.
func (l *Logger) To(name string) *Logger {
	if l == nil || l.gate == nil {
		return l.orSilent()
	}
	c := *l
	if !rotation.ValidName(name) || name == fileAudit || name == FileUsage || name == FileAccessLog {
		l.store.problem(fmt.Errorf("%w: %.80q; its lines go to %s.log", ErrName, name, FileApplication))
		name = FileApplication
	}
	c.file = l.store.file(name)
	c.kind = c.file.kind(l.run != nil)
	return &c
}

// orSilent gives functions that return a Logger something to return.
func (l *Logger) orSilent() *Logger {
	if l == nil {
		return silent
	}
	return l
}

// Code returns a field that sets the code of the record's error. Without it the
// code is that of the first error in the chain with a method Code() string.
func Code(code string) zap.Field { return line.Code(code) }

// Topic returns a field that sets what the record is about: "application" is
// what events have by default, "system", "security" and "performance" are known
// to readers, and any other word is the host's.
func Topic(topic string) zap.Field { return line.Topic(topic) }
