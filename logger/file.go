package logger

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/steplog/steplog/internal/journal"
	"github.com/steplog/steplog/internal/line"
	"github.com/steplog/steplog/internal/runs"
	"github.com/steplog/steplog/levels"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// Names of log files, for [Logger.To], [Options.Files] and [Store.SetFileRule].
// A host may use any other name that matches ^[a-z0-9][a-z0-9_-]{0,63}$; a file
// appears in the folder when it is first used.
const (
	FileApplication  = "application"   // what servers and services log outside a run
	FileAppsObjects  = "apps_objects"  // dynamic forms
	FileInboxChannel = "inbox_channel" // the inbox's channels
	FileEmail        = "email"         // receiving and sending mail
	FileDatabase     = "database"      // database operations
	FileAccessLog    = "access_log"    // requests; not for Logger.To
	FileCallEvent    = "call_event"    // telephony
	FileScheduleJobs = "schedule_jobs" // scheduled jobs
	FileCRMData      = "crm_data"      // exchange with a CRM

	FileUser  = "user"  // what flows log
	FileUsage = "usage" // run and step records; not for Logger.To
)

// fileAudit is the audit trail's; it is not written here.
const fileAudit = "audit"

// file is one log of the store as loggers see it. It is made when its name is
// first used, and the text when its first record is written.
type file struct {
	name   string                       // immutable
	levels atomic.Uint32                // a levels.Set: what FileRule lets through
	log    atomic.Pointer[journal.File] // nil until the first record

	// What was dropped before it reached the journal, which counts the rest.
	dropped [len(line.Levels{})]atomic.Int64
	failing atomic.Bool // the text could not be opened last time

	mu     sync.Mutex // guards what follows
	unsaid journal.Lost
}

// takes reports whether lines of level l go to the file.
func (f *file) takes(l zapcore.Level) bool {
	return levels.Set(f.levels.Load()).Has(l)
}

// kind is the kind of what a logger writes to the file.
func (f *file) kind(inRun bool) line.Kind {
	switch {
	case f.name == FileUser:
		return line.KindLine
	case f.name == FileApplication || !inRun:
		return line.KindEvent
	default:
		return line.KindLine
	}
}

// drop counts a record that did not get as far as the journal.
func (f *file) drop(l zapcore.Level, at time.Time) {
	f.dropped[line.LevelIndex(l)].Add(1)
	f.mu.Lock()
	f.unsaid.Add(l, at)
	f.mu.Unlock()
	if log := f.log.Load(); log != nil {
		f.say(log) // it was opened meanwhile
	}
}

// say has the log tell its readers what was dropped before it was open.
func (f *file) say(log *journal.File) {
	f.mu.Lock()
	defer f.mu.Unlock()
	log.Missed(f.unsaid)
	f.unsaid = journal.Lost{}
}

// six returns the one of the six levels that l counts as.
func six(l zapcore.Level) zapcore.Level {
	switch {
	case l < levels.Trace:
		return levels.Trace
	case l <= levels.Error:
		return l
	case l < levels.Fatal:
		return levels.Error // zap's DPanic and Panic
	default:
		return levels.Fatal
	}
}

// file returns the file with a valid name, making it when it is new.
func (s *Store) file(name string) *file {
	s.mu.RLock()
	f := s.files[name]
	s.mu.RUnlock()
	if f != nil {
		return f
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if f := s.files[name]; f != nil {
		return f
	}
	f = &file{name: name}
	f.levels.Store(uint32(s.rules[name].Levels))
	s.files[name] = f
	return f
}

// open returns the text of a file, opening it on first use. On an error the
// record of e is counted as dropped.
func (s *Store) open(f *file, e *line.Entry) (*journal.File, error) {
	if log := f.log.Load(); log != nil {
		return log, nil
	}
	log, err := s.journal.File(f.name)
	if err != nil {
		f.drop(e.Level, e.Time)
		err = translate(err)
		if !errors.Is(err, ErrClosed) && !f.failing.Swap(true) {
			s.problem(fmt.Errorf("open %s.log: %w", f.name, err))
		}
		return nil, err
	}
	f.failing.Store(false)
	f.log.Store(log)
	f.say(log)
	return log, nil
}

// sayMissed has the logs that could not be opened so far say what was dropped of them,
// and returns of which it cannot be said.
func (s *Store) sayMissed() error {
	s.mu.RLock()
	files := slices.SortedFunc(maps.Values(s.files), func(a, b *file) int { return strings.Compare(a.name, b.name) })
	s.mu.RUnlock()
	var errs []error
	for _, f := range files {
		var n int64
		for i := range f.dropped {
			n += f.dropped[i].Load()
		}
		if n == 0 || f.log.Load() != nil {
			continue
		}
		log, err := s.journal.File(f.name)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %d records were dropped, and no log says so: %w", f.name, n, translate(err)))
			continue
		}
		f.log.Store(log)
		f.say(log)
	}
	return errors.Join(errs...)
}

// buffer is where one line is encoded.
type buffer struct{ b []byte }

// keepBuffer is the capacity up to which buffers are reused: one long line must
// not keep a megabyte for good.
const keepBuffer = 64 << 10

// append encodes and writes one record. It never panics. An error means that
// the record was dropped, counted and reported.
func (s *Store) append(f *file, o *runs.Owner, e *line.Entry, fields []zap.Field) (seq uint64, err error) {
	log := f.log.Load()
	if log == nil {
		if log, err = s.open(f, e); err != nil {
			return 0, err
		}
	}
	buf := s.buffers.Get().(*buffer)
	encoded, done := false, false
	defer func() {
		if done {
			return
		}
		// The encoder guards what the host's values do; this is for the rest.
		if p := recover(); p != nil {
			if !encoded {
				f.drop(e.Level, e.Time)
			}
			seq, err = 0, s.panicked("append", p)
		}
	}()
	e.Identity = o.Encoded()
	if e.Lifecycle != nil {
		s.hide(e.Lifecycle)
	}
	buf.b = s.encoder.Append(buf.b[:0], e, fields)
	encoded = true
	seq, err = log.Append(o, journal.Meta{Time: e.Time, Level: e.Level, Kind: e.Kind, Lifecycle: e.Lifecycle, Message: e.MessageCode}, buf.b)
	if cap(buf.b) <= keepBuffer {
		s.buffers.Put(buf)
	}
	if err != nil {
		err = translate(err)
	}
	done = true
	return seq, err
}

// hide takes registered secrets out of what a run or step record says, and what is not
// UTF-8: the tables keep it beside the text, and say what that does.
func (s *Store) hide(l *line.Lifecycle) {
	for _, text := range [...]*string{&l.Outcome, &l.Reason, &l.TriggeredBy, &l.Schedule} {
		masked, _ := s.masker.Mask(*text)
		*text = line.Valid(masked)
	}
	l.IterationValue = s.encoder.MaskAgain(l.IterationValue)
}

// panicked reports what the host's code panicked with, and returns it as an
// error. Problems are shown to others, by the health of the HTTP API.
func (s *Store) panicked(what string, p any) error {
	text, _ := s.masker.Mask(line.PanicText(p))
	err := fmt.Errorf("%w: %s: %s", ErrPanicked, what, text)
	s.problem(err)
	return err
}

// now is the clock's time. A host's clock that panics must not take a logging
// call with it.
func (s *Store) now() (now time.Time) {
	if s.options.Clock == nil {
		return s.clock.now()
	}
	return s.hostNow("Options.Clock", s.options.Clock)
}

// stamp is now for the time of a line.
func (s *Store) stamp() time.Time {
	if s.options.Clock == nil {
		return s.clock.stamp()
	}
	return s.hostNow("Options.Clock", s.options.Clock)
}

// hostNow is the time of a host's clock; what is the option's name.
func (s *Store) hostNow(what string, clock func() time.Time) (now time.Time) {
	defer func() {
		if p := recover(); p != nil {
			_ = s.panicked(what, p)
			now = time.Now()
		}
	}()
	return clock()
}
