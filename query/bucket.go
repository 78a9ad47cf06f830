package query

import (
	"fmt"
	"math"
	"time"

	"go.uber.org/zap/zapcore"

	"github.com/steplog/steplog/internal/line"
	"github.com/steplog/steplog/internal/segment"
	"github.com/steplog/steplog/levels"
)

// histogram counts records by bucket and level. It holds a bucket only where a
// record lies, until the end tells which are needed.
type histogram struct {
	filter *Filter
	width  int64 // nanoseconds
	counts map[int64]*line.Levels
	at     *line.Levels // the bucket counted in before
	from   int64        // when it begins
}

func newHistogram(f *Filter, width time.Duration) *histogram {
	return &histogram{filter: f, width: int64(width), counts: map[int64]*line.Levels{}}
}

// bucketOf returns the number of the bucket that holds a time: the multiples of
// the width since 1970, rounded down.
func (h *histogram) bucketOf(ns int64) int64 {
	n := ns / h.width
	if ns%h.width < 0 {
		n--
	}
	return n
}

// endOf returns when the bucket of a time ends, what is not above that time when
// no int64 says it.
func (h *histogram) endOf(ns int64) int64 { return (h.bucketOf(ns) + 1) * h.width }

// same reports whether two times, of which the first is not larger, lie in one
// bucket.
func (h *histogram) same(first, last int64) bool {
	if h.atHolds(first) && h.atHolds(last) {
		return true
	}
	return h.bucketOf(first) == h.bucketOf(last)
}

// atHolds reports whether a time lies in the bucket counted in before.
func (h *histogram) atHolds(ns int64) bool {
	return h.at != nil && ns >= h.from && uint64(ns-h.from) < uint64(h.width)
}

// addClasses adds some rows of a frame, which lie in one bucket.
func (h *histogram) addClasses(ns int64, wanted []wantedClass, f *segment.Frame, from, to int) error {
	counts := classCounts(f, from, to)
	some := 0
	for _, c := range wanted {
		some += counts[c.class]
	}
	if some == 0 {
		return nil
	}
	at, err := h.bucket(ns)
	if err != nil {
		return err
	}
	for _, c := range wanted {
		at[c.level] += int64(counts[c.class])
	}
	return nil
}

// add adds a row.
func (h *histogram) add(ns int64, l zapcore.Level) error {
	at, err := h.bucket(ns)
	if err != nil {
		return err
	}
	at[line.LevelIndex(l)]++
	return nil
}

// bucket returns the one that holds a time.
func (h *histogram) bucket(ns int64) (*line.Levels, error) {
	if h.atHolds(ns) {
		return h.at, nil
	}
	n := h.bucketOf(ns)
	at := h.counts[n]
	if at == nil {
		if len(h.counts) == MaxBuckets {
			return nil, h.tooMany()
		}
		at = new(line.Levels)
		h.counts[n] = at
	}
	if h.at, h.from = at, n*h.width; n < 0 && h.from >= 0 {
		h.at = nil // it begins before what an int64 tells
	}
	return at, nil
}

func (h *histogram) tooMany() error {
	return &InvalidError{Param: "width", Err: ErrTooMany,
		Reason: fmt.Sprintf("of %v makes more than %d buckets", time.Duration(h.width), MaxBuckets)}
}

// buckets returns them all in order, empty ones included.
func (h *histogram) buckets() ([]Bucket, error) {
	first, last := int64(math.MaxInt64), int64(math.MinInt64)
	for n := range h.counts {
		first, last = min(first, n), max(last, n)
	}
	if !h.filter.From.IsZero() {
		first = h.bucketOf(line.Nanoseconds(h.filter.From))
	}
	if !h.filter.To.IsZero() {
		last = h.bucketOf(line.Nanoseconds(h.filter.To))
	}
	if len(h.counts) == 0 && (h.filter.From.IsZero() || h.filter.To.IsZero()) {
		return []Bucket{}, nil
	}
	// The difference of two buckets may be more than an int64 holds.
	if uint64(last)-uint64(first) >= MaxBuckets {
		return nil, h.tooMany()
	}
	buckets := make([]Bucket, 0, last-first+1)
	for n := first; n <= last; n++ {
		b := Bucket{Start: h.start(n), Levels: map[zapcore.Level]int64{}}
		if at := h.counts[n]; at != nil {
			b.Levels = levelCounts(at)
			for _, count := range at {
				b.Count += count
			}
		}
		buckets = append(buckets, b)
	}
	return buckets, nil
}

// start returns when a bucket begins. The first one may do so before what an int64 can
// tell, and the last one end behind that.
func (h *histogram) start(n int64) time.Time {
	if n < 0 {
		return time.Unix(0, (n+1)*h.width).UTC().Add(-time.Duration(h.width))
	}
	return time.Unix(0, n*h.width).UTC()
}

// levelCounts leaves out the levels without any.
func levelCounts(counts *line.Levels) map[zapcore.Level]int64 {
	m := map[zapcore.Level]int64{}
	for i, n := range counts {
		if n != 0 {
			m[allLevels[i]] = n
		}
	}
	return m
}

// levelsOf undoes levelCounts.
func levelsOf(m map[zapcore.Level]int64) (counts line.Levels) {
	for i, level := range allLevels {
		counts[i] = m[level]
	}
	return counts
}

// allLevels are in the order of line.Levels.
var allLevels = [...]zapcore.Level{levels.Trace, levels.Debug, levels.Info, levels.Warn, levels.Error, levels.Fatal}
