package oracle

import (
	"slices"
	"time"
)

// Filter is a condition on records. Empty fields are no conditions.
type Filter struct {
	Kinds    []string
	Levels   []string
	NoLevel  bool // no level is wanted, so nothing matches
	From, To time.Time
	Files    []string
	Projects []string

	Project, Server, Service, Operation, Run, RootRun, Step, Action, Topic string

	Search string
	Where  *Expr
}

// Select returns the records that f selects with a seq of at most asOf, 0 for
// all, oldest first. Audit records are never among them.
func (t *Text) Select(f Filter, asOf uint64) []*Record {
	words := parts(f.Search)
	var found []*Record
	for i := range t.Records {
		r := &t.Records[i]
		if asOf != 0 && r.Seq > asOf || r.Kind == "audit" || !f.fixed(r) {
			continue
		}
		if slices.ContainsFunc(words, func(word []rune) bool { return !contains(r.message, word) }) {
			continue
		}
		if f.Where == nil || f.Where.matches(r) {
			found = append(found, r)
		}
	}
	return found
}

// fixed decides by the fixed keys.
func (f *Filter) fixed(r *Record) bool {
	for _, c := range [...]struct{ want, got string }{
		{f.Project, r.String("project")}, {f.Server, r.String("server")}, {f.Service, r.String("service")},
		{f.Operation, r.String("operation")}, {f.Run, r.String("run")}, {f.RootRun, r.root()},
		{f.Step, r.String("step")}, {f.Action, r.String("action")}, {f.Topic, r.String("topic")},
	} {
		if c.want != "" && c.want != c.got {
			return false
		}
	}
	return !f.NoLevel &&
		(len(f.Kinds) == 0 || slices.Contains(f.Kinds, r.Kind)) &&
		(len(f.Levels) == 0 || slices.Contains(f.Levels, r.Level)) &&
		(len(f.Projects) == 0 || slices.Contains(f.Projects, r.String("project"))) &&
		(len(f.Files) == 0 || slices.Contains(f.Files, r.File)) &&
		inRange(r.Time, f.From, f.To)
}

func inRange(t, from, to time.Time) bool {
	return (from.IsZero() || !t.Before(from)) && (to.IsZero() || !t.After(to))
}

// Around returns the record with this seq and its neighbours: those of its run,
// or those of its file when it has none. It returns nil when there is no such
// record.
func (t *Text) Around(seq uint64, before, after int) []*Record {
	at := slices.IndexFunc(t.Records, func(r Record) bool { return r.Seq == seq && r.Kind != "audit" })
	if at < 0 {
		return nil
	}
	f := Filter{Run: t.Records[at].String("run")}
	if f.Run == "" {
		f.Files = []string{t.Records[at].File}
	}
	all := t.Select(f, 0)
	at = slices.IndexFunc(all, func(r *Record) bool { return r.Seq == seq })
	return all[max(0, at-before):min(len(all), at+after+1)]
}

// Bucket is a span of time with the number of records per level.
type Bucket struct {
	Start  time.Time
	Levels map[string]int64
}

// Histogram counts records in buckets aligned to 1970, from From or the first
// record to To or the last.
func Histogram(records []*Record, f Filter, width time.Duration) []Bucket {
	first, last := f.From, f.To
	for _, r := range records {
		if f.From.IsZero() && (first.IsZero() || r.Time.Before(first)) {
			first = r.Time
		}
		if f.To.IsZero() && (last.IsZero() || r.Time.After(last)) {
			last = r.Time
		}
	}
	if first.IsZero() || last.IsZero() {
		return nil
	}
	var buckets []Bucket
	for start := align(first, width); !start.After(last); start = start.Add(width) {
		b := Bucket{Start: start, Levels: map[string]int64{}}
		for _, r := range records {
			if !r.Time.Before(start) && r.Time.Before(start.Add(width)) {
				b.Levels[r.Level]++
			}
		}
		buckets = append(buckets, b)
	}
	return buckets
}

// align returns the latest multiple of the width since 1970 not after t.
func align(t time.Time, width time.Duration) time.Time {
	epoch := time.Unix(0, 0).UTC()
	since := t.Sub(epoch)
	aligned := epoch.Add(since - since%width)
	if aligned.After(t) {
		aligned = aligned.Add(-width)
	}
	return aligned
}

// Facets counts the values of a field: a fixed key, or a path under the
// details.
func Facets(records []*Record, field string, fixed bool) map[string]int64 {
	counts := map[string]int64{}
	for _, r := range records {
		var values []string
		switch {
		case !fixed:
			values = r.Values(field)
		case field == "file":
			values = []string{r.File}
		case field == "kind":
			values = []string{r.Kind}
		case field == "error_code":
			values = []string{r.ErrorCode()}
		default:
			values = []string{r.String(field)}
		}
		slices.Sort(values)
		for _, v := range slices.Compact(values) {
			if v != "" || !fixed {
				counts[v]++
			}
		}
	}
	return counts
}
