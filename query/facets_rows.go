package query

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/steplog/steplog/internal/line"
	"github.com/steplog/steplog/internal/segment"
	"github.com/steplog/steplog/internal/tables"
	"github.com/steplog/steplog/levels"
)

// facetCounter counts distinct values.
type facetCounter struct {
	field  string
	counts map[string]int64
}

func (c *facetCounter) add(value string, n int64) error {
	if value == "" || n == 0 {
		return nil
	}
	return c.addAny(value, n)
}

// addAny counts also the empty text, which a field under the details may have.
func (c *facetCounter) addAny(value string, n int64) error {
	if _, known := c.counts[value]; !known && len(c.counts) == MaxFacetValues {
		return &InvalidError{Param: "field", Err: ErrTooMany,
			Reason: fmt.Sprintf("%q has more than %d values", c.field, MaxFacetValues)}
	}
	c.counts[value] += n
	return nil
}

// top returns the most frequent values.
func (c *facetCounter) top(limit int) []FacetValue {
	values := make([]FacetValue, 0, len(c.counts))
	for v, n := range c.counts {
		values = append(values, FacetValue{Value: v, Count: n})
	}
	slices.SortFunc(values, func(a, b FacetValue) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Value, b.Value))
	})
	return slices.Clip(values[:min(limit, len(values))])
}

// facets counts the values of a field: in the rows where they tell it, in the
// lines otherwise.
func (s *scan) facets(field string, c *facetCounter) error {
	c.field = field
	name, fixed := FacetField(field)
	if !fixed {
		return s.facetsOfDetails(name, c)
	}
	switch name {
	case "level":
		return s.facetsOfLevels(c)
	case "kind":
		return s.facetsOfKinds(func(_ *view, kind line.Kind, n int64) error { return c.add(kind.String(), n) })
	case "topic":
		return s.facetsOfTopics(c)
	case "file":
		return s.facetsOfKinds(func(v *view, _ line.Kind, n int64) error { return c.add(v.File(), n) })
	}
	if key, ok := identityKeys[name]; ok {
		return s.facetsOfOwners(key, c)
	}
	s.lines = true
	return s.each(func(v *view, _ *tables.Row, rec *line.Record) error {
		r := makeRecord(rec, v.File())
		value, _ := r.Fixed(name)
		return c.add(value, 1)
	})
}

// facetsOfLevels counts as a histogram of all times does.
func (s *scan) facetsOfLevels(c *facetCounter) error {
	h := newHistogram(s.where.filter, math.MaxInt64)
	if err := s.histogram(h); err != nil {
		return err
	}
	for _, counts := range h.counts { // from 1970 on and before
		for l, n := range counts {
			if err := c.add(levels.Name(allLevels[l]), n); err != nil {
				return err
			}
		}
	}
	return nil
}

// facetsOfKinds calls add with how many matches of a file have a kind.
func (s *scan) facetsOfKinds(add func(v *view, kind line.Kind, n int64) error) error {
	for n := range s.views {
		v := &s.views[n]
		var counts [256]int64 // by line.Kind
		if err := s.countKinds(v, &counts); err != nil {
			return err
		}
		for kind, n := range counts {
			if err := add(v, line.Kind(kind), n); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *scan) countKinds(v *view, counts *[256]int64) error {
	if x := v.Index(); x != nil {
		tally, ok, err := s.tally(v, x)
		if ok || err != nil {
			for class, c := range x.Classes {
				counts[c.Kind] += tally[class]
			}
			return err
		}
	}
	return s.eachOf(v, func(_ int, row *tables.Row, _ *line.Record) error {
		counts[row.Kind]++
		return nil
	})
}

// tally counts the matches of a file with a sidecar by class; ok is false where that does
// not decide.
func (s *scan) tally(v *view, x *segment.Index) (tally classTally, ok bool, err error) {
	if s.match.never(x) {
		return tally, true, nil
	}
	if s.match.rowsAlone() {
		if err = s.findTimes(v, x); err == nil {
			tally, err = s.countClasses(v, x)
		}
		return tally, true, err
	}
	if err = s.prepare(v); err != nil || !s.decided(v) {
		return tally, false, err
	}
	err = s.eachMatch(v, x, func(f *segment.Frame, rows []uint32) error {
		for _, k := range rows {
			tally[f.ClassOf(int(k))]++
		}
		return nil
	})
	return tally, true, err
}

// facetsOfOwners counts by scope or owner, where those tell, or row by row, first.
func (s *scan) facetsOfOwners(key identityKey, c *facetCounter) error {
	for n := range s.views {
		v := &s.views[n]
		var err error
		if x := v.Index(); x == nil {
			err = s.facetsByIdentity(v, key, c)
		} else if !s.match.never(x) {
			err = s.facetsByText(v, x, key, c)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// facetsByIdentity counts in a file without a sidecar.
func (s *scan) facetsByIdentity(v *view, key identityKey, c *facetCounter) error {
	counts := make([]int64, v.Owners())
	err := s.eachOf(v, func(_ int, row *tables.Row, _ *line.Record) error {
		counts[row.Owner]++
		return nil
	})
	for owner, n := range counts {
		if err == nil && n > 0 {
			err = c.add(key.of(v.Identity(uint32(owner))), n)
		}
	}
	return err
}

// facetsByText counts in a file with a sidecar, by the numbers of its texts.
func (s *scan) facetsByText(v *view, x *segment.Index, key identityKey, c *facetCounter) error {
	if err := s.findTimes(v, x); err != nil {
		return err
	}
	counts, filter := map[uint32]int64{}, v.owners(s.where)
	var err error
	switch {
	case key.own == nil && s.scopesTell(v, x):
		err = s.eachScope(v, x, func(scope int, n int64) error {
			counts[x.ScopeText(scope, key.scope)] += n
			return nil
		})
	case filter.wide() && s.ownersDecide(v, x):
		for owner := range uint32(x.Owners()) {
			if filter.has(owner) {
				counts[key.number(x, owner)] += int64(x.OwnerLen(owner))
			}
		}
		err = s.tick(x.Owners())
	default:
		err = s.facetsOfMatches(v, x, key, counts)
	}
	for number, n := range counts {
		if err == nil {
			err = c.add(strings.Clone(x.TextOf(number)), n)
		}
	}
	return err
}

// facetsOfMatches counts where neither scopes nor owners tell, or have more to be looked at.
func (s *scan) facetsOfMatches(v *view, x *segment.Index, key identityKey, counts map[uint32]int64) (err error) {
	if err := s.prepare(v); err != nil {
		return err
	}
	var owners []int64
	add := func(owner uint32) { counts[key.number(x, owner)]++ }
	if p := v.plan; !p.listed || 8*len(p.rows) > x.Owners() {
		// It takes less to count each owner first.
		owners = make([]int64, x.Owners())
		add = func(owner uint32) { owners[owner]++ }
	}
	if s.decided(v) {
		err = s.eachMatch(v, x, func(f *segment.Frame, rows []uint32) error {
			for _, k := range rows {
				add(f.Owner(int(k)))
			}
			return nil
		})
	} else {
		err = s.eachOf(v, func(_ int, row *tables.Row, _ *line.Record) error {
			add(row.Owner)
			return nil
		})
	}
	for owner, n := range owners {
		if n > 0 {
			counts[key.number(x, uint32(owner))] += n
		}
	}
	return err
}

// facetsOfTopics counts by the terms of files that have them, and reads the lines of others.
func (s *scan) facetsOfTopics(c *facetCounter) error {
	return s.facetsOfTerms((*segment.Index).Topic, c.add, func(v *view, rec *line.Record) error { return c.add(rec.Topic, 1) })
}

func (s *scan) facetsOfDetails(path string, c *facetCounter) error {
	column := func(x *segment.Index) (*segment.Column, error) { return x.Field(path) }
	var values []string // of one record, each once
	return s.facetsOfTerms(column, c.addAny, func(_ *view, rec *line.Record) error {
		values = values[:0]
		line.Field(rec.Details, path, func(scalar string) bool {
			if !slices.Contains(values, scalar) {
				values = append(values, scalar)
			}
			return true
		})
		for _, v := range values {
			if err := c.addAny(v, 1); err != nil {
				return err
			}
		}
		return nil
	})
}

// facetsOfTerms counts the terms of a column: by their rows where a file has it, and
// reading the lines does not take less, else by what count finds in each line.
func (s *scan) facetsOfTerms(column func(*segment.Index) (*segment.Column, error), add func(term string, n int64) error,
	count func(*view, *line.Record) error) error {
	s.lines = true
	for n := range s.views {
		v := &s.views[n]
		if x := v.Index(); x != nil {
			done, err := s.countTermRows(v, x, column, add)
			if err != nil {
				return err
			}
			if done {
				continue
			}
		}
		err := s.eachOf(v, func(_ int, _ *tables.Row, rec *line.Record) error { return count(v, rec) })
		if err != nil {
			return err
		}
	}
	return nil
}

// linesFirst is how many rows of a file there have to be for each match for their lines to
// be read in less time than the terms of all rows.
const linesFirst = 64

// countTermRows counts the matches that have each term of a column. done is false where
// their lines are to be read.
func (s *scan) countTermRows(v *view, x *segment.Index, column func(*segment.Index) (*segment.Column, error),
	add func(term string, n int64) error) (done bool, err error) {
	if s.match.never(x) {
		return true, nil
	}
	c, err := column(x)
	if c == nil || err != nil || !c.Dictionary() || c.Unindexed().Rows > 0 {
		return false, err
	}
	every := s.match.identity == nil && s.ownersDecide(v, x)
	var matches []uint64 // a bit for each row
	if !every {
		if err := s.prepare(v); err != nil || !s.decided(v) {
			return false, err
		}
		matches = make([]uint64, (x.Len()+63)/64)
		var list []uint32 // while they are few
		few := x.Len() / linesFirst
		err := s.eachMatch(v, x, func(f *segment.Frame, rows []uint32) error {
			for _, k := range rows {
				row := uint32(f.First()) + k
				matches[row/64] |= 1 << (row % 64)
				if len(list) <= few {
					list = append(list, row)
				}
			}
			return nil
		})
		if err != nil {
			return false, err
		}
		if len(list) <= few {
			v.made = plan{rows: list, listed: true, exact: true, owned: true}
			v.plan = &v.made
			return false, nil
		}
	}
	return true, c.Each(func(term []byte, ref segment.Ref) error {
		n := int64(ref.Rows)
		if !every {
			if s.numbers, err = x.Rows(s.numbers[:0], ref); err != nil {
				return err
			}
			n = 0
			for _, row := range s.numbers {
				n += int64(matches[row/64] >> (row % 64) & 1)
			}
		}
		if err := s.tick(ref.Rows); err != nil || n == 0 {
			return err
		}
		return add(string(term), n)
	})
}
