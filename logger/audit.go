package logger

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/steplog/steplog/audit"
	"github.com/steplog/steplog/levels"
	"github.com/steplog/steplog/query"
	"github.com/steplog/steplog/rotation"
)

// trail is the store's audit trail. It begins with the first call of
// Store.Audit, or is there already.
type trail struct {
	mu       sync.Mutex // held while it is opened or closed
	closed   bool       // guarded by mu
	recorder atomic.Pointer[audit.Recorder]
	later    chan audit.Entry // acts nobody waits for the record of; set with recorder
}

// waiting is how many acts may wait to be recorded; more are reported as lost.
const waiting = 256

// Audit returns the recorder of the audit trail in the folder. The first call
// begins the trail when there is none; one that is there goes on with each [Open].
// Acts of the library's own, such as changed levels and deleted files, are
// recorded in it from then on, with the actor of their context
// ([audit.WithActor]), or else this process.
//
// Logs that somebody reads through [Store.Query] are recorded when the context
// has an actor: [audit.LogExported] for what is taken out whole, by Engine.All,
// Engine.Reader or package export; [audit.LogViewed] for pages, records and tails,
// where audit.Options.RecordQueries asks for it. A file that is downloaded is
// [audit.LogDownloaded], whoever does it.
//
// When the trail cannot be opened, because it was tampered with or the disk is
// full, OnProblem hears of it, and every record is refused with an error that
// wraps [audit.ErrUnavailable] until Recorder.Reopen succeeds. The recorder is
// closed with the store and must not be closed before.
func (s *Store) Audit() *audit.Recorder {
	if s.none() {
		return nil
	}
	if r := s.trail.recorder.Load(); r != nil {
		return r
	}
	s.trail.mu.Lock()
	defer s.trail.mu.Unlock()
	if r := s.trail.recorder.Load(); r != nil || s.trail.closed {
		return r
	}
	r, err := audit.OpenHosted(s.dir, s.auditOptions(), audit.Host{FS: s.fs, Mask: s.masker})
	if err != nil {
		s.problem(err)
	}
	s.trail.later = make(chan audit.Entry, waiting)
	s.trail.recorder.Store(r)
	s.journal.Folder().OnAct(s.acted)
	s.engine.OnRead(s.read)
	s.work.Go(s.recordLater)
	return r
}

// auditOptions are those of the trail.
func (s *Store) auditOptions() *audit.Options {
	var o audit.Options
	if s.options.Audit != nil {
		o = *s.options.Audit
	}
	if o.Clock == nil {
		o.Clock = s.now
	}
	if o.Rule == (rotation.Rule{}) {
		o.Rule = s.options.Files[fileAudit].Rotation
	}
	hosts := o.OnProblem
	o.OnProblem = func(err error) {
		s.problem(err)
		if hosts != nil {
			hosts(err)
		}
	}
	return &o
}

// findTrail opens the trail that a folder has.
func (s *Store) findTrail() {
	infos, err := s.fs.ReadDir(s.dir)
	if err != nil {
		s.problem(err)
		return
	}
	for _, info := range infos {
		if log, ok := rotation.LogOf(info.Name()); ok && log == fileAudit {
			s.Audit()
			return
		}
	}
}

// endTrail has no trail begin any more.
func (s *Store) endTrail() {
	s.trail.mu.Lock()
	defer s.trail.mu.Unlock()
	s.trail.closed = true
}

// closeTrail records what waits and closes the trail.
func (s *Store) closeTrail() error {
	r := s.trail.recorder.Load()
	if r == nil {
		return nil
	}
	for n := len(s.trail.later); n > 0; n-- {
		s.audit(context.Background(), <-s.trail.later)
	}
	return r.Close()
}

// tellLate reports the acts that came when the trail was closed: those of rules, which
// delete until the journal is closed.
func (s *Store) tellLate() {
	for n := len(s.trail.later); n > 0; n-- {
		e := <-s.trail.later
		s.problem(fmt.Errorf("%s of %s: not recorded: %w", e.Event.Name, e.Target.ID, ErrClosed))
	}
}

// audit records an act of the library's own, where there is a trail. The act is
// done: that it has no record can only be reported.
func (s *Store) audit(ctx context.Context, e audit.Entry) {
	if err := s.auditNow(ctx, e); err != nil {
		s.problem(fmt.Errorf("%s: %w", e.Event.Name, err))
	}
}

func (s *Store) auditNow(ctx context.Context, e audit.Entry) error {
	r := s.trail.recorder.Load()
	if r == nil {
		return nil
	}
	_, err := r.Record(context.WithoutCancel(orBackground(ctx)), e)
	return err
}

// recordLater records acts whose caller must not wait.
func (s *Store) recordLater() {
	for {
		select {
		case e := <-s.trail.later:
			s.audit(context.Background(), e)
		case <-s.stop:
			return
		}
	}
}

// retained is called when a rule deleted a file. A full disk must be freed even
// when nothing can be recorded, so the file goes first.
func (s *Store) retained(name string) {
	if s.trail.recorder.Load() == nil {
		return
	}
	e := audit.Entry{Event: audit.SegmentDeleted, Target: audit.Target{Type: "file", ID: name}}
	select {
	case s.trail.later <- e:
	default:
		s.problem(fmt.Errorf("%s of %s: not recorded: too many at once", e.Event.Name, name))
	}
}

// acted is called when somebody viewed, downloaded or deleted a file.
func (s *Store) acted(ctx context.Context, act rotation.Act, name string) {
	e := audit.Entry{Event: audit.LogDownloaded, Target: audit.Target{Type: "file", ID: name}}
	switch act {
	case rotation.Deleted:
		e.Event = audit.LogDeleted
	case rotation.Viewed:
		e.Event = audit.LogViewed
	}
	s.audit(ctx, e)
}

// read is called when logs were read through the engine. What the process reads
// for itself is no act of anybody's.
func (s *Store) read(ctx context.Context, r query.Read) {
	if actor, _ := ctx.Value(audit.ActorKey).(audit.Actor); actor == (audit.Actor{}) {
		return
	}
	e := audit.Entry{Event: audit.LogViewed, Target: audit.Target{Type: "log", ID: r.What},
		FlowID: r.Operation, Project: r.Project, Run: r.Run}
	if r.Export {
		e.Event = audit.LogExported
	}
	s.audit(ctx, e)
}

// auditRule records a changed rule.
func (s *Store) auditRule(ctx context.Context, name string, before, after FileRule) error {
	return s.auditNow(ctx, audit.Entry{Event: audit.RetentionChanged,
		Target: audit.Target{Type: "file", ID: name}, Before: ruleOf(before), After: ruleOf(after)})
}

// ruleOf is a rule as a diff shows it.
func ruleOf(r FileRule) fileSettings {
	shown := fileSettings{Rotation: r.Rotation}
	if r.Levels != 0 {
		shown.Levels = new(namesOf(r.Levels))
	}
	return shown
}

// auditSetting records a changed level or switch.
func (s *Store) auditSetting(ctx context.Context, c levels.Change) {
	if s.trail.recorder.Load() == nil {
		return
	}
	e := audit.Entry{Event: audit.LevelChanged, Target: audit.Target{Type: "scope", ID: scopeText(c.Scope)}, FlowID: c.Scope.Operation}
	after := map[string]any{}
	switch {
	case c.Level != nil:
		after["level"] = levels.Name(*c.Level)
	case c.Reset:
		after["reset"] = true
	case c.Lines != nil:
		e.Event = audit.CaptureToggled
		after["lines"] = *c.Lines
	case c.Capture != nil:
		e.Event = audit.CaptureToggled
		after["capture"] = *c.Capture
	}
	e.After = after
	s.audit(ctx, e)
}

// scopeText names a scope: "edge-1/orders/sync-prices", "/" for the root.
func scopeText(c levels.Scope) string {
	parts := []string{c.Server, c.Service, c.Operation, c.Action}
	for len(parts) > 0 && parts[len(parts)-1] == "" {
		parts = parts[:len(parts)-1]
	}
	if len(parts) == 0 {
		return "/"
	}
	return strings.Join(parts, "/")
}

// maskKeys are the keys whose values are hidden everywhere.
func (o *Options) maskKeys() []string {
	keys := o.MaskKeys
	if o.Audit != nil {
		keys = append(keys[:len(keys):len(keys)], o.Audit.MaskKeys...)
	}
	return keys
}
