package logger

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"github.com/steplog/steplog/audit/access"
	"github.com/steplog/steplog/internal/journal"
	"github.com/steplog/steplog/internal/line"
	"github.com/steplog/steplog/internal/mask"
	"github.com/steplog/steplog/internal/runs"
	"github.com/steplog/steplog/internal/vfs"
	"github.com/steplog/steplog/levels"
	"github.com/steplog/steplog/query"
	"github.com/steplog/steplog/rotation"
	"go.uber.org/zap"
)

// Store is an open folder of logs, by [Open] or [OpenMemory]. It is safe for
// concurrent use. A nil Store is harmless, so that a host can go on without its
// logs: its loggers log nothing, its methods that return an error return
// [ErrClosed], but Close, which has nothing to do, its queries query.ErrClosed, it
// has no files, and nobody follows its levels. So is the zero Store, which nobody
// opened.
type Store struct {
	options Options // complete; immutable
	dir     string  // immutable
	fs      vfs.FS  // immutable
	kept    bool    // settings are written to the folder; immutable

	journal *journal.Journal
	engine  *query.Engine
	tree    *levels.Tree
	masker  *mask.Masker
	encoder *line.Encoder
	root    *Logger     // of the library's own records; immutable after Open
	buffers sync.Pool   // of *buffer
	clock   systemClock // where the host gave none

	mu    sync.RWMutex        // guards the maps below
	files map[string]*file    // by name
	rules map[string]FileRule // by name, what is in force
	set   map[string]FileRule // by name, what was set while running: what is kept

	runsMu sync.Mutex      // guards runs
	runs   map[string]*Run // by id, open in this process

	startingMu sync.Mutex        // guards starting
	starting   map[string]string // by id of the host's, the run that starts a step with it now

	ruleMu     sync.Mutex // orders changes of file rules; taken before settingsMu and mu
	settingsMu sync.Mutex // held while settings are written, guards the two below; taken before mu
	keptSize   int64      // of the file of settings as it was left, 0 when that is not known
	keptWhole  int64      // its size when all was written

	trail  trail
	access *access.Recorder // immutable

	problems problems
	stop     chan struct{}  // closed by Close
	work     sync.WaitGroup // goroutines that end after stop
	closed   atomic.Bool
	close    sync.Once
	closeErr error // written under close
}

// Open opens a folder of logs for writing, making it when it is absent, with
// access for the owner only. What a killed process left is mended first: torn
// last lines are cut, and its open runs end as failed unless Options.OpenRun
// says otherwise. nil options are the defaults. A full disk does not keep a folder
// that was open before from opening: what the disk does not take waits in the ring.
//
// It returns [ErrLocked] when another process writes the folder, [ErrVersion]
// when a newer version of this package wrote it, [ErrOptions] for options that
// cannot be used, or an error of the file system; nothing stays open then.
func Open(dir string, options *Options) (*Store, error) {
	o, err := options.complete()
	if err != nil {
		return nil, err
	}
	if dir == "" {
		return nil, fmt.Errorf("%w: the folder has no name", ErrOptions)
	}
	return open(vfs.OS(), dir, o)
}

// memoryDir is the folder's name in a memory store.
const memoryDir = "logs"

// OpenMemory returns a store that keeps everything in memory: the same files,
// queries and rules with nothing on disk. It is meant for tests and short-lived
// programs; what it holds is gone after Close. nil options are the defaults.
// Options that cannot be used, which [Open] returns as an error, are reported to
// their OnProblem, and the defaults are used.
func OpenMemory(options *Options) *Store {
	o, wrong := options.complete()
	if wrong != nil {
		o, _ = (&Options{OnProblem: options.OnProblem}).complete()
	}
	o.KeepSettings = false
	s, err := open(vfs.NewMem(), memoryDir, o)
	if err != nil {
		return nil // memory does not fail; a nil Store is harmless
	}
	if wrong != nil {
		s.problem(wrong)
	}
	return s
}

// open opens a folder with complete options.
func open(fs vfs.FS, dir string, o Options) (*Store, error) {
	s := &Store{
		options: o, dir: vfs.Real(fs, dir), fs: fs, kept: o.KeepSettings,
		masker: mask.New(o.maskKeys()),
		files:  map[string]*file{},
		rules:  maps.Clone(o.Files), // the options stay as they are
		set:    map[string]FileRule{},
		runs:   map[string]*Run{}, starting: map[string]string{},
		stop: make(chan struct{}),
	}
	messages := line.NewMessages()
	s.encoder = line.NewEncoder(line.Options{Mask: s.masker, Messages: messages})
	s.buffers.New = func() any { return &buffer{b: make([]byte, 0, 1024)} }
	s.tree = levels.NewTree(o.Level, s.settingChanged)

	rules := make(map[string]rotation.Rule)
	if s.kept {
		if err := s.restoreSettings(); err != nil {
			return nil, err
		}
	}
	for name, rule := range s.rules {
		if rule.Rotation != (rotation.Rule{}) {
			rules[name] = rule.Rotation
		}
	}
	s.problems.start(o.OnProblem)
	j, err := journal.Open(s.dir, journal.Options{
		FS: fs, Rule: o.Rule, Rules: rules,
		Mode: o.Mode.journal(), RingBytes: o.RingBytes, MaxWait: o.MaxWait,
		SyncEvery: o.SyncEvery, CloseTimeout: o.CloseTimeout,
		IndexFields: o.IndexFields, Messages: messages,
		Clock: s.now, OnProblem: s.problems.pass, KeepOpen: s.keepOpen, OnRetain: s.retained,
	})
	if err != nil {
		s.problems.finish()
		switch {
		case errors.Is(err, journal.ErrLocked):
			return nil, fmt.Errorf("open %s: %w", dir, ErrLocked)
		case errors.Is(err, journal.ErrVersion):
			return nil, fmt.Errorf("open %s: %w", dir, ErrVersion)
		}
		return nil, translate(err)
	}
	s.journal = j
	s.engine = query.New(query.OverJournal(j))
	s.root = s.logger(line.Identity{})
	s.openAccess()
	s.announce()
	s.findTrail()
	s.work.Go(s.watchPerformance)
	return s, nil
}

// keepOpen asks the host about a run that its process left open.
func (s *Store) keepOpen(r *runs.Run) (keep bool) {
	if s.options.OpenRun == nil {
		return false
	}
	defer func() {
		if p := recover(); p != nil {
			_ = s.panicked("Options.OpenRun", p)
			keep = false
		}
	}()
	return s.options.OpenRun(mainLog(r))
}

// none reports whether there is nothing behind s: it is nil, or was never opened.
func (s *Store) none() bool { return s == nil || s.journal == nil }

// Query returns the engine that answers queries over everything in the store.
// It shows every record whose logging call has returned. Closing the engine is
// not needed and closes nothing.
func (s *Store) Query() *query.Engine {
	if s.none() {
		return query.New(nothing{})
	}
	return s.engine
}

// Files returns the folder of log files, to list, read and delete them. It is
// usable until Close. What was logged before the call is in the files, as far as
// the disk takes it; what is logged later gets there within some 10 ms.
func (s *Store) Files() *rotation.Folder {
	if s.none() {
		return noFiles()
	}
	_ = s.journal.Flush() // what cannot be written is tried again, and reported then
	return s.journal.Folder()
}

// Levels returns the settings that can be changed while the program runs, for
// each server, service, operation and action. Changes reach loggers handed out
// earlier before the call that makes them returns. With Options.KeepSettings, or
// an audit trail, that call waits until the change is on the disk; when it could
// not be kept or recorded it is in force all the same, and OnProblem hears of it.
func (s *Store) Levels() *levels.Tree {
	if s.none() {
		return noLevels()
	}
	return s.tree
}

// AddSecret hides a value from now on wherever it occurs in what is logged, audit
// and access records included: as it is, in base64, URL- and JSON-escaped, and each
// line of it when it has several. Only identifiers and display names, from server
// to step, stay as they are, for records are found by them. It returns [ErrTooShort]
// for less than 4 bytes without the blanks around it. Secrets are never written; they
// have to be added again after each Open.
func (s *Store) AddSecret(value string) error {
	if s.none() {
		return ErrClosed
	}
	err := s.masker.AddSecret(value)
	if errors.Is(err, mask.ErrTooShort) {
		return ErrTooShort
	}
	return err
}

// Sync makes everything durable that was logged before the call. It returns the
// context's error when that ends first; the sync goes on.
func (s *Store) Sync(ctx context.Context) error {
	if s.none() || s.closed.Load() {
		return ErrClosed
	}
	return translate(s.journal.Sync(orBackground(ctx)))
}

// Close writes the last records, makes everything durable and gives the folder
// free. It waits at most Options.CloseTimeout for a disk that does not answer
// and returns [ErrTimeout] then. No goroutine of the store is left after it
// returned nil. Closing twice is fine and returns the first error.
//
// What a disk that is full or fails does not take stays in the ring, for the next
// open; the error says how much that is, and whether it would outlive a loss of power.
//
// Of lumberjack, which writes the files, a goroutine stays for each file that was
// open at once: it cannot be stopped, and the next store uses it. Tests for leaks
// pass it over by goleak.IgnoreTopFunction with
// "gopkg.in/natefinch/lumberjack%2ev2.(*Logger).millRun", and in a bubble of
// testing/synctest only a store in memory, [OpenMemory], can be opened.
//
// Runs that are open stay open in the files: the next Open decides about them.
// Logging after Close does nothing but count: Stats shows it as dropped.
func (s *Store) Close() error {
	if s.none() {
		return nil
	}
	s.close.Do(func() {
		done := make(chan error, 1)
		go func() { done <- s.shutDown() }()
		timer := time.NewTimer(s.options.CloseTimeout)
		defer timer.Stop()
		select {
		case s.closeErr = <-done:
		case <-timer.C:
			s.closeErr = ErrTimeout
		}
		s.closed.Store(true)
	})
	return s.closeErr
}

// shutDown does what Close says, however long it takes.
func (s *Store) shutDown() error {
	s.endTrail()
	close(s.stop)
	s.work.Wait()
	s.logPerformance()
	s.root.event(levels.Info, topicSystem, "store closed")
	s.closed.Store(true)
	err := errors.Join(s.sayMissed(), s.closeTrail())
	err = errors.Join(translate(s.journal.Close()), err)
	s.tellLate()
	s.problems.finish()
	return err
}

// announce writes the records that a store begins with.
func (s *Store) announce() {
	r := s.journal.Recovery()
	fields := []zap.Field{zap.String("mode", modeOf(s.journal.Stats().Mode).String())}
	for _, fact := range []struct {
		name string
		n    int64
	}{
		{"torn_bytes", r.TornBytes}, {"replayed", r.Replayed},
		{"lost_bytes", r.LostBytes}, {"put_aside", r.PutAside}, {"foreign_lines", r.Foreign},
		{"runs_closed", int64(r.RunsClosed)}, {"steps_closed", int64(r.StepsClosed)},
	} {
		if fact.n != 0 {
			fields = append(fields, zap.Int64(fact.name, fact.n))
		}
	}
	s.root.event(levels.Info, topicSystem, "store opened", fields...)
	s.logPerformance()
}

// openRuns returns how many runs are open in this process.
func (s *Store) openRuns() int {
	s.runsMu.Lock()
	defer s.runsMu.Unlock()
	return len(s.runs)
}
