package query

import (
	"math"
	"strings"

	"github.com/steplog/steplog/internal/journal"
	"github.com/steplog/steplog/internal/line"
	"github.com/steplog/steplog/internal/runs"
	"github.com/steplog/steplog/internal/segment"
	"github.com/steplog/steplog/internal/tables"

	"go.uber.org/zap/zapcore"
)

// matcher decides about one record for one query: first by its row, then, when
// the filter needs more, by its line.
type matcher struct {
	kinds    [256]bool // by line.Kind
	levels   [256]bool // by int8(level) + 128
	from, to int64     // Unix nanoseconds, both inclusive
	timed    bool      // not every time is wanted

	identity func(*line.Identity) bool // nil when no identifier is asked for
	own      *runs.OwnerFilter         // what of it is decided in less time; all of it where ownAll
	ownAll   bool
	owners   []ownerMatch // of segments that are not sealed: decided once for each owner, when it is first met
	seg      *journal.Segment
	where    *conditions
	sealed   *ownerFilter // of the segment looked at, nil for one that is not sealed

	text *textMatcher // nil when the row tells all

	wantedOf   *segment.Index // of the file looked at: the classes of level and kind that match
	wantedList []wantedClass
	wantedMap  uint64 // a bit for each
	everyClass bool   // all that occur do
}

type ownerMatch uint8

const (
	ownerUndecided ownerMatch = iota
	ownerOut
	ownerIn
)

func newMatcher(f *Filter) matcher {
	m := matcher{from: math.MinInt64, to: math.MaxInt64, identity: identityMatcher(f), text: newTextMatcher(f),
		own: runs.NewOwnerFilter(f.Run, flowMatcher(f)), ownAll: f.RootRun == "" && f.Step == "" && f.Action == ""}
	if len(f.Kinds) == 0 {
		for k := range m.kinds {
			m.kinds[k] = line.Kind(k) != line.KindAudit
		}
	}
	for _, name := range f.Kinds {
		if k, ok := line.ParseKind(string(name)); ok {
			m.kinds[k] = true
		}
	}
	for l := range m.levels {
		m.levels[l] = f.Levels.Has(zapcore.Level(l - 128))
	}
	if !f.From.IsZero() {
		m.from = line.Nanoseconds(f.From)
	}
	if !f.To.IsZero() {
		m.to = line.Nanoseconds(f.To)
	}
	m.timed = m.from != math.MinInt64 || m.to != math.MaxInt64
	return m
}

// fork returns a matcher for another goroutine.
func (m *matcher) fork() matcher {
	f := *m
	f.owners, f.seg, f.sealed = nil, nil, nil
	f.wantedOf, f.wantedList = nil, nil
	if m.text != nil && m.text.patterns {
		text := *m.text
		text.where = m.text.where.fork()
		f.text = &text
	}
	return f
}

// in has the matcher look at rows of a view: owners are numbers of it.
func (m *matcher) in(v *view) {
	if m.seg == v.Segment {
		return
	}
	m.seg = v.Segment
	if m.identity == nil {
		return
	}
	if v.Index() == nil {
		// For few rows a table of all owners costs more than it spares.
		if m.sealed = nil; m.owners == nil && v.Len() > fewUnindexed {
			m.owners = make([]ownerMatch, v.Owners())
		}
		return
	}
	m.sealed = v.owners(m.where)
}

// row decides by the row alone.
func (m *matcher) row(r *tables.Row) bool {
	if !m.kinds[r.Kind] || !m.levels[int(r.Level)+128] || r.Time < m.from || r.Time > m.to {
		return false
	}
	if m.identity == nil {
		return true
	}
	return m.owner(r.Owner)
}

// visited decides about a row that a merge visits.
func (m *matcher) visited(v *view, r *tables.Row) bool { return v.Index() != nil || m.row(r) }

// owner decides about an owner of the segment looked at.
func (m *matcher) owner(o uint32) bool {
	if m.sealed != nil {
		return m.sealed.has(o)
	}
	if m.owners == nil {
		return m.identified(o)
	}
	switch m.owners[o] {
	case ownerIn:
		return true
	case ownerOut:
		return false
	}
	in := m.identified(o)
	m.owners[o] = ownerOut
	if in {
		m.owners[o] = ownerIn
	}
	return in
}

// identified decides about an owner of a segment without a sidecar.
func (m *matcher) identified(o uint32) bool {
	return m.seg.OwnerHas(o, m.own) && (m.ownAll || m.identity(m.seg.Identity(o)))
}

// identityMatcher returns the filter's conditions on identifiers, nil without
// any.
func identityMatcher(f *Filter) func(*line.Identity) bool {
	if len(f.Projects) == 0 && f.Project == "" && f.Server == "" && f.Service == "" && f.Operation == "" &&
		f.Run == "" && f.RootRun == "" && f.Step == "" && f.Action == "" {
		return nil
	}
	flow := flowMatcher(f)
	return func(id *line.Identity) bool {
		return flow(id) && wanted(f.Run, id.Run) && wanted(f.RootRun, id.Root()) && wanted(f.Step, id.Step) && wanted(f.Action, id.Action)
	}
}

// flowMatcher returns those that all runs of a flow decide alike.
func flowMatcher(f *Filter) func(*line.Identity) bool {
	return func(id *line.Identity) bool {
		return among(f.Projects, id.Project) && wanted(f.Project, id.Project) && wanted(f.Server, id.Server) &&
			wanted(f.Service, id.Service) && wanted(f.Operation, id.Operation)
	}
}

// wanted compares an identifier; "" wants any.
func wanted(want, got string) bool { return want == "" || want == got }

// textMatcher decides what only the line can tell.
type textMatcher struct {
	topic string
	parts []string // folded
	where *test    // nil when it matches everything
	// patterns says that where has regular expressions.
	patterns bool

	access *accessMatcher // nil for every other question
}

func newTextMatcher(f *Filter) *textMatcher {
	t := textMatcher{topic: f.Topic, parts: folded(f.Search)}
	if !f.Where.every() {
		t.where = newTest(f.Where)
	}
	if t.topic == "" && len(t.parts) == 0 && t.where == nil {
		return nil
	}
	return &t
}

func (t *textMatcher) match(rec *line.Record, file string) bool {
	if t.access != nil && !t.access.match(rec) {
		return false
	}
	if t.topic != "" && rec.Topic != t.topic {
		return false
	}
	if len(t.parts) > 0 {
		message := line.Fold(line.StripANSI(rec.Message))
		for _, part := range t.parts {
			if !strings.Contains(message, part) {
				return false
			}
		}
	}
	return t.where == nil || t.where.match(rec, file)
}
