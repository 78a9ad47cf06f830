package query

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"

	"github.com/steplog/steplog/audit"
	"github.com/steplog/steplog/internal/line"
	"github.com/steplog/steplog/internal/vfs"
)

// trailIndex is what is known in memory of an audit trail: a row for each
// record, and what they have in common once.
type trailIndex struct {
	mu       sync.Mutex
	follower *audit.Follower
	closed   bool

	rows  []trailRow
	first uint64 // seq of rows[0]

	events  dictionary[eventKey]
	actors  dictionary[actorKey]
	targets dictionary[audit.Target]
	flows   dictionary[flowKey]
}

// trailRow is one record, its seq being its place among the rows.
type trailRow struct {
	time                        int64 // Unix nanoseconds
	place                       audit.Place
	event, actor, target, flows uint32 // codes
}

type eventKey struct {
	name, title, module, topic string
	verb                       audit.Verb
	outcome                    audit.Outcome
}

type actorKey struct{ actor, behalf audit.Actor }

type flowKey struct{ flow, project string }

// dictionary numbers distinct values.
type dictionary[T comparable] struct {
	codes  map[T]uint32
	values []T
}

func (d *dictionary[T]) code(v T) uint32 {
	c, ok := d.codes[v]
	if !ok {
		if d.codes == nil {
			d.codes = map[T]uint32{}
		}
		c = uint32(len(d.values))
		d.codes[v] = c
		d.values = append(d.values, v)
	}
	return c
}

func newTrailIndex(fsys vfs.FS, dir string) *trailIndex {
	return &trailIndex{follower: audit.NewFollower(fsys, dir)}
}

// Add takes a record from the follower.
func (x *trailIndex) Add(at audit.Place, raw []byte) error {
	r, err := audit.ParseKeys(raw)
	if err != nil {
		return fmt.Errorf("query: audit record: %w", err)
	}
	switch next := x.first + uint64(len(x.rows)); {
	case len(x.rows) == 0:
		x.first = r.Seq
	case r.Seq != next:
		return fmt.Errorf("query: audit record %d stands where %d belongs", r.Seq, next)
	}
	x.rows = append(x.rows, trailRow{
		time: line.Nanoseconds(r.Time), place: at,
		event:  x.events.code(eventKey{r.Event, r.Title, r.Module, r.Topic, r.Verb, r.Outcome}),
		actor:  x.actors.code(actorKey{r.Actor, r.OnBehalfOf}),
		target: x.targets.code(r.Target),
		flows:  x.flows.code(flowKey{r.FlowID, r.Project}),
	})
	return nil
}

// Drop forgets a file: the oldest, which was deleted, or the newest, whose last
// commit was taken back.
func (x *trailIndex) Drop(file int) {
	n := 0
	for n < len(x.rows) && x.rows[n].place.File == file {
		n++
	}
	x.rows, x.first = x.rows[n:], x.first+uint64(n)
	for n = len(x.rows); n > 0 && x.rows[n-1].place.File == file; n-- {
	}
	x.rows = x.rows[:n]
}

// page answers a query.
func (x *trailIndex) page(ctx context.Context, f *AuditFilter, w Window) (Result[audit.Record], error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.closed {
		return Result[audit.Record]{}, ErrClosed
	}
	for range maxTries {
		if err := ctx.Err(); err != nil {
			return Result[audit.Record]{}, err
		}
		if err := x.follower.Refresh(x); err != nil {
			return Result[audit.Record]{}, errors.Join(err, x.follower.Release())
		}
		result, err := x.find(ctx, f, w)
		if rerr := x.follower.Release(); err == nil {
			err = rerr
		}
		if !errors.Is(err, audit.ErrGone) {
			return result, err
		}
	}
	return Result[audit.Record]{}, ErrChanging
}

// find chooses the items of a page. The total needs the rows alone.
func (x *trailIndex) find(ctx context.Context, f *AuditFilter, w Window) (Result[audit.Record], error) {
	size := x.first + uint64(len(x.rows))
	if w.AsOf != 0 && w.AsOf < size {
		size = w.AsOf
	}
	result := Result[audit.Record]{AsOf: size, Total: Total{Exact: true}, Items: []audit.Record{}}
	n := 0
	if size > x.first {
		n = int(size - x.first)
	}
	m := newTrailMatcher(x, f)
	skip, bytes := w.Offset, 0
	full := false
	for k := x.begin(w, n); k < n; k++ {
		if k%checkEvery == checkEvery-1 {
			if err := ctx.Err(); err != nil {
				return result, err
			}
		}
		i := n - 1 - k
		if w.Oldest {
			i = k
		}
		if !m.row(&x.rows[i]) {
			continue
		}
		result.Total.N++
		if !w.reaches(x.first + uint64(i) + 1) {
			continue
		}
		if skip > 0 {
			skip--
			continue
		}
		if full {
			result.More = true
			if w.Uncounted {
				break
			}
			continue
		}
		raw, err := x.follower.Read(x.rows[i].place, nil)
		if err != nil {
			return result, err
		}
		r, err := audit.ParseRecord(raw)
		if err != nil {
			return result, fmt.Errorf("query: %w", err)
		}
		result.Items = append(result.Items, r)
		result.Stats.Lines++
		result.Stats.Bytes += int64(len(raw))
		bytes += len(raw)
		full = len(result.Items) == w.Limit || w.MaxBytes > 0 && bytes >= w.MaxBytes
	}
	result.Stats.Rows = int64(n)
	if w.Uncounted {
		result.Total = Total{}
	}
	return result, nil
}

// begin is how many of n rows need not be looked at because they are not reached:
// none where the total counts them. Nobody goes on newest first without a total.
func (x *trailIndex) begin(w Window, n int) int {
	if !w.Uncounted || !w.Oldest || w.Past <= x.first {
		return 0
	}
	return int(min(w.Past-x.first, uint64(n)))
}

func (x *trailIndex) close() {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.closed = true
}

// trailMatcher decides about rows. What it finds out about a distinct value it
// finds out once.
type trailMatcher struct {
	index    *trailIndex
	f        *AuditFilter
	from, to int64
	all      uint64 // a bit for each keyword
	parts    []string

	events, actors, targets, flows []verdict
}

// verdict is what a value means for a query.
type verdict struct {
	known, in bool
	found     uint64 // which keywords occur in it
}

func newTrailMatcher(x *trailIndex, f *AuditFilter) *trailMatcher {
	m := &trailMatcher{index: x, f: f, from: math.MinInt64, to: math.MaxInt64,
		events: make([]verdict, len(x.events.values)), actors: make([]verdict, len(x.actors.values)),
		targets: make([]verdict, len(x.targets.values)), flows: make([]verdict, len(x.flows.values))}
	if !f.From.IsZero() {
		m.from = line.Nanoseconds(f.From)
	}
	if !f.To.IsZero() {
		m.to = line.Nanoseconds(f.To)
	}
	m.parts = folded(f.Search)
	m.all = 1<<len(m.parts) - 1
	return m
}

func (m *trailMatcher) row(r *trailRow) bool {
	if r.time < m.from || r.time > m.to {
		return false
	}
	event := decide(m.events, r.event, func() verdict { return m.event(m.index.events.values[r.event]) })
	if !event.in {
		return false
	}
	actor := decide(m.actors, r.actor, func() verdict { return m.actor(m.index.actors.values[r.actor]) })
	target := decide(m.targets, r.target, func() verdict { return m.target(m.index.targets.values[r.target]) })
	flow := decide(m.flows, r.flows, func() verdict { return m.flow(m.index.flows.values[r.flows]) })
	return actor.in && target.in && flow.in && event.found|actor.found|target.found|flow.found == m.all
}

func decide(table []verdict, code uint32, find func() verdict) verdict {
	if !table[code].known {
		table[code] = find()
		table[code].known = true
	}
	return table[code]
}

func (m *trailMatcher) event(e eventKey) verdict {
	f := m.f
	return verdict{
		in: among(f.Verbs, e.verb) && among(f.Events, e.name) && among(f.Modules, e.module) &&
			among(f.Outcomes, e.outcome) && wanted(f.Topic, e.topic),
		found: m.search(e.title, e.name),
	}
}

func (m *trailMatcher) actor(a actorKey) verdict {
	u := m.f.User
	return verdict{
		in:    u == "" || u == a.actor.ID || u == a.actor.Email || u == a.behalf.ID || u == a.behalf.Email,
		found: m.search(a.actor.ID, a.actor.Email, a.actor.Name, a.behalf.ID, a.behalf.Email, a.behalf.Name),
	}
}

func (m *trailMatcher) target(t audit.Target) verdict {
	return verdict{
		in:    wanted(m.f.TargetType, t.Type) && wanted(m.f.TargetID, t.ID),
		found: m.search(t.ID, t.Name),
	}
}

func (m *trailMatcher) flow(k flowKey) verdict {
	return verdict{in: wanted(m.f.FlowID, k.flow) && wanted(m.f.Project, k.project), found: m.search(k.flow)}
}

// search returns which keywords occur in one of the texts.
func (m *trailMatcher) search(texts ...string) (found uint64) {
	if len(m.parts) == 0 {
		return 0
	}
	for _, text := range texts {
		text = line.Fold(line.StripANSI(text))
		found |= keywordsIn(text, m.parts)
	}
	return found
}
