package audit

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"

	"github.com/steplog/steplog/internal/age"
	"github.com/steplog/steplog/internal/line"
	"github.com/steplog/steplog/internal/mask"
	"github.com/steplog/steplog/internal/vfs"
	"github.com/steplog/steplog/rotation"
)

// Recorder writes an audit trail. It is safe for concurrent use. A nil Recorder
// refuses everything with [ErrClosed].
type Recorder struct {
	fs     vfs.FS    // immutable
	dir    string    // immutable
	opts   Options   // complete; immutable
	events catalogue // immutable
	mask   *mask.Masker

	opening sync.Mutex // held while the trail is opened or closed
	closed  bool       // guarded by opening
	left    Checkpoint // how far the trail came that failed last; guarded by opening
	leftBy  string     // who signed that; guarded by opening
	state   atomic.Pointer[state]
	dropped atomic.Int64
	holds   holds
	rule    atomic.Pointer[rotation.Rule] // in force
	age     age.Clock
}

// state is either an open trail or the reason why there is none.
type state struct {
	trail   *trail
	encoder *encoder
	err     error
}

// Receipt says that a record is durable.
type Receipt struct {
	// Seq is the record's number in the trail.
	Seq uint64
	// Checkpoint is the signed text that covers the record; see
	// [OpenCheckpoint]. It is nil when there is no record: of a query that is not
	// recorded, or with Options.BestEffort when the trail failed.
	Checkpoint []byte
}

// Open opens the trail in a folder for recording, making both when they are
// absent, with access for the owner only. What a killed process left behind its
// last commit is put aside in audit.log.broken, and a record says how much it
// was. nil options are the defaults.
//
// It returns an error that wraps [ErrDamaged], and changes nothing, when the
// active file was tampered with, or begins before the newest sealed one ends: what
// else is wrong with sealed files is for [Verify] to find. It returns [ErrLocked] when
// another Recorder writes the trail; [ErrOptions] or [ErrEvent] for options that cannot
// be used; [ErrKey] when its key is absent.
func Open(dir string, options *Options) (*Recorder, error) {
	r, err := OpenHosted(dir, options, Host{})
	if err != nil {
		return nil, err
	}
	return r, nil
}

// OpenHosted is Open for the other packages of this module. The Recorder that it
// returns is never nil: after an error it refuses every record with that error
// until [Recorder.Reopen] succeeds.
func OpenHosted(dir string, options *Options, h Host) (*Recorder, error) {
	r := &Recorder{fs: h.FS, mask: h.Mask}
	if r.fs == nil {
		r.fs = vfs.OS()
	}
	r.dir = vfs.Real(r.fs, dir)
	o, err := options.complete()
	r.opts = o
	r.rule.Store(&o.Rule)
	if err == nil {
		r.events, err = newCatalogue(o.Events)
	}
	if err != nil {
		r.closed = true // it will never open
		r.mask = mask.New(nil)
		r.state.Store(&state{err: fmt.Errorf("%w: %w", ErrUnavailable, err)})
		return r, err
	}
	if r.mask == nil {
		r.mask = mask.New(o.MaskKeys)
	}
	return r, r.Reopen(context.Background())
}

// Reopen opens the trail again after it has failed, with the same checks as
// [Open], and only if every record is there that this Recorder acknowledged. Of a
// trail that has not failed it does nothing. A failed write or sync is never tried
// again by itself: what is on the disk is only known once it was read back.
//
// Where somebody has put an older state of the folder there on purpose, another
// Recorder goes on from it, as after a restart.
func (r *Recorder) Reopen(ctx context.Context) error {
	if r == nil {
		return ErrClosed
	}
	r.opening.Lock()
	defer r.opening.Unlock()
	if r.closed {
		return ErrClosed
	}
	if s := r.state.Load(); s != nil && s.trail != nil {
		s.trail.mu.Lock()
		failed := s.trail.failed
		s.trail.mu.Unlock()
		if failed == nil {
			return nil
		}
		r.state.Store(&state{err: failed})
		r.holds.own(false)
		_ = s.trail.close() // it has failed, and said so
		r.left, r.leftBy = *s.trail.latest.Load(), s.trail.signer.Name()
	}
	s, err := r.open(orBackground(ctx))
	if err != nil {
		r.state.Store(&state{err: unavailable(err)})
		return err
	}
	r.holds.own(true)
	r.state.Store(s)
	signal(s.trail.sealed)
	return nil
}

// open opens the trail and begins to record.
func (r *Recorder) open(ctx context.Context) (_ *state, err error) {
	if err := r.fs.MkdirAll(r.dir, 0o700); err != nil {
		return nil, fmt.Errorf("audit: open: %w", err)
	}
	if err := vfs.SyncParent(r.fs, r.dir); err != nil {
		return nil, fmt.Errorf("audit: open: %w", err)
	}
	lock, err := lockTrail(r.fs, r.dir)
	if err != nil {
		return nil, err
	}
	t := &trail{fs: r.fs, dir: r.dir, lock: lock, clock: r.opts.Clock, problem: r.opts.OnProblem,
		hook: r.opts.OnCheckpoint, keep: r.retain, timeout: r.opts.Timeout}
	t.rule.Store(r.rule.Load())
	enc := &encoder{mask: r.mask, maxChanges: r.opts.MaxChanges, maxValue: r.opts.MaxValueBytes,
		process: Actor{ID: r.opts.Server, Type: "process"}}
	if t.signer, t.trusted, err = r.keys(); err == nil && !r.opts.DropSecrets {
		enc.hmac, err = folderHMAC(r.fs, r.dir)
	}
	if err == nil {
		err = r.holds.load(r.fs, r.dir)
	}
	if err == nil {
		err = t.openActive(ctx, r.acknowledged(t.signer.Name()))
	}
	if err != nil {
		if errors.Is(err, ErrDamaged) {
			err = fmt.Errorf("%w; restore its files from a copy, or keep all of audit* elsewhere and begin another trail", err)
		}
		return nil, fmt.Errorf("audit: open %s: %w", r.dir, errors.Join(err, lock.Close()))
	}
	t.start()
	s := &state{trail: t, encoder: enc}
	if err := r.announce(ctx, s); err != nil {
		_ = t.close() // nothing that was acknowledged depends on it
		return nil, err
	}
	return s, nil
}

// acknowledged returns how far the trail of a signer came that failed before, if one did.
func (r *Recorder) acknowledged(signer string) []Checkpoint {
	if r.left.Size == 0 || r.leftBy != signer { // with another key another trail began
		return nil
	}
	return []Checkpoint{r.left}
}

// announce writes the records that a trail begins with after it was opened.
func (r *Recorder) announce(ctx context.Context, s *state) error {
	if found := s.trail.found; found.dropped > 0 {
		after := map[string]any{"dropped_bytes": found.dropped, "sha256": found.sum, "kept_in": brokenName}
		if err := r.append(ctx, s, Entry{Event: TrailRecovered, After: after}); err != nil {
			return err
		}
	}
	return r.append(ctx, s, Entry{Event: TrailOpened})
}

// Record records one act. When it returns without an error the record is on the
// disk and under a signature, and the receipt says which. It waits for that
// until the context ends, or for Options.Timeout when the context has no
// deadline. A nil context is one that never ends.
//
// An error that wraps [ErrUnavailable] means that the act is not known to be
// recorded, so it should not be done. [ErrEvent] and [ErrEntry] say that the
// entry is wrong. A value that cannot be compared is no error: the record says
// so in place of the diff.
func (r *Recorder) Record(ctx context.Context, e Entry) (Receipt, error) {
	return r.record(orBackground(ctx), e, nil, 0)
}

// orBackground returns ctx, or, of a caller that has none, one that never ends.
func orBackground(ctx context.Context) context.Context {
	if ctx == nil {
		return context.Background()
	}
	return ctx
}

// record records an entry; prepared, when it is not nil, is the same with its
// values already compared.
func (r *Recorder) record(ctx context.Context, e Entry, prepared *entry, intent uint64) (Receipt, error) {
	if r == nil {
		return Receipt{}, ErrClosed
	}
	s := r.state.Load()
	if s.trail == nil {
		return r.settle(s.err)
	}
	full, err := r.complete(ctx, s, e)
	if err != nil {
		return Receipt{}, err
	}
	if full.Event.Verb == VerbQuery && !r.opts.RecordQueries {
		return Receipt{}, nil
	}
	if prepared != nil {
		full.before, full.after, full.compared, full.err = prepared.before, prepared.after, prepared.compared, prepared.err
	}
	full.intent = intent
	receipt, err := r.put(ctx, s, &full)
	if err != nil {
		return r.settle(err)
	}
	return receipt, nil
}

func (r *Recorder) complete(ctx context.Context, s *state, e Entry) (entry, error) {
	full, err := r.events.complete(ctx, e, s.encoder.process)
	if err != nil {
		return full, err
	}
	full.at = r.opts.Clock()
	return full, nil
}

// append records an act of the library's own on a trail.
func (r *Recorder) append(ctx context.Context, s *state, e Entry) error {
	full, err := r.complete(ctx, s, e)
	if err != nil {
		return err
	}
	_, err = r.put(ctx, s, &full)
	return err
}

func (r *Recorder) put(ctx context.Context, s *state, e *entry) (Receipt, error) {
	q := s.trail.request()
	q.body = s.encoder.body(q.body[:0], e)
	return s.trail.append(ctx, q)
}

// settle is what becomes of an error that says that the trail failed.
func (r *Recorder) settle(err error) (Receipt, error) {
	if !r.opts.BestEffort {
		return Receipt{}, err
	}
	r.dropped.Add(1)
	r.opts.OnProblem(fmt.Errorf("audit: a record was dropped: %w", err))
	return Receipt{}, nil
}

// Dropped returns how many records were not written since Open although their
// callers were told nothing; it is 0 without Options.BestEffort.
func (r *Recorder) Dropped() int64 {
	if r == nil {
		return 0
	}
	return r.dropped.Load()
}

// Do runs an act between two records: one of the intent before, and one of how
// it ended after, which names the first. Where the intent cannot be recorded the
// act is not run. An intent without an answer is one whose process died before, or
// whose end could not be recorded.
//
// The outcome is success when act returns nil, denied when its error wraps
// [ErrDenied], and failure for any other error, whose text becomes the reason.
// When act panics the outcome is panic, and Do panics again with the same value.
// Entry.Before is looked at before the act, and Entry.After when it has ended: one
// map or pointer in both shows what the act changed. Entry.Outcome is not looked at.
//
// Do returns the error of act. When the act was done and its outcome could not
// be recorded, it returns an error that wraps [ErrUnavailable]. Of a nil act
// nothing is recorded: that is [ErrEntry].
func (r *Recorder) Do(ctx context.Context, e Entry, act func() error) error {
	if act == nil {
		return fmt.Errorf("%w: there is no act to do", ErrEntry)
	}
	ctx = orBackground(ctx)
	intended := e
	intended.Outcome, intended.Before, intended.After = Intent, nil, nil
	receipt, err := r.record(ctx, intended, nil, 0)
	if err != nil {
		return err
	}
	var intent uint64
	if receipt.Checkpoint != nil {
		intent = receipt.Seq + 1
	}
	values := entry{}
	values.before, values.err = normal(e.Before)
	// The outcome is recorded also when the caller has gone away meanwhile.
	end := func(outcome Outcome, reason string) error {
		e.Outcome = outcome
		if reason != "" {
			e.Reason = reason
		}
		if values.err == nil {
			values.after, values.err = normal(e.After)
		}
		values.compared = true
		_, err := r.record(context.WithoutCancel(ctx), e, &values, intent)
		return err
	}
	returned := false
	defer func() {
		if returned {
			return
		}
		p := recover()
		_ = end(Panic, panicText(p)) // the panic says more than the trail's error
		if p != nil {
			panic(p)
		}
	}()
	err = act()
	returned = true
	switch {
	case err == nil:
		return end(Success, "")
	case line.Is(err, ErrDenied):
		return errors.Join(err, end(Denied, errorText(err)))
	default:
		return errors.Join(err, end(Failure, errorText(err)))
	}
}

// panicText is the text of what an act was panicked with.
func panicText(p any) string {
	if p == nil {
		return "the goroutine ended"
	}
	return line.PanicText(p)
}

func errorText(err error) (text string) {
	defer func() {
		if recover() != nil {
			text = fmt.Sprintf("a %T", err)
		}
	}()
	return err.Error()
}

// AddSecret hides a value from now on wherever it occurs in what is recorded. It
// returns an error for less than 4 bytes.
func (r *Recorder) AddSecret(value string) error {
	if r == nil {
		return ErrClosed
	}
	return r.mask.AddSecret(value)
}

// Rule returns the rule of the trail's file.
func (r *Recorder) Rule() rotation.Rule {
	if r == nil {
		return rotation.Rule{}
	}
	return *r.rule.Load()
}

// SetRule changes when the trail's file is sealed and how long sealed files are
// kept, and records it. The change ends with the Recorder: the next [Open] goes by
// Options.Rule. SetRule returns an error that wraps rotation.ErrRule, and changes
// nothing, when the rule cannot be; and one that wraps [ErrUnavailable] when the
// change cannot be recorded.
func (r *Recorder) SetRule(ctx context.Context, rule rotation.Rule) error {
	if r == nil {
		return ErrClosed
	}
	if err := rule.Validate(); err != nil {
		return err
	}
	_, err := r.Record(ctx, Entry{Event: RetentionChanged, Target: Target{Type: "file", ID: logName},
		Before: r.Rule(), After: rule})
	if err != nil {
		return err
	}
	r.rule.Store(&rule)
	if t := r.state.Load().trail; t != nil {
		t.rule.Store(&rule)
		signal(t.sealed)
	}
	return nil
}

// Rotate seals the active file and starts a new one. An empty one stays. It returns the
// context's error when that ends first; the rotation goes on.
func (r *Recorder) Rotate(ctx context.Context) error {
	if r == nil {
		return ErrClosed
	}
	s := r.state.Load()
	if s.trail == nil {
		return s.err
	}
	return s.trail.sealNow(orBackground(ctx))
}

// Checkpoint returns the newest checkpoint, which covers everything that was
// acknowledged before the call; nil when the trail could not be opened.
func (r *Recorder) Checkpoint() []byte {
	if r == nil {
		return nil
	}
	if t := r.state.Load().trail; t != nil {
		return t.checkpoint()
	}
	return nil
}

// Close makes what is on its way durable, publishes the last checkpoint and ends
// the goroutines of the Recorder. Closing twice is fine. It returns an error when
// the trail had failed before.
func (r *Recorder) Close() error {
	if r == nil {
		return nil
	}
	r.opening.Lock()
	defer r.opening.Unlock()
	s := r.state.Load()
	r.closed = true
	if s.trail == nil {
		return nil
	}
	r.holds.own(false)
	return s.trail.close()
}

// notOpen says why there is no trail to write.
func (r *Recorder) notOpen() error {
	if s := r.state.Load(); s.trail == nil {
		return s.err
	}
	return ErrClosed
}

// path is where one of the trail's files lies.
func (r *Recorder) path(name string) string { return filepath.Join(r.dir, name) }
