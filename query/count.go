package query

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/steplog/steplog/internal/line"
	"github.com/steplog/steplog/internal/tables"
	"github.com/steplog/steplog/levels"

	"go.uber.org/zap/zapcore"
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
		return s.facetsOfRows(c, func(_ *view, row *tables.Row) string { return levels.Name(zapcore.Level(row.Level)) })
	case "kind":
		return s.facetsOfRows(c, func(_ *view, row *tables.Row) string { return row.Kind.String() })
	case "file":
		return s.facetsOfRows(c, func(v *view, _ *tables.Row) string { return v.File() })
	}
	if _, bound := identityField(&line.Identity{}, name); bound {
		return s.facetsOfOwners(name, c)
	}
	s.lines = true
	return s.each(func(v *view, _ *tables.Row, rec *line.Record) error {
		r := makeRecord(rec, v.File())
		value, _ := r.Fixed(name)
		return c.add(value, 1)
	})
}

func (s *scan) facetsOfRows(c *facetCounter, value func(*view, *tables.Row) string) error {
	return s.each(func(v *view, row *tables.Row, _ *line.Record) error { return c.add(value(v, row), 1) })
}

// facetsOfOwners counts per identity first, which is an addition a row.
func (s *scan) facetsOfOwners(name string, c *facetCounter) error {
	for n := range s.views {
		v := &s.views[n]
		counts := make([]int64, v.Owners())
		err := s.eachOf(v, func(_ int, row *tables.Row, _ *line.Record) error {
			counts[row.Owner]++
			return nil
		})
		if err != nil {
			return err
		}
		for owner, n := range counts {
			if n == 0 {
				continue
			}
			value, _ := identityField(v.Identity(uint32(owner)), name)
			if err := c.add(strings.Clone(value), n); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *scan) facetsOfDetails(path string, c *facetCounter) error {
	s.lines = true
	var values []string // of one record, each once
	return s.each(func(_ *view, _ *tables.Row, rec *line.Record) error {
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

// identityField returns an identifier by its key in the line, and whether the
// key is one.
func identityField(id *line.Identity, key string) (string, bool) {
	switch key {
	case "server", "server_name", "service", "service_name", "project", "operation", "operation_name",
		"parent_operation", "run", "root_run", "parent_run", "parent_step", "step", "action", "action_name":
		r := makeRecord(&line.Record{Identity: *id}, "")
		return r.Fixed(key)
	default:
		return "", false
	}
}
