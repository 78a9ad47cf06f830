package document

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"time"

	"github.com/steplog/steplog/internal/line"
	"github.com/steplog/steplog/levels"
	"github.com/steplog/steplog/query"
)

// Log is one main, sub or line log with everything that was logged in it: what
// the download of a log holds.
type Log struct {
	ID                 uint64
	Type               int // TypeMain, TypeSub or TypeLine
	Project, Operation string
	Created            time.Time

	engine *query.Engine
	own    any           // the record's document
	record *query.Record // of a line log
	run    string        // "" for a line that was logged outside runs
	step   string        // "" for a main log, and for a line outside steps
}

// Find returns the main, sub or line log with this id, or [query.ErrNotFound].
// An id of any other record, the end of a run among them, finds nothing. Whoever
// hands the log out tells that it was read; see [query.Engine.Tell].
func Find(ctx context.Context, e *query.Engine, id uint64) (*Log, error) {
	ctx = query.PartOf(ctx)
	// The record says where to look, which is quicker than looking everywhere.
	// It may have expired, though, while the run's end is still there.
	r, err := e.Record(ctx, id)
	switch {
	case err == nil && r.Kind == query.KindLine:
		return findLine(ctx, e, r)
	case err == nil && r.Kind != query.KindRun && r.Kind != query.KindStep:
		return nil, query.ErrNotFound
	case err != nil && !errors.Is(err, query.ErrNotFound):
		return nil, err
	case id == 0:
		return nil, query.ErrNotFound // as a filter 0 would find anything
	}
	if r.Kind != query.KindStep {
		runs, err := e.MainLogs(ctx, query.RunFilter{ID: id, Run: r.Run}, query.Paging{Limit: 1})
		if err != nil {
			return nil, err
		}
		for i := range runs.Items {
			m := &runs.Items[i]
			return &Log{ID: m.ID, Type: TypeMain, Project: m.Project, Operation: m.Operation, Created: m.Started,
				engine: e, own: makeMain(m, []Sub{}), run: m.Run}, nil
		}
	}
	steps, err := e.SubLogs(ctx, query.StepFilter{ID: id, Run: r.Run}, query.Paging{Limit: 1})
	if err != nil {
		return nil, err
	}
	for i := range steps.Items {
		s := &steps.Items[i]
		return &Log{ID: s.ID, Type: TypeSub, Project: s.Project, Operation: s.Operation, Created: s.Started,
			engine: e, own: makeSub(s), run: s.Run, step: s.Step}, nil
	}
	return nil, query.ErrNotFound
}

func findLine(ctx context.Context, e *query.Engine, r query.Record) (*Log, error) {
	p, err := newPlaces(ctx, e).of(&r)
	if err != nil {
		return nil, err
	}
	own, err := makeLine(&r, p)
	if err != nil {
		return nil, err
	}
	return &Log{ID: r.Seq, Type: TypeLine, Project: r.Project, Operation: r.Operation, Created: r.Time,
		engine: e, own: own, record: &r, run: r.Run, step: r.Step}, nil
}

// Error is an element of errors: what a record of level error or above, or one
// that was given an error, says of it.
type Error struct {
	Created stamp    `json:"created"` // ISO 8601
	ID      uint64   `json:"id"`      // of the record
	Level   string   `json:"level"`   // upper case
	Group   string   `json:"process_group_id"`
	UUID    string   `json:"filename_uuid"`
	Message string   `json:"message"`
	Code    string   `json:"code,omitempty"`
	Causes  []string `json:"causes,omitempty"`
}

// Step is an element of steps: a sub log with its own input and output.
type Step struct {
	Sub
	Request  json.RawMessage `json:"request"`
	Response json.RawMessage `json:"response"`
}

// WriteJSON writes the log as one JSON object and a newline:
//
//	{"log":…,"errors":[…],"request":…,"response":…,"steps":[…],"lines":[…]}
//
// log is the log's own document. errors are those of the run, step or line.
// request and response are what was captured as input and output: of the run,
// of the step, or of the step that a line was logged in; null where nothing
// was. steps are those of a run with what was captured of each, oldest first,
// and [] for steps and lines. lines are the line logs of the run or step,
// oldest first; those of a line are the line itself.
//
// The parts are read one after the other, so that memory does not grow with
// the number of lines; of a run in progress a later part may be newer. After an
// error the object is not complete.
func (l *Log) WriteJSON(ctx context.Context, w io.Writer) error {
	ctx = query.PartOf(ctx)
	captures, err := l.captures(ctx)
	if err != nil {
		return err
	}
	out := newWriter(w)
	out.text(`{"log":`)
	out.value(l.own)
	out.text(`,"errors":`)
	if err := writeArray(out, l.errors(ctx)); err != nil {
		return err
	}
	for _, part := range [...]struct {
		key string
		id  uint64
	}{{"request", captures[l.step].input}, {"response", captures[l.step].output}} {
		value, err := l.captured(ctx, part.id)
		if err != nil {
			return err
		}
		out.text(`,"` + part.key + `":`)
		out.value(value)
	}
	places := make(map[string]place)
	out.text(`,"steps":`)
	if err := writeArray(out, l.steps(ctx, captures, places)); err != nil {
		return err
	}
	out.text(`,"lines":`)
	if err := writeArray(out, l.lines(ctx, places)); err != nil {
		return err
	}
	out.text("}\n")
	return out.err
}

// captureIDs are the records that hold what was captured of a step.
type captureIDs struct{ input, output uint64 }

// captures finds the captures by step, those of the run itself under "".
func (l *Log) captures(ctx context.Context) (map[string]captureIDs, error) {
	ids := make(map[string]captureIDs)
	if l.run == "" {
		return ids, nil
	}
	f := query.Filter{Run: l.run, Step: l.step, Kinds: []query.Kind{query.KindCapture}}
	for r, err := range l.engine.All(ctx, f) {
		if err != nil {
			return nil, err
		}
		c := ids[r.Step]
		switch r.Phase {
		case line.PhaseInput:
			c.input = r.Seq
		case line.PhaseOutput:
			c.output = r.Seq
		}
		ids[r.Step] = c
	}
	return ids, nil
}

// captured returns the value of a capture; null when it is 0 or has expired.
func (l *Log) captured(ctx context.Context, id uint64) (json.RawMessage, error) {
	r, err := l.engine.Record(ctx, id)
	switch {
	case errors.Is(err, query.ErrNotFound):
		return json.RawMessage("null"), nil
	case err != nil:
		return nil, err
	}
	parsed, err := parse(&r)
	if err != nil {
		return nil, err
	}
	var details struct {
		Value json.RawMessage `json:"value"`
	}
	if parsed.Details != nil {
		if err := json.Unmarshal(parsed.Details, &details); err != nil {
			return nil, fmt.Errorf("document: details of record %d: %w", id, err)
		}
	}
	if details.Value == nil {
		return json.RawMessage("null"), nil
	}
	return details.Value, nil
}

// errors yields what went wrong in the log, oldest first.
func (l *Log) errors(ctx context.Context) iter.Seq2[Error, error] {
	return func(yield func(Error, error) bool) {
		if l.record != nil {
			if e, found, err := makeError(l.record); found || err != nil {
				yield(e, err)
			}
			return
		}
		f := query.Filter{Run: l.run, Step: l.step,
			Kinds: []query.Kind{query.KindLine, query.KindEvent, query.KindStep, query.KindRun}}
		var failed map[string]bool
		for r, err := range l.engine.All(ctx, f) {
			if err != nil {
				yield(Error{}, err)
				return
			}
			e, found, err := makeError(&r)
			if found && err == nil {
				found, err = l.holds(ctx, &r, &failed)
			}
			if (found || err != nil) && !yield(e, err) || err != nil {
				return
			}
		}
	}
}

// makeError returns what r says went wrong, and whether anything did.
func makeError(r *query.Record) (Error, bool, error) {
	if r.Level < levels.Error && r.ErrorMessage == "" && r.ErrorCode == "" {
		return Error{}, false, nil
	}
	parsed, err := parse(r)
	if err != nil {
		return Error{}, false, err
	}
	e := Error{Created: iso(r.Time), ID: r.Seq, Level: levelName(r), Group: r.Operation, UUID: r.Run,
		Message: cmp.Or(r.ErrorMessage, parsed.Lifecycle.Reason, r.Message), Code: r.ErrorCode}
	if r.Step != "" {
		e.Group, e.UUID = r.Action, r.Step
	}
	if parsed.Error != nil {
		var object struct{ Causes []string }
		if err := json.Unmarshal(parsed.Error, &object); err != nil {
			return Error{}, false, fmt.Errorf("document: error of record %d: %w", r.Seq, err)
		}
		e.Causes = object.Causes
	}
	return e, true, nil
}

// holds reports whether the failure that r tells of still stands: an end that
// the library wrote because nobody else did is replaced by a later one. failed are the
// steps that failed, once that was asked.
func (l *Log) holds(ctx context.Context, r *query.Record, failed *map[string]bool) (bool, error) {
	if r.Kind != query.KindStep && r.Kind != query.KindRun {
		return true, nil
	}
	parsed, err := parse(r)
	if err != nil || !parsed.Lifecycle.Implied {
		return err == nil, err
	}
	if r.Kind == query.KindRun {
		page, err := l.engine.MainLogs(ctx, query.RunFilter{Run: r.Run}, query.Paging{Limit: 1})
		return err == nil && len(page.Items) > 0 && page.Items[0].Status == query.StatusFailed, err
	}
	if *failed == nil {
		*failed, err = l.failedSteps(ctx)
	}
	return (*failed)[r.Step], err
}

// failedSteps returns the ids of the steps that failed: all at once, because a question
// about one looks through its run.
func (l *Log) failedSteps(ctx context.Context) (map[string]bool, error) {
	failed := make(map[string]bool)
	paging := query.Paging{Limit: query.MaxLimit, Oldest: true}
	for {
		page, err := l.engine.SubLogs(ctx, query.StepFilter{Run: l.run, Step: l.step, Statuses: []int{query.StatusFailed}}, paging)
		if err != nil {
			return nil, err
		}
		for i := range page.Items {
			failed[page.Items[i].Step] = true
		}
		if page.Next == "" {
			return failed, nil
		}
		paging.Cursor = page.Next
	}
}

// steps yields the steps of a run, oldest first, and notes the place of each.
func (l *Log) steps(ctx context.Context, captures map[string]captureIDs, places map[string]place) iter.Seq2[Step, error] {
	return func(yield func(Step, error) bool) {
		if l.Type != TypeMain {
			return
		}
		paging := query.Paging{Limit: query.MaxLimit, Oldest: true}
		for {
			page, err := l.engine.SubLogs(ctx, query.StepFilter{Run: l.run}, paging)
			if err != nil {
				yield(Step{}, err)
				return
			}
			for i := range page.Items {
				s := &page.Items[i]
				places[s.Step] = placeOf(s)
				d := Step{Sub: makeSub(s)}
				c := captures[s.Step]
				d.Request, err = l.captured(ctx, c.input)
				if err == nil {
					d.Response, err = l.captured(ctx, c.output)
				}
				if !yield(d, err) || err != nil {
					return
				}
			}
			if page.Next == "" {
				return
			}
			paging.Cursor = page.Next
		}
	}
}

// lines yields the line logs, oldest first.
func (l *Log) lines(ctx context.Context, places map[string]place) iter.Seq2[Line, error] {
	return func(yield func(Line, error) bool) {
		switch own := l.own.(type) {
		case Line:
			yield(own, nil)
			return
		case Sub:
			places[l.step] = place{own.Order, own.Row}
		}
		f := query.Filter{Run: l.run, Step: l.step, Kinds: []query.Kind{query.KindLine}}
		for r, err := range l.engine.All(ctx, f) {
			if err != nil {
				yield(Line{}, err)
				return
			}
			p, known := places[r.Step]
			if !known {
				p = outside
			}
			d, err := makeLine(&r, p)
			if !yield(d, err) || err != nil {
				return
			}
		}
	}
}

// writer writes JSON in pieces; after an error it writes no more.
type writer struct {
	w       io.Writer
	piece   bytes.Buffer
	encoder *json.Encoder // into piece
	err     error
}

func newWriter(w io.Writer) *writer {
	out := &writer{w: w}
	out.encoder = json.NewEncoder(&out.piece)
	out.encoder.SetEscapeHTML(false) // nobody reads it as a page
	return out
}

func (w *writer) text(s string) {
	if w.err == nil {
		_, w.err = io.WriteString(w.w, s)
	}
}

func (w *writer) value(v any) {
	if w.err != nil {
		return
	}
	w.piece.Reset()
	if w.err = w.encoder.Encode(v); w.err == nil {
		_, w.err = w.w.Write(bytes.TrimSuffix(w.piece.Bytes(), []byte("\n")))
	}
}

// writeArray writes what seq yields as an array, each element on a line of its
// own. It returns the first error, of seq or of writing.
func writeArray[T any](w *writer, seq iter.Seq2[T, error]) error {
	w.text("[")
	before, after := "\n", "]"
	for v, err := range seq {
		if err != nil {
			return err
		}
		w.text(before)
		w.value(v)
		if w.err != nil {
			return w.err
		}
		before, after = ",\n", "\n]"
	}
	w.text(after)
	return w.err
}
