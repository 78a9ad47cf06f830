package query

import (
	"github.com/steplog/steplog/internal/line"
	"github.com/steplog/steplog/internal/segment"
)

// countOwners counts by the counters of scopes, or of owners. ok is false where those do
// not tell.
func (s *scan) countOwners(v *view, x *segment.Index) (n int64, ok bool, err error) {
	if s.ownersTell(v, x) {
		for owner := range uint32(x.Owners()) {
			if v.filter.has(owner) {
				n += int64(x.OwnerLen(owner))
			}
		}
		return n, true, s.tick(x.Owners())
	}
	if !s.scopesTell(v, x) {
		return 0, false, nil
	}
	err = s.eachScope(v, x, func(_ int, rows int64) error {
		n += rows
		return nil
	})
	return n, true, err
}

// ownersTell reports whether all rows of an owner match or none, of a view with a sidecar
// of which most scopes match, and owners of one scope may differ. It makes the filter of
// the view.
func (s *scan) ownersTell(v *view, x *segment.Index) bool {
	o := v.owners(s.where)
	return o.differ() && o.wide() && s.ownersDecide(v, x)
}

// ownersDecide reports whether nothing but its owner decides about each row.
func (s *scan) ownersDecide(v *view, x *segment.Index) bool {
	return s.match.text == nil && v.hi == x.Len() && s.match.every(x)
}

// scopesTell reports whether eachScope knows of the matches.
func (s *scan) scopesTell(v *view, x *segment.Index) bool {
	if s.match.text != nil || s.where.owners || v.hi != x.Len() {
		return false
	}
	_, _, tell := s.match.wants(x)
	return tell
}

// eachScope calls do with the number of matches of each scope that has some: by its
// counters where all of its times match.
func (s *scan) eachScope(v *view, x *segment.Index, do func(scope int, n int64) error) error {
	lines, others, _ := s.match.wants(x)
	every := s.match.every(x)
	var rows []uint32
	s.match.wanted(x)
	from, to, inRow := v.timeRows(x)
	o := v.owners(s.where)
	for scope := range o.each {
		n, looked := int64(0), 1
		switch first, last := x.ScopeTimes(scope); {
		case last < s.match.from || first > s.match.to:
			continue
		case every:
			n = int64(x.ScopeLen(scope))
		case first >= s.match.from && last <= s.match.to:
			for l := range allLevels {
				n += s.countLevel(x, scope, l, lines, others)
			}
		case !o.holds(scope):
		case inRow:
			rows = x.AppendScopeRows(rows[:0], scope, from, to)
			n, looked = int64(x.CountRows(rows, s.match.wantedMap)), len(rows)
		default:
			rows = x.AppendScopeRows(rows[:0], scope, 0, x.Len())
			n, looked = s.countRows(v, x, rows), len(rows)
		}
		if err := s.tick(looked); err != nil {
			return err
		}
		if n > 0 && o.holds(scope) {
			if err := do(scope, n); err != nil {
				return err
			}
		}
	}
	return nil
}

// countLevel counts the matches of a scope whose times all match that have a level.
func (s *scan) countLevel(x *segment.Index, scope, level int, lines, others bool) (n int64) {
	if !s.match.levels[int(levelOf(level))+128] {
		return 0
	}
	a, b := x.ScopeCounts(scope, level)
	if lines {
		n += int64(a)
	}
	if others {
		n += int64(b)
	}
	return n
}

// wants says whether lines are wanted and whether the rows of all other kinds
// are; tell is false when only some of those are.
func (m *matcher) wants(x *segment.Index) (lines, others, tell bool) {
	want, leave := false, false
	counts := x.Counts()
	for l := range counts {
		for k, n := range counts[l] {
			if n == 0 || line.Kind(k) == line.KindLine {
				continue
			}
			want, leave = want || m.kinds[k], leave || !m.kinds[k]
		}
	}
	return m.kinds[line.KindLine], want, !want || !leave
}
