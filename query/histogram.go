package query

import (
	"context"
	"time"

	"go.uber.org/zap/zapcore"
)

// MaxBuckets is how many buckets a histogram has at most.
const MaxBuckets = 10_000

// Bucket is how many records there are in one span of time.
type Bucket struct {
	// Start is when the bucket begins, UTC, a multiple of the width since
	// 1970-01-01T00:00:00Z. It ends before the next one begins.
	Start time.Time
	// Count is how many records lie in it.
	Count int64
	// Levels is how many of them have each level, levels without any left out.
	Levels map[zapcore.Level]int64
}

// Histogram counts the records that f selects over time, in buckets of the
// given width, oldest first, empty ones included. The buckets reach from
// Filter.From to Filter.To; an end that is not given is where the first or last
// record lies. Without any record, an end missing, there are none.
//
// It returns [ErrTooMany] when there would be more than [MaxBuckets], an error
// that wraps [ErrInvalid] for a width that is not above 0 or a filter that is
// wrong, and [ErrUnsupported] when the backend is no [Histogrammer].
func (e *Engine) Histogram(ctx context.Context, f Filter, width time.Duration) ([]Bucket, error) {
	f, err := f.complete()
	if err != nil {
		return nil, err
	}
	if width <= 0 {
		return nil, invalid("width", "is not above 0")
	}
	b, ok := e.backend.(Histogrammer)
	if !ok {
		return nil, ErrUnsupported
	}
	return b.Histogram(ctx, f, width)
}
