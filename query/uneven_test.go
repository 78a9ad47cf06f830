package query_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/steplog/steplog/levels"
	"github.com/steplog/steplog/query"
	"github.com/steplog/steplog/query/querytest"
	"github.com/steplog/steplog/rotation"
)

// TestUneven asks for the newest of many records that lie unevenly in sealed files: at
// first only the last rows of a file are looked at, and they have few of them. The
// order of times is that of arrival, or is not.
func TestUneven(t *testing.T) {
	t.Parallel()
	type logged struct {
		at      time.Time
		warn    bool
		early   bool
		message string
	}
	for _, name := range []string{"times in order", "times out of order"} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			j := openIndexed(t, dir, rotation.Rule{MaxBytes: 300 << 10}, func(err error) { t.Error(err) })
			var all []logged
			var entries []querytest.Entry
			for i := range 8000 {
				l := logged{at: noon.Add(time.Duration(i) * time.Millisecond), warn: i%3 == 0, early: i/100%14 == 0 || i%97 == 0, message: fmt.Sprint("number ", i)}
				if name == "times out of order" {
					l.at = l.at.Add(time.Duration(i*7919%300) * time.Millisecond)
				}
				service, level := "late", "info"
				if l.early {
					service = "early"
				}
				if l.warn {
					level = "warn"
				}
				all = append(all, l)
				entries = append(entries, querytest.Entry{File: "user", Text: fmt.Appendf(nil,
					`{"timestamp":%q,"level":%q,"kind":"line","server":"edge-1","service":%q,"run":"run-%d","step":"step-%d","message":%q,"details":{"sku":"A-%d"}}`,
					l.at.Format("2006-01-02T15:04:05.000000000Z"), level, service, i/40*7%11+i/500*20, i%5, l.message, i%1000)})
			}
			appendEntries(t, j, entries)
			flush(t, j)
			awaitSealed(t, dir)
			e := query.New(query.OverJournal(j))
			slices.Reverse(all)
			for _, onlyWarn := range []bool{false, true} {
				for _, span := range [][2]int{{0, 8000}, {1200, 1300}, {1700, 6100}, {501, 7990}, {2999, 2999}, {7000, 9000}} {
					f := query.Filter{Service: "early", From: noon.Add(time.Duration(span[0]) * time.Millisecond), To: noon.Add(time.Duration(span[1]) * time.Millisecond)}
					if onlyWarn {
						f.Levels = levels.Of(levels.Warn)
					}
					var want []string
					for _, l := range all {
						if l.early && (l.warn || !onlyWarn) && !l.at.Before(f.From) && !l.at.After(f.To) {
							want = append(want, l.message)
						}
					}
					for _, p := range []query.Paging{{Limit: 1}, {Limit: 7}, {Limit: 30}, {Limit: 100, Offset: 40}, {Limit: 3, Offset: 1000}, {Limit: 10000}} {
						page, err := e.LineLogs(t.Context(), f, p)
						require.NoError(t, err)
						require.Equal(t, query.Total{N: int64(len(want)), Exact: true}, page.Total)
						at := min(p.Offset, len(want))
						end := min(at+p.Limit, len(want))
						require.Equal(t, append([]string{}, want[at:end]...), messages(page.Items), "%v %+v", span, p)
						if page.Next == "" {
							require.Equal(t, len(want), max(end, at))
							continue
						}
						next, err := e.LineLogs(t.Context(), f, query.Paging{Limit: 50, Cursor: page.Next})
						require.NoError(t, err)
						require.Equal(t, append([]string{}, want[end:min(end+50, len(want))]...), messages(next.Items))
					}
				}
			}
		})
	}
}
