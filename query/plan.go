package query

import (
	"slices"

	"github.com/steplog/steplog/internal/line"
	"github.com/steplog/steplog/internal/segment"
)

// fewRows is how many rows of a run make it quicker to read their lines, which
// lie together, than to look through the words of a file.
const fewRows = 256

// plan is how one sealed file is asked: which rows can match at all, as its
// sidecar tells.
type plan struct {
	rows   []uint32 // ascending; with listed only these can match
	listed bool
	// exact says that a listed row matches what only lines tell.
	exact bool
	// owned says that every listed row has an owner that matches.
	owned bool
	// from is the first row that a listed plan is for: those before it are looked at
	// with another one.
	from int
}

// conditions are a filter in the form in which sidecars are asked.
type conditions struct {
	filter *Filter
	parts  []string // of Search, folded
	levels []int    // wanted, by the index in line.Levels; nil when all are
	owners bool     // what owners of one scope differ in is asked for

	scopeTests, ownTests []rowTest
}

// newConditions returns the conditions of a filter, for which a matcher was made, and
// those that were split off its Where.
func newConditions(f *Filter, m *matcher, tests []rowTest) *conditions {
	c := &conditions{filter: f, parts: folded(f.Search), owners: f.Step != "" || f.Action != ""}
	c.take(tests)
	c.levels = []int{}
	for i := range allLevels {
		if m.levels[int(levelOf(i))+128] {
			c.levels = append(c.levels, i)
		}
	}
	if len(c.levels) == len(allLevels) {
		c.levels = nil
	}
	return c
}

// prepare makes the plan of a view.
func (s *scan) prepare(v *view) error { return s.prepareFrom(v, 0) }

// prepareFrom makes the plan of a view, which may be for the rows from one on only.
func (s *scan) prepareFrom(v *view, from int) error {
	x := v.Index()
	if x == nil {
		return nil
	}
	if err := s.findTimes(v, x); err != nil || v.plan != nil || s.unplanned {
		return err
	}
	a := asking{x: x, v: v, c: s.where, s: s, since: from}
	if s.match.never(x) {
		a.narrow(nil)
		a.exact = true
	} else if v.terms != nil {
		rows, err := a.rowsOf(v.terms...)
		if err != nil {
			return err
		}
		a.narrow(rows)
		a.exact = true
	} else if err := a.ask(); err != nil {
		return err
	}
	v.made = a.plan
	v.plan = &v.made
	return nil
}

// never reports whether no row of a file can match, by its times, levels and
// kinds.
func (m *matcher) never(x *segment.Index) bool {
	if first, last := x.Times(); last < m.from || first > m.to {
		return true
	}
	counts := x.Counts()
	for l := range counts {
		for k, n := range counts[l] {
			if n > 0 && m.kinds[k] && m.levels[int(levelOf(l))+128] {
				return false
			}
		}
	}
	return true
}

// asking makes one plan.
type asking struct {
	x     *segment.Index
	v     *view
	c     *conditions
	s     *scan
	since int // rows before it may be left for later
	plan
	inexact bool
}

// narrow leaves only rows that are in a list too.
func (a *asking) narrow(rows []uint32) {
	if a.listed {
		rows = intersect(a.rows, rows)
	}
	a.rows, a.listed = rows, true
}

// ask asks what costs least first, and ends when nothing is left.
func (a *asking) ask() error {
	if a.identity(false); a.listed && len(a.rows) == 0 {
		a.exact = true
		return nil
	}
	for _, next := range [...]func() error{a.topic, a.where, a.search, a.scopes, a.levels} {
		if err := next(); err != nil {
			return err
		}
		if a.listed && len(a.rows) == 0 {
			a.exact = true
			return nil
		}
	}
	a.exact = !a.inexact
	return nil
}

// many reports whether n rows are too many of a file for a list: from one in eight on
// its columns are faster.
func (a *asking) many(n int) bool { return 8*n > a.x.Len() }

// identity lists the rows of the scopes that are asked for, unless they are many. later
// says that the words and fields were asked.
func (a *asking) identity(later bool) {
	o := a.v.owners(a.c)
	if o.none {
		a.narrow(nil)
		return
	}
	// Where each scope has to be asked, words and fields may list few rows in less time.
	if o.all && (len(o.left) == 0 || later != (a.s.match.text != nil) || a.listed) || !o.all && later {
		return
	}
	var scopes []int
	n := 0
	inTime := func(scope int) bool {
		first, last := a.x.ScopeTimes(scope)
		return last >= a.s.match.from && first <= a.s.match.to
	}
	for scope := range o.each {
		if inTime(scope) && o.holds(scope) {
			scopes = append(scopes, scope)
			n += a.x.ScopeLen(scope)
		}
		if a.many(n) {
			return
		}
	}
	from, to, inRow := a.v.timeRows(a.x)
	if !inRow {
		from, to = 0, a.x.Len()
	}
	if to = min(to, a.v.hi); a.since > from {
		from, a.from = a.since, a.since
	}
	rows := make([]uint32, 0, min(n, max(to-from, 0)))
	for _, scope := range scopes {
		rows = a.x.AppendScopeRows(rows, scope, from, to)
	}
	a.owned = !a.c.owners
	a.narrow(sortedFrom(rows, len(scopes), from, to))
}

func (a *asking) scopes() error {
	a.identity(true)
	return nil
}

// enough returns the row from which on a view is asked first: with about twice as many
// matches behind it as are needed, as far as they are spread evenly over the view.
func (s *scan) enough(v *view, hi int, oldest bool) int {
	x := v.Index()
	if oldest || x == nil || !v.counted || s.needed <= 0 || v.matches < 8*int64(s.needed) {
		return 0
	}
	from, to, inRow := v.timeRows(x)
	if to = min(to, hi); !inRow || from >= to {
		return 0
	}
	return to - int(int64(to-from)*2*int64(s.needed)/v.matches)
}

// rowsOf returns the rows of some refs.
func (a *asking) rowsOf(refs ...segment.Ref) (rows []uint32, err error) {
	lists := 0
	for _, r := range refs {
		if r.Rows == 0 {
			continue
		}
		lists++
		if rows, err = a.x.Rows(rows, r); err != nil {
			return nil, err
		}
		// Terms of one template share their rows; do not let many pile up.
		if len(rows) > 4*a.x.Len()+1024 {
			rows, lists = sorted(rows, 2, a.x.Len()), 1
		}
	}
	return sorted(rows, lists, a.x.Len()), nil
}

func (a *asking) topic() error {
	if a.c.filter.Topic == "" {
		return nil
	}
	c, err := a.x.Topic()
	if err != nil {
		return err
	}
	set, err := a.equal(c, a.c.filter.Topic)
	if err == nil {
		a.take(set)
	}
	return err
}

// answer is what an index says about a condition: rows that can match, and
// whether all of them do. Where bounded is false it says nothing.
type answer struct {
	rows    []uint32
	bounded bool
	exact   bool
}

func (a *asking) take(set answer) {
	if set.bounded {
		a.narrow(set.rows)
	}
	a.inexact = a.inexact || !set.bounded || !set.exact
}

// equal asks a column for a whole value.
func (a *asking) equal(c *segment.Column, value string) (set answer, err error) {
	if !c.Dictionary() {
		return a.frames(func(frame int) bool { return c.MayHold(frame, value) }), nil
	}
	if len(value) > segment.Longest {
		rows, err := a.rowsOf(c.Unindexed())
		return answer{rows, true, len(rows) == 0}, err
	}
	ref, err := c.Lookup(value)
	if err != nil {
		return set, err
	}
	rows, err := a.rowsOf(ref, c.Unindexed())
	return answer{rows, true, c.Unindexed().Rows == 0}, err
}

// frames lists the rows of the frames that filters let through.
func (a *asking) frames(may func(frame int) bool) answer {
	set := answer{bounded: true}
	for n := range a.x.Frames() {
		if !may(n) {
			continue
		}
		for row := n * segment.FrameRows; row < min((n+1)*segment.FrameRows, a.x.Len()); row++ {
			set.rows = append(set.rows, uint32(row))
		}
	}
	return set
}

// search asks the words of the messages.
func (a *asking) search() error {
	if len(a.c.parts) == 0 {
		return nil
	}
	c, err := a.x.Message()
	if err != nil {
		return err
	}
	for _, part := range a.c.parts {
		if a.listed && len(a.rows) <= fewRows && a.c.filter.Run != "" {
			a.inexact = true
			return nil
		}
		set, err := a.contains(c, part)
		if err != nil {
			return err
		}
		a.take(set)
	}
	return nil
}

// contains asks for messages that contain a folded text.
func (a *asking) contains(c *segment.Column, part string) (set answer, err error) {
	if !c.Dictionary() {
		return a.frames(func(frame int) bool { return c.MayContain(frame, part) }), nil
	}
	words, open, shut := segment.Words(part)
	if len(words) == 0 {
		return answer{}, nil
	}
	set = answer{bounded: true, exact: len(words) == 1 && words[0] == part}
	for i, word := range words {
		var refs []segment.Ref
		first, last := i == 0 && open, i == len(words)-1 && shut
		switch {
		case len(word) > segment.Longest:
		case first && last:
			refs, err = c.Containing(word)
		case first:
			refs, err = c.Suffix(word)
		case last:
			refs, err = c.Prefix(word)
		default:
			refs = make([]segment.Ref, 1)
			refs[0], err = c.Lookup(word)
		}
		if err != nil {
			return set, err
		}
		rows, err := a.rowsOf(refs...)
		if err != nil {
			return set, err
		}
		if i == 0 {
			set.rows = rows
		} else {
			set.rows = intersect(set.rows, rows)
		}
	}
	if c.Unindexed().Rows > 0 {
		more, err := a.rowsOf(c.Unindexed())
		if err != nil {
			return set, err
		}
		set.exact = false
		set.rows = sorted(append(slices.Clone(set.rows), more...), 2, a.x.Len())
	}
	return set, nil
}

// levels lists the rows of rare levels, where nothing else is as narrow.
func (a *asking) levels() error {
	if a.c.levels == nil || a.listed {
		return nil
	}
	var refs []segment.Ref
	n := 0
	for _, l := range a.c.levels {
		ref, ok := a.x.Levels(l)
		if !ok {
			return nil
		}
		refs = append(refs, ref)
		n += ref.Rows
	}
	if a.many(n) {
		return nil
	}
	rows, err := a.rowsOf(refs...)
	if err == nil {
		a.narrow(rows)
	}
	return err
}

// where asks the indexed fields.
func (a *asking) where() error {
	if a.c.filter.Where.every() {
		return nil
	}
	set, err := a.expr(a.c.filter.Where)
	if err == nil {
		a.take(set)
	}
	return err
}

// expr asks for an expression.
func (a *asking) expr(e Expr) (answer, error) {
	if key, ok := e.onRows(); ok && key != "" {
		return a.byRows(rowTest{key, newTest(e)}), nil
	}
	switch e.Op {
	case OpEvery:
		return answer{}, nil
	case OpAnd:
		return a.and(e.Args)
	case OpOr:
		set := answer{bounded: true, exact: true}
		for _, arg := range e.Args {
			one, err := a.expr(arg)
			if err != nil || !one.bounded {
				return answer{}, err
			}
			set.rows = append(set.rows, one.rows...)
			set.exact = set.exact && one.exact
		}
		set.rows = sorted(set.rows, len(e.Args), a.x.Len())
		return set, nil
	case OpNot:
		return a.and([]Expr{e})
	default:
		return a.comparison(e)
	}
}

// comparison asks the column of a field, or the words of the message.
func (a *asking) comparison(e Expr) (set answer, err error) {
	var c *segment.Column
	switch {
	case e.Key && e.Field == "message" && e.Op == OpContains && e.Fold:
		if c, err = a.x.Message(); err != nil {
			return set, err
		}
		return a.contains(c, line.Fold(e.Value))
	case e.Key && e.Field == "topic" && e.Value != "" && e.Op == OpEq && !e.Fold:
		c, err = a.x.Topic()
	case !e.Key:
		c, err = a.x.Field(e.Field)
	}
	if c == nil || err != nil {
		return set, err
	}
	if e.Op == OpEq && !e.Fold {
		return a.equal(c, e.Value)
	}
	if !c.Dictionary() {
		return set, nil
	}
	// Every value is there to be compared.
	var refs []segment.Ref
	t := newTest(e)
	patterns := t.within(a.s.ctx)
	if e.Op == OpPrefix && !e.Fold && len(e.Value) <= segment.Longest {
		refs, err = c.Prefix(e.Value)
	} else {
		refs, err = c.Matching(func(term []byte) bool {
			return (!patterns || a.s.ctx.Err() == nil) && t.text(string(term))
		})
	}
	if patterns && err == nil {
		err = a.s.ctx.Err()
	}
	if err != nil {
		return set, err
	}
	rows, err := a.rowsOf(append(refs, c.Unindexed())...)
	return answer{rows, true, c.Unindexed().Rows == 0}, err
}

// left returns the rows that were not left out yet, in a list of its own.
func (a *asking) left() []uint32 {
	if a.listed {
		return slices.Clone(a.rows)
	}
	rows := make([]uint32, a.x.Len())
	for i := range rows {
		rows[i] = uint32(i)
	}
	return rows
}

func (a *asking) and(args []Expr) (answer, error) {
	set := answer{exact: true}
	var not [][]uint32
	for _, arg := range args {
		if arg.every() {
			continue
		}
		if arg.Op == OpNot {
			one, err := a.expr(arg.Args[0])
			if err != nil {
				return answer{}, err
			}
			if one.bounded && one.exact {
				not = append(not, one.rows)
				continue
			}
			set.exact = false
			continue
		}
		one, err := a.expr(arg)
		if err != nil {
			return answer{}, err
		}
		set.exact = set.exact && one.bounded && one.exact
		if !one.bounded {
			continue
		}
		if set.bounded {
			one.rows = intersect(set.rows, one.rows)
		}
		set.rows, set.bounded = one.rows, true
	}
	if !set.bounded {
		if len(not) == 0 || !set.exact {
			return answer{}, nil
		}
		set.rows, set.bounded = a.left(), true
	}
	for _, rows := range not {
		set.rows = subtract(set.rows, rows)
	}
	return set, nil
}
