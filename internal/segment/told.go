package segment

import (
	"math"

	"github.com/steplog/steplog/internal/line"
)

// TimeStep is how finely the times of most rows are told, in nanoseconds: a hundredth
// of a millisecond. The rest would take a tenth of a sidecar and is in the text.
const TimeStep = 10_000

// told is how the times of a frame are told. The numbers are part of the format.
type told uint8

const (
	toldExactly told = iota // in nanoseconds
	toldRounded             // in steps, rounded down
	toldInSteps             // in steps, of which all are multiples
	toldMost    = toldInSteps
)

// toldAs decides it for some rows: run and step records say when something began, and
// are few.
func (c *columns) toldAs(from, to int, earliest int64) told {
	if earliest < math.MinInt64+TimeStep {
		return toldExactly // a multiple below it may be none
	}
	how := toldInSteps
	for i, t := range c.times[from:to] {
		if k := line.Kind(c.class[from+i] % kindCount); k == line.KindRun || k == line.KindStep {
			return toldExactly
		}
		if t%TimeStep != 0 {
			how = toldRounded
		}
	}
	return how
}

// value returns what is stored for a time.
func (t told) value(at int64) uint64 {
	if t == toldExactly {
		return uint64(at)
	}
	return uint64(RoundTime(at) / TimeStep)
}

// time returns what a value tells.
func (t told) time(value uint64) int64 {
	if t == toldExactly {
		return int64(value)
	}
	return int64(value) * TimeStep
}

// notBefore returns the smallest value that tells no time before one.
func (t told) notBefore(at int64) int64 {
	if t == toldExactly {
		return at
	}
	down := RoundTime(at)
	if down != at {
		return down/TimeStep + 1
	}
	return down / TimeStep
}

// RoundTime rounds a time down to a multiple of TimeStep. There must be one.
func RoundTime(at int64) int64 {
	over := at % TimeStep
	if over < 0 {
		over += TimeStep
	}
	return at - over
}

// AppendNear appends the rows whose times, as [Frame.Time] tells them, lie in the same
// step as one, ascending, to dst.
func (x *Index) AppendNear(dst []uint32, at int64) []uint32 {
	from := RoundTime(at)
	to := from + TimeStep - 1
	for n := range x.Frames() {
		head := x.FrameHead(n)
		if first, last := head.Times(); last < from || first > to {
			continue
		}
		f, i := x.Frame(n), 0
		if f.Ascending() {
			i = f.SearchTime(from)
		}
		for ; i < f.n; i++ {
			if at := f.Time(i); at >= from && at <= to {
				dst = append(dst, uint32(n*FrameRows+i))
			} else if at > to && f.Ascending() {
				break
			}
		}
	}
	return dst
}

// Exact reports whether Time tells all that is to be told.
func (f *FrameHead) Exact() bool { return told(f.head[54]) != toldRounded }
