package segment_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/steplog/steplog/internal/segment"
)

// sameFrames compares what is found out about many rows at once with what is found
// out about each.
func sameFrames(t *testing.T, x *segment.Index) {
	lines := x.Lines() // one for all rows: forth, back and somewhere else
	for i := range x.Len() {
		for _, row := range [...]int{i, min(i+1, x.Len()-1), i, i * 7919 % x.Len()} {
			at, size, seq := lines.Line(row)
			wantAt, wantSize := x.Place(row)
			if at != wantAt || size != wantSize || seq != x.Seq(row) {
				require.Equal(t, []any{wantAt, wantSize, x.Seq(row)}, []any{at, size, seq}, "row %d", row)
			}
		}
	}
	for i := 0; i < x.Len(); i += segment.MostFound / 2 {
		var found [segment.MostFound]segment.Found // some in a row, back, and some far apart
		for k := range found {
			found[k].Row = min(i+k/2, x.Len()-1)
			if i/4%3 == 0 {
				found[k].Row = max(found[k].Row-2*k, 0)
			} else if i/4%3 == 1 {
				found[k].Row = found[k].Row * 7919 % x.Len()
			}
		}
		some := found[:1+i/segment.MostFound*5%len(found)]
		lines.Find(some)
		for _, f := range some {
			at, size := x.Place(f.Row)
			require.Equal(t, segment.Found{Row: f.Row, Offset: at, Size: size, Seq: x.Seq(f.Row)}, f)
		}
	}
	for n := range x.Frames() {
		f := x.Frame(n)
		for _, part := range [...][2]int{{0, f.Len()}, {0, f.Len() / 3}, {f.Len() / 7, f.Len() - f.Len()/5}, {f.Len() - 1, f.Len()}, {0, 0}} {
			var want, got [48]int
			for i := part[0]; i < part[1]; i++ {
				want[f.ClassOf(i)]++
			}
			f.CountClasses(&got, part[0], part[1])
			require.Equal(t, want, got)
		}
		if !f.Ascending() {
			continue
		}
		for i := 0; i <= f.Len(); i += 37 {
			for _, more := range [...]int64{-1, 0, 1} {
				at := f.Time(min(i, f.Len()-1)) + more
				want := 0
				for want < f.Len() && f.Time(want) < at {
					want++
				}
				require.Equal(t, want, f.SearchTime(at))
			}
		}
	}
	// A scope is found by each of its identifiers, with all that have it too.
	for scope := 0; scope < x.Scopes(); scope += 1 + x.Scopes()/16 {
		for id := segment.Server; id <= segment.ParentStep; id++ {
			var want []int
			for other := range x.Scopes() {
				if x.ScopeText(other, id) == x.ScopeText(scope, id) {
					want = append(want, other)
				}
			}
			require.Equal(t, want, x.AppendScopesWith(nil, id, x.ScopeText(scope, id)))
		}
	}
}

// sameLines says that no line was lost, added or changed.
func sameLines(t *testing.T, a, b []byte) {
	split := func(text []byte) []string {
		lines := strings.SplitAfter(string(text), "\n")
		slices.Sort(lines)
		return lines
	}
	require.Equal(t, split(a), split(b))
}
