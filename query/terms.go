package query

import "github.com/steplog/steplog/internal/segment"

// countTerms counts by how many rows a term has, where one term alone decides
// and nothing else leaves out a row. ok is false where it is not so.
func (s *scan) countTerms(v *view, x *segment.Index) (n int64, ok bool, err error) {
	if s.unplanned || s.match.identity != nil || v.hi != x.Len() || !s.match.every(x) {
		return 0, false, nil
	}
	a := asking{x: x, c: s.where, s: s}
	refs, ok, err := a.alone()
	if err != nil || !ok || len(refs) > 1 { // rows may have several
		return 0, false, err
	}
	for _, r := range refs {
		n += int64(r.Rows)
	}
	v.terms = refs
	return n, true, nil
}

// every reports whether every row of a file matches by its time, level and kind.
func (m *matcher) every(x *segment.Index) bool {
	if first, last := x.Times(); first < m.from || last > m.to {
		return false
	}
	counts := x.Counts()
	for l := range counts {
		for k, n := range counts[l] {
			if n > 0 && !(m.kinds[k] && m.levels[int(levelOf(l))+128]) {
				return false
			}
		}
	}
	return true
}

// alone returns the rows of each term that the only condition asks for. ok is
// false when there are more conditions, or when terms do not decide it.
func (a *asking) alone() (refs []segment.Ref, ok bool, err error) {
	f := a.c.filter
	conditions := len(a.c.parts)
	if f.Topic != "" {
		conditions++
	}
	if !f.Where.every() {
		conditions++
	}
	if conditions != 1 {
		return nil, false, nil
	}
	var c *segment.Column
	value := f.Topic
	switch {
	case f.Topic != "":
		c, err = a.x.Topic()
	case len(a.c.parts) == 1:
		value = a.c.parts[0]
		if words, _, _ := segment.Words(value); len(words) != 1 || words[0] != value {
			return nil, false, nil
		}
		c, err = a.x.Message()
	case f.Where.Op == OpEq && !f.Where.Fold && !f.Where.Key:
		value = f.Where.Value
		c, err = a.x.Field(f.Where.Field)
	}
	if c == nil || err != nil || !c.Dictionary() || c.Unindexed().Rows > 0 || len(value) > segment.Longest {
		return nil, false, err
	}
	if len(a.c.parts) == 1 {
		refs, err = c.Containing(value)
		return refs, err == nil, err
	}
	ref, err := c.Lookup(value)
	return []segment.Ref{ref}, err == nil, err
}
