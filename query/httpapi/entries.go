package httpapi

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/steplog/steplog/levels"
	"github.com/steplog/steplog/query"
	"go.uber.org/zap/zapcore"
)

// record serves one record: its line, as it is stored, and the log it is in.
func (q *request) record() error {
	if err := q.params().done(); err != nil {
		return err
	}
	id, err := q.pathID()
	if err != nil {
		return err
	}
	r, err := q.shown(id)
	if err != nil {
		return err
	}
	return q.success(struct {
		File   string          `json:"file"`
		Record json.RawMessage `json:"record"`
	}{r.File, r.Raw})
}

// shown returns a record that may be seen; what may not is not there.
func (q *request) shown(id uint64) (query.Record, error) {
	r, err := q.view.Record(q.ctx, id)
	if err != nil {
		return r, err
	}
	visible, err := q.kindVisible(r.Kind)
	if err == nil && !visible {
		err = query.ErrNotFound
	}
	return r, err
}

func (q *request) kindVisible(k query.Kind) (bool, error) {
	if k == query.KindAccess {
		return q.may(AccessRead)
	}
	return true, nil
}

// context serves a record among its neighbours.
func (q *request) context() error {
	p := q.params("before", "after")
	before, after := p.number("before", 10, 0, query.MaxAround), p.number("after", 10, 0, query.MaxAround)
	if err := p.done(); err != nil {
		return err
	}
	id, err := q.pathID()
	if err != nil {
		return err
	}
	if _, err := q.shown(id); err != nil {
		return err
	}
	records, err := q.view.Around(query.PartOf(q.ctx), id, before, after)
	if err != nil {
		return err
	}
	if ok, err := q.kindVisible(query.KindAccess); err != nil {
		return err
	} else if !ok {
		records = slices.DeleteFunc(records, func(r query.Record) bool { return r.Kind == query.KindAccess })
	}
	return q.successWith(struct {
		Entries []json.RawMessage `json:"entries"`
	}{holes(records)}, records)
}

// entryPage is the data of /entries.
type entryPage struct {
	Entries  []json.RawMessage `json:"entries"`
	Total    int64             `json:"total"`
	Exact    bool              `json:"exact"`
	Reason   string            `json:"reason,omitempty"` // why the total is not exact
	Next     *string           `json:"next"`             // the cursor of the next page, null on the last
	Snapshot uint64            `json:"snapshot"`
	Stats    queryStats        `json:"stats"`
}

// queryStats say how a query was answered.
type queryStats struct {
	Damaged int `json:"damaged"` // files known to have lost data
	*queryCost
}

// queryCost says what a query cost. It is for who sees all projects: how many rows were
// looked at tells whether a word or a value is in any record at all.
type queryCost struct {
	Segments  int   `json:"segments"`
	Rows      int64 `json:"rows"`
	Lines     int64 `json:"lines"`
	Bytes     int64 `json:"bytes"`
	ElapsedNS int64 `json:"elapsed_ns"`
}

// entries serves records of any kind by any filter.
func (q *request) entries() error {
	p := q.params(append([]string{"limit", "cursor", "order", "snapshot"}, filterParams...)...)
	paging := query.Paging{Limit: p.number("limit", 100, 1, 1000), Cursor: p.text("cursor"), AsOf: p.snapshot(),
		Oldest: p.oneOf("order", "desc", "asc") == "asc"}
	f, err := q.filter(p)
	if err != nil {
		return err
	}
	page, err := q.view.Records(q.ctx, f, paging)
	if err != nil {
		return err
	}
	data := entryPage{Entries: holes(page.Items), Total: page.Total.N, Exact: page.Total.Exact, Reason: page.Total.Reason,
		Snapshot: page.AsOf, Stats: queryStats{Damaged: page.Stats.Damaged}}
	if s := page.Stats; q.who.AllProjects {
		data.Stats.queryCost = &queryCost{s.Segments, s.Rows, s.Lines, s.Bytes, int64(s.Elapsed)}
	}
	if page.Next != "" {
		data.Next = &page.Next
	}
	return q.successWith(data, page.Items)
}

// facets serves the distinct values of a field.
func (q *request) facets() error {
	p := q.params(append([]string{"field", "limit"}, filterParams...)...)
	field, limit := p.required("field"), p.number("limit", 100, 1, 1000)
	f, err := q.filter(p)
	if err != nil {
		return err
	}
	found, err := q.view.Facets(q.ctx, f, field, limit)
	if err != nil {
		return err
	}
	type value struct {
		Value string `json:"value"`
		Count int64  `json:"count"`
	}
	values := make([]value, 0, len(found))
	for _, v := range found {
		values = append(values, value{v.Value, v.Count})
	}
	return q.success(struct {
		Field  string  `json:"field"`
		Values []value `json:"values"`
	}{field, values})
}

// maxBuckets is how many buckets a histogram has at most: more than a screen
// shows.
const maxBuckets = 500

// histogram serves counts per level over time.
func (q *request) histogram() error {
	p := q.params(append([]string{"interval", "buckets"}, filterParams...)...)
	wanted := p.number("buckets", 50, 1, maxBuckets)
	var width time.Duration
	if text := p.text("interval"); text != "" {
		d, err := time.ParseDuration(text)
		if err != nil || d <= 0 || d%time.Millisecond != 0 {
			p.wrong(bad("interval", "'interval' must be a duration of whole milliseconds above 0 such as 30s, 5m or 24h."))
		}
		if p.has("buckets") {
			p.wrong(bad("buckets", "'buckets' and 'interval' exclude each other."))
		}
		width = d
	}
	f, err := q.filter(p)
	if err != nil {
		return err
	}
	buckets, width, err := q.buckets(f, width, wanted)
	if err != nil {
		return err
	}
	type bucket struct {
		Start  time.Time        `json:"start"`
		Count  int64            `json:"count"`
		Levels map[string]int64 `json:"levels"`
	}
	data := struct {
		IntervalMS int64    `json:"interval_ms"`
		Buckets    []bucket `json:"buckets"`
	}{width.Milliseconds(), make([]bucket, 0, len(buckets))}
	for _, b := range buckets {
		data.Buckets = append(data.Buckets, bucket{b.Start, b.Count, levelCounts(b.Levels)})
	}
	return q.success(data)
}

// levelCounts has the levels' names as the documents print them.
func levelCounts(counts map[zapcore.Level]int64) map[string]int64 {
	named := make(map[string]int64, len(counts))
	for l, n := range counts {
		named[strings.ToUpper(levels.Name(l))] = n
	}
	return named
}

// buckets asks for a histogram. Without a width it takes the smallest round one
// that makes no more buckets than wanted.
func (q *request) buckets(f query.Filter, width time.Duration, wanted int) ([]query.Bucket, time.Duration, error) {
	if width > 0 {
		buckets, err := q.view.Histogram(q.ctx, f, width)
		if err == nil && len(buckets) > maxBuckets {
			err = bad("interval", "'interval' makes %d buckets, more than %d; make it longer or narrow the dates.", len(buckets), maxBuckets)
		}
		return buckets, width, err
	}
	from, to := f.From, f.To
	for _, end := range []struct {
		t      *time.Time
		oldest bool
	}{{&from, true}, {&to, false}} {
		if !end.t.IsZero() {
			continue
		}
		page, err := q.view.Records(query.PartOf(q.ctx), f, query.Paging{Limit: 1, Oldest: end.oldest})
		if err != nil {
			return nil, 0, err
		}
		if len(page.Items) > 0 {
			*end.t = page.Items[0].Time
		}
	}
	for _, width := range roundWidths {
		if to.Sub(from)/time.Duration(wanted) > width {
			continue
		}
		// Clocks step: the first and last record need not have the first and last
		// time. The next width is tried then.
		buckets, err := q.view.Histogram(q.ctx, f, width)
		if err == nil && len(buckets) <= wanted || err != nil && !tooMany(err) {
			return buckets, width, err
		}
	}
	return nil, 0, bad("startDate", "The records reach over too long a time; give 'startDate' and 'endDate'.")
}

func tooMany(err error) bool { return errors.Is(err, query.ErrTooMany) }

const day = 24 * time.Hour

// roundWidths are widths that a person would choose. immutable.
var roundWidths = []time.Duration{
	time.Millisecond, 10 * time.Millisecond, 100 * time.Millisecond, time.Second, 5 * time.Second, 15 * time.Second, 30 * time.Second,
	time.Minute, 5 * time.Minute, 15 * time.Minute, 30 * time.Minute, time.Hour, 3 * time.Hour, 6 * time.Hour, 12 * time.Hour,
	day, 7 * day, 30 * day, 90 * day, 365 * day, 3650 * day, 36500 * day,
}
