// Package levels holds the one ordered set of levels that all of steplog uses,
//
//	trace < debug < info < warn < error < fatal
//
// sets of them for filters and file rules ([Set]), and the tree of settings
// ([Tree]) that switches logging while a program runs, per server, service,
// operation and action.
//
// Values are [zapcore.Level], so that zap's fields, cores and options fit
// without conversion. zapcore has no trace and two levels more than this
// package, DPanic and Panic, which count as [Error] everywhere here. Names are
// therefore parsed and printed by this package only.
package levels

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"go.uber.org/zap/zapcore"
)

// The levels, lowest first. A value below Trace counts as Trace, one above
// Fatal as Fatal, and zap's DPanic and Panic count as Error. Fatal never ends
// the process.
const (
	Trace = zapcore.DebugLevel - 1 // -2; zapcore has no name for it
	Debug = zapcore.DebugLevel     // -1
	Info  = zapcore.InfoLevel      // 0, so the zero value of a level is Info
	Warn  = zapcore.WarnLevel      // 1
	Error = zapcore.ErrorLevel     // 2
	Fatal = zapcore.FatalLevel     // 5; 3 and 4 are zap's DPanic and Panic
)

// ErrUnknown is returned by [Parse] for a name that is no level's.
var ErrUnknown = errors.New("levels: unknown level")

// Parse returns the level called s. Upper and lower case are the same; beside
// the names that [Name] prints it takes "warning" for Warn, and "dpanic" and
// "panic" for Error. Anything else, the empty string and surrounding blanks
// included, is an error that wraps [ErrUnknown]; the level is then Info.
func Parse(s string) (zapcore.Level, error) {
	// Comparing folded forms in place avoids the copy of strings.ToLower. No
	// name has a letter whose simple folding leaves ASCII (k, s with their
	// look-alikes), so that EqualFold accepts ASCII spellings only.
	for _, n := range [...]struct {
		name  string
		level zapcore.Level
	}{
		{"trace", Trace}, {"debug", Debug}, {"info", Info}, {"warn", Warn}, {"warning", Warn},
		{"error", Error}, {"dpanic", Error}, {"panic", Error}, {"fatal", Fatal},
	} {
		if strings.EqualFold(s, n.name) {
			return n.level, nil
		}
	}
	return Info, fmt.Errorf("%w %q", ErrUnknown, s)
}

// Name returns the name of l in lower case, as it stands in the files: "trace",
// "debug", "info", "warn", "error" or "fatal". Every value has one, since each
// counts as one of the six.
func Name(l zapcore.Level) string {
	switch normal(l) {
	case Trace:
		return "trace"
	case Debug:
		return "debug"
	case Info:
		return "info"
	case Warn:
		return "warn"
	case Error:
		return "error"
	default:
		return "fatal"
	}
}

// The numbers of slog for the two levels that it has no name for, at the
// distance of 4 that its named levels have.
const (
	slogTrace = slog.LevelDebug - 4
	slogFatal = slog.LevelError + 4
)

// FromSlog returns the highest level that is not above l: what lies between
// two of slog's levels counts as the lower one. Below slog.LevelDebug (-4) is
// Trace, from 12 up is Fatal.
func FromSlog(l slog.Level) zapcore.Level {
	switch {
	case l < slog.LevelDebug:
		return Trace
	case l < slog.LevelInfo:
		return Debug
	case l < slog.LevelWarn:
		return Info
	case l < slog.LevelError:
		return Warn
	case l < slogFatal:
		return Error
	default:
		return Fatal
	}
}

// ToSlog returns the number that slog has for l. Trace is -8 and Fatal is 12,
// which slog prints as "DEBUG-4" and "ERROR+4".
func ToSlog(l zapcore.Level) slog.Level {
	switch normal(l) {
	case Trace:
		return slogTrace
	case Debug:
		return slog.LevelDebug
	case Info:
		return slog.LevelInfo
	case Warn:
		return slog.LevelWarn
	case Error:
		return slog.LevelError
	default:
		return slogFatal
	}
}

// OTel returns the SeverityNumber of OpenTelemetry's log data model for l: the
// first of the four numbers that the model gives each of its ranges, so 1, 5,
// 9, 13, 17 and 21. See
// https://opentelemetry.io/docs/specs/otel/logs/data-model/#field-severitynumber.
func OTel(l zapcore.Level) int {
	return 1 + 4*int(ordinal(l))
}

// normal returns the one of the six levels that l counts as.
func normal(l zapcore.Level) zapcore.Level {
	switch {
	case l <= Trace:
		return Trace
	case l >= Fatal:
		return Fatal
	case l > Error:
		return Error
	default:
		return l
	}
}

// ordinal returns the place of l among the six, from 0 for Trace.
func ordinal(l zapcore.Level) uint {
	if l = normal(l); l < Fatal {
		return uint(l - Trace)
	}
	return uint(Error-Trace) + 1
}
