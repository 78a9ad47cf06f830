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
	last   int64 // the bucket counted in before
	at     *line.Levels
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

// addFrame adds the rows of a frame that lies in one bucket.
func (h *histogram) addFrame(ns int64, m *matcher, f *segment.Frame) error {
	for l := range allLevels {
		n := 0
		for k := line.KindNone; k <= line.KindAudit && m.levels[int(levelOf(l))+128]; k++ {
			if m.kinds[k] {
				n += f.Count(l, k)
			}
		}
		if n == 0 {
			continue
		}
		if err := h.add(ns, allLevels[l]); err != nil {
			return err
		}
		h.at[l] += int64(n) - 1
	}
	return nil
}

func (h *histogram) add(ns int64, l zapcore.Level) error {
	n := h.bucketOf(ns)
	if h.at == nil || n != h.last {
		at := h.counts[n]
		if at == nil {
			if len(h.counts) == MaxBuckets {
				return h.tooMany()
			}
			at = new(line.Levels)
			h.counts[n] = at
		}
		h.last, h.at = n, at
	}
	h.at[line.LevelIndex(l)]++
	return nil
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
		first = h.bucketOf(nanoseconds(h.filter.From))
	}
	if !h.filter.To.IsZero() {
		last = h.bucketOf(nanoseconds(h.filter.To))
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
		b := Bucket{Start: time.Unix(0, 0).UTC().Add(time.Duration(n * h.width)), Levels: map[zapcore.Level]int64{}}
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

// allLevels are in the order of line.Levels.
var allLevels = [...]zapcore.Level{levels.Trace, levels.Debug, levels.Info, levels.Warn, levels.Error, levels.Fatal}
