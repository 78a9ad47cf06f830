package runs

import (
	"bytes"
	"encoding/binary"
	"slices"
	"time"

	"github.com/steplog/steplog/internal/line"
)

// A run that is over is kept as some bytes. What filters ask of it stands in its
// row; the bytes hold the rest, of the run and of its steps:
//
//	id | number of steps | [sum of the steps, if there are any] | ids of the steps | run | step …
//	| [marks, if there are many steps]
//	run = hi - its last segment | relatives | execution
//	step = flags | seq - the run's | start - the run's | [scope] | [relatives]
//	       | action | its name | attempt | run's hi - its last segment | execution
//	relatives = flags | those ids of root_run, parent_run, parent_step that are there
//	execution = flags | what they say is there
//
// with numbers as varints (of differences: signed), and texts as texts.append
// has them. Times are nanoseconds.

const (
	execEnded    = 1 << iota // end - start | outcome | reason
	execLevels               // levels of what was logged, its bytes
	execImplied              //
	execCounted              // processed, succeeded, failed, fragments
	execOrder                // order
	execSeen                 // newest record - end (or start)
	execDuration             // duration, where that is not end - start
	execTrigger              // triggered by, schedule
	execTold                 // levels and bytes that the end says, where they are others
	execIterated             // index
	execValue                // value of the iteration
	execInbound              //
	execArchived             //
)

const (
	stepScope     = 1 << iota // it has another scope than its run
	stepRelatives             // and other relatives
)

// packable reports whether the times of an execution can be kept as numbers.
func packable(started time.Time, s *State) bool {
	return inNanoseconds(started) && (!s.Ended || inNanoseconds(s.End))
}

// inNanoseconds reports whether a time can be told from its nanoseconds.
func inNanoseconds(t time.Time) bool { return time.Unix(0, t.UnixNano()).Equal(t) }

func (h *history) appendExecution(b []byte, started int64, start *line.Lifecycle, s *State) []byte {
	flags := uint64(0)
	set := func(is bool, flag uint64) {
		if is {
			flags |= flag
		}
	}
	end := started
	if s.Ended {
		end = s.End.UnixNano()
	}
	set(s.Ended, execEnded)
	set(s.Implied, execImplied)
	set(s.Counted, execCounted)
	set(s.Archived, execArchived)
	set(s.logged != line.Levels{} || s.loggedBytes != 0, execLevels)
	set(s.Lines != s.logged || s.Bytes != s.loggedBytes, execTold)
	set(s.Seen != end, execSeen)
	set(s.Ended && int64(s.Duration) != end-started, execDuration)
	set(start.TriggeredBy != "" || start.Schedule != "", execTrigger)
	set(start.Inbound, execInbound)
	set(start.Order != 0, execOrder)
	set(start.Iterated, execIterated)
	set(start.IterationValue != nil, execValue)
	b = binary.AppendUvarint(b, flags)
	if flags&execEnded != 0 {
		b = binary.AppendVarint(b, end-started)
		b = h.texts.append(b, s.Outcome, false)
		b = h.texts.append(b, s.Reason, false)
	}
	if flags&execLevels != 0 {
		b = appendLevels(b, &s.logged, s.loggedBytes)
	}
	if flags&execCounted != 0 {
		for _, n := range [...]int64{s.Processed, s.Succeeded, s.Failed, s.Fragments} {
			b = binary.AppendVarint(b, n)
		}
	}
	if flags&execOrder != 0 {
		b = binary.AppendVarint(b, int64(start.Order))
	}
	if flags&execSeen != 0 {
		b = binary.AppendVarint(b, s.Seen-end)
	}
	if flags&execDuration != 0 {
		b = binary.AppendVarint(b, int64(s.Duration))
	}
	if flags&execTrigger != 0 {
		b = h.texts.append(h.texts.append(b, start.TriggeredBy, true), start.Schedule, true)
	}
	if flags&execTold != 0 {
		b = appendLevels(b, &s.Lines, s.Bytes)
	}
	if flags&execIterated != 0 {
		b = binary.AppendVarint(b, int64(start.IterationIndex))
	}
	if flags&execValue != 0 {
		b = binary.AppendUvarint(b, uint64(len(start.IterationValue)))
		b = append(b, start.IterationValue...)
	}
	return b
}

// execution takes what appendExecution wrote. The value of an iteration is a part
// of the bytes.
func (w *wireReader) execution(t []string, started int64, start *line.Lifecycle, s *State) {
	flags := w.Uvarint()
	*start, *s = line.Lifecycle{Phase: line.PhaseStart}, State{}
	s.Seen = started
	if flags&execEnded != 0 {
		s.Ended = true
		s.Duration = time.Duration(w.Varint())
		s.Seen += int64(s.Duration)
		s.End = time.Unix(0, s.Seen).UTC()
		s.Outcome, s.Reason = w.text(t), w.text(t)
	}
	if flags&execLevels != 0 {
		w.levels(&s.logged, &s.loggedBytes)
	}
	if flags&execTold == 0 {
		s.Lines, s.Bytes = s.logged, s.loggedBytes
	}
	if flags&execCounted != 0 {
		s.Counted = true
		s.Processed, s.Succeeded, s.Failed, s.Fragments = w.Varint(), w.Varint(), w.Varint(), w.Varint()
	}
	if flags&execOrder != 0 {
		start.Order = int(w.Varint())
	}
	if flags&execSeen != 0 {
		s.Seen += w.Varint()
	}
	if flags&execDuration != 0 {
		s.Duration = time.Duration(w.Varint())
	}
	if flags&execTrigger != 0 {
		start.TriggeredBy, start.Schedule = w.text(t), w.text(t)
	}
	if flags&execTold != 0 {
		w.levels(&s.Lines, &s.Bytes)
	}
	if start.Iterated = flags&execIterated != 0; start.Iterated {
		start.IterationIndex = int(w.Varint())
	}
	if flags&execValue != 0 {
		start.IterationValue = w.Bytes(w.Count())
	}
	s.Implied, s.Archived, start.Inbound = flags&execImplied != 0, flags&execArchived != 0, flags&execInbound != 0
}

// appendLevels appends a bit for each level that is not zero, those, and bytes.
func appendLevels(b []byte, levels *line.Levels, bytes int64) []byte {
	at := len(b)
	b = append(b, 0)
	for i, n := range levels {
		if n != 0 {
			b[at] |= 1 << i
			b = binary.AppendVarint(b, n)
		}
	}
	return binary.AppendVarint(b, bytes)
}

func (w *wireReader) levels(levels *line.Levels, bytes *int64) {
	there := w.Uvarint()
	for i := range levels {
		if there&(1<<i) != 0 {
			levels[i] = w.Varint()
		}
	}
	*bytes = w.Varint()
}

func appendRelatives(b []byte, id *line.Identity) []byte {
	at := len(b)
	b = append(b, 0)
	for i, s := range [...]string{id.RootRun, id.ParentRun, id.ParentStep} {
		if s != "" {
			b[at] |= 1 << i
			b = appendID(b, s)
		}
	}
	return b
}

// relatives are the kept ids of root_run, parent_run and parent_step.
type relatives [3][]byte

func (w *wireReader) relatives() (r relatives) {
	there := w.Uvarint()
	for i := range r {
		if there&(1<<i) != 0 {
			r[i] = w.id()
		}
	}
	return r
}

func (r *relatives) fill(id *line.Identity) {
	for i, to := range [...]*string{&id.RootRun, &id.ParentRun, &id.ParentStep} {
		if r[i] != nil {
			*to = textOfID(r[i])
		}
	}
}

// texts returns them, "" for each that is not there.
func (r *relatives) texts() (ids [3]string) {
	for i, kept := range r {
		if kept != nil {
			ids[i] = textOfID(kept)
		}
	}
	return ids
}

// encode writes a run and its steps; false where it changes meanwhile.
func (h *history) encode(b []byte, r *Run, row *runRow, settling *settler) ([]byte, bool) {
	steps := r.ordered()
	marks, from := newMarks(len(steps)), len(b)
	b = appendID(b, r.Identity.Run)
	b = binary.AppendUvarint(b, uint64(len(steps)))
	if len(steps) > 0 {
		var same bool
		if b, same = h.appendStepSum(b, row, steps, settling); !same {
			return b, false
		}
	}
	for i, s := range steps {
		marks.setID(i, len(b)-from)
		if b = appendID(b, s.Identity.Step); !settling.on() {
			return b, false
		}
	}
	marks.setEnd(len(b) - from)
	b = binary.AppendVarint(b, int64(row.hi)-int64(r.last))
	b = appendRelatives(b, r.Identity)
	b = h.appendExecution(b, row.started, &r.Start, &r.state)
	for i, s := range steps {
		marks.setStep(i, len(b)-from)
		id, flags := s.Identity, uint64(0)
		scope := h.scopes.of(id)
		if scope.code != row.scope {
			flags |= stepScope
		}
		if id.RootRun != r.Identity.RootRun || id.ParentRun != r.Identity.ParentRun || id.ParentStep != r.Identity.ParentStep {
			flags |= stepRelatives
		}
		started := s.Started.UnixNano()
		b = binary.AppendUvarint(b, flags)
		b = binary.AppendVarint(b, int64(s.Seq-row.seq))
		b = binary.AppendVarint(b, started-row.started)
		if flags&stepScope != 0 {
			b = binary.AppendUvarint(b, uint64(scope.code))
		}
		if flags&stepRelatives != 0 {
			b = appendRelatives(b, id)
		}
		b = h.texts.append(b, id.Action, true)
		b = h.texts.append(b, id.ActionName, true)
		b = binary.AppendVarint(b, int64(id.Attempt))
		b = binary.AppendVarint(b, int64(row.hi)-int64(s.last))
		if b = h.appendExecution(b, started, &s.Start, &s.state); !settling.on() {
			return b, false
		}
	}
	return append(b, marks...), true
}

// packedRun takes the bytes of a run apart.
type packedRun struct {
	scopes    []*runScope // as they were when it was opened
	texts     []string
	row       *runRow
	kept      []byte // its bytes, without the marks
	marks     marks  // nil for few steps
	w         wireReader
	w0        wireReader // of all steps, once it is open
	ids       wireReader // of steps that were not taken yet
	ids0      wireReader // of all steps
	id        []byte
	steps     int
	last      uint32 // segment
	relatives relatives
}

// packedStep is a step of it.
type packedStep struct {
	id                 []byte
	seq                uint64
	started            int64
	scope              *runScope
	relatives          relatives
	ownRelatives       bool
	action, actionName string
	attempt            int
	last               uint32
	// filled where they point to
	start *line.Lifecycle
	state *State
}

// openIDs begins with a run: what follows are the ids of its steps.
func (h *history) openIDs(row *runRow, b []byte) (p packedRun) {
	p = packedRun{scopes: h.scopes.list, texts: h.texts.list, row: row, w: readWire(b)}
	p.id = p.w.id()
	if p.steps = p.w.Count(); p.steps > 0 {
		p.w.skipStepSum()
	}
	if size := sizeOfMarks(p.steps); size > 0 && size <= len(p.w.B) {
		p.kept, p.marks = b[:len(b)-size], marks(b[len(b)-size:])
		p.w.B = p.w.B[:len(p.w.B)-size]
	}
	p.ids, p.ids0 = p.w, p.w
	return p
}

// open takes the rest of a run, which start and state are filled from; what follows
// are its steps.
func (p *packedRun) open(start *line.Lifecycle, state *State) {
	if p.marks != nil {
		p.w = p.marks.end(p.kept)
	} else {
		for range p.steps {
			p.w.id()
		}
	}
	p.last = uint32(int64(p.row.hi) - p.w.Varint())
	p.relatives = p.w.relatives()
	p.w.execution(p.texts, p.row.started, start, state)
	state.Steps = p.steps
	p.w0 = p.w
}

// seek has next take the step with a mark that is the nearest one up to a place, which it
// returns. The run is open.
func (p *packedRun) seek(place int) int {
	place = min(place, p.steps-1) / StepsAtMark * StepsAtMark
	if place == 0 || p.marks == nil {
		p.ids, p.w = p.ids0, p.w0
		return 0
	}
	p.ids, p.w = p.marks.step(p.kept, place)
	return place
}

// next takes the next step.
func (p *packedRun) next(s *packedStep) {
	s.id = p.ids.id()
	flags := p.w.Uvarint()
	s.seq = p.row.seq + uint64(p.w.Varint())
	s.started = p.row.started + p.w.Varint()
	s.scope = p.scopes[p.row.scope]
	if flags&stepScope != 0 {
		if other := scopeAt(p.scopes, p.w.Uvarint()); other != nil {
			s.scope = other
		} else {
			p.w.Bad = true
		}
	}
	if s.ownRelatives = flags&stepRelatives != 0; s.ownRelatives {
		s.relatives = p.w.relatives()
	} else {
		s.relatives = p.relatives
	}
	s.action, s.actionName = p.w.text(p.texts), p.w.text(p.texts)
	s.attempt = int(p.w.Varint())
	s.last = uint32(int64(p.row.hi) - p.w.Varint())
	p.w.execution(p.texts, s.started, s.start, s.state)
}

// Reading holds runs that were over while somebody looks at one after the other.
// The zero value is ready.
type Reading struct {
	slot     uint32
	row      runRow
	run      Run
	identity line.Identity
	steps    []Step
	ids      []line.Identity
	list     []*Step
	text     []byte
}

// whole makes the run with its steps, in the memory of in.
func (p *packedRun) whole(t *Table, in *Reading) *Run {
	scope := p.scopes[p.row.scope]
	in.text = in.text[:0]
	in.steps = slices.Grow(in.steps[:0], p.steps)[:p.steps]
	in.ids = slices.Grow(in.ids[:0], p.steps)[:p.steps]
	in.list = slices.Grow(in.list[:0], p.steps)[:p.steps]
	in.run = Run{Seq: p.row.seq, Identity: &in.identity, Started: time.Unix(0, p.row.started).UTC(), t: t, slot: in.slot}
	p.open(&in.run.Start, &in.run.state)
	in.run.Start.IterationValue = bytes.Clone(in.run.Start.IterationValue)
	in.run.last = p.last
	in.identity = scope.identity
	p.relatives.fill(&in.identity)
	if p.steps > 0 {
		in.run.steps = in.list
	}
	in.text = appendTextOfID(in.text, p.id)
	var step packedStep
	for i := range in.steps {
		s := &in.steps[i]
		step.start, step.state = &s.Start, &s.state
		p.next(&step)
		in.text = appendTextOfID(in.text, step.id)
		id := &in.ids[i]
		*id = in.identity
		if step.scope != scope {
			*id = step.scope.identity
		}
		if step.ownRelatives || step.scope != scope {
			id.RootRun, id.ParentRun, id.ParentStep = "", "", ""
			step.relatives.fill(id)
		}
		id.Action, id.ActionName, id.Attempt = step.action, step.actionName, step.attempt
		s.Seq, s.Identity, s.Started, s.t, s.run, s.last = step.seq, id, time.Unix(0, step.started).UTC(), t, &in.run, step.last
		s.Start.IterationValue = bytes.Clone(s.Start.IterationValue)
		in.list[i] = s
	}
	// The ids are parts of one text.
	text := string(in.text)
	take := func(kept []byte) (id string) {
		n := lenOfID(kept)
		id, text = text[:n], text[n:]
		return id
	}
	in.identity.Run = take(p.id)
	ids := p.ids0
	for i := range in.ids {
		in.ids[i].Run, in.ids[i].Step = in.identity.Run, take(ids.id())
	}
	return &in.run
}
