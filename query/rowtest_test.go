package query_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/steplog/steplog/internal/journal"
	"github.com/steplog/steplog/query"
	"github.com/steplog/steplog/query/querytest"
)

// Conditions on what rows tell are counted without lines, whatever combines them: of a
// closed file, and of an active one with an index and, but for several keys in one
// condition, without.
func TestKeysWithoutLines(t *testing.T) {
	t.Parallel()
	const n = 600
	service := func(i int) string { return fmt.Sprint("service-", i%4) }
	action := func(i int) string { return []string{"read", "poll", "write"}[i%3] }
	level := func(i int) string { return []string{"debug", "info", "warn", "error", "info"}[i%5] }
	entries := make([]querytest.Entry, n)
	for i := range entries {
		entries[i] = querytest.Entry{File: "user", Text: fmt.Appendf(nil,
			`{"timestamp":%q,"level":%q,"kind":"line","service":%q,"operation":"import","run":"run-%d","step":"s-%d","action":%q,"message":"m"}`,
			noon.Add(time.Duration(i)*time.Second).Format("2006-01-02T15:04:05.000000000Z"), level(i), service(i), i%40, i%240, action(i))}
	}
	for _, state := range []string{"active", "indexed", "closed"} {
		t.Run(state, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			j, err := journal.Open(dir, journal.Options{OnProblem: func(err error) { t.Error(err) }})
			require.NoError(t, err)
			t.Cleanup(func() { require.NoError(t, j.Close()) })
			appendEntries(t, j, entries)
			switch state {
			case "indexed":
				flush(t, j)
				require.NoError(t, j.IndexRows(t.Context()))
			case "closed":
				closeFile(t, j, dir)
			}
			e := query.New(query.OverJournal(j))
			for _, c := range []struct {
				text  string
				match func(i int) bool
			}{
				{"-level:debug", func(i int) bool { return level(i) != "debug" }},
				{"level:(debug warn)", func(i int) bool { return i%5 == 0 || i%5 == 2 }},
				{"level:>=warn -level:error", func(i int) bool { return level(i) == "warn" }},
				{"level:debug -level:debug", func(int) bool { return false }},
				{"-kind:line", func(int) bool { return false }},
				{"-service:service-1", func(i int) bool { return i%4 != 1 }},
				{"service:(service-1 service-3 none)", func(i int) bool { return i%2 == 1 }},
				{"service:service-1 OR service:~2", func(i int) bool { return i%4 == 1 || i%4 == 2 }},
				{"-service:none", func(int) bool { return true }},
				{"-service:*", func(int) bool { return false }},
				{"-action:poll", func(i int) bool { return i%3 != 1 }},
				{"-action:poll -action:read service:service-0", func(i int) bool { return i%3 == 2 && i%4 == 0 }},
				{`action:"WRITE"i -run:run-2`, func(i int) bool { return i%3 == 2 && i%40 != 2 }},
				{"-(step:s-5 OR step:(s-6 s-7)) -level:(info error)", func(i int) bool {
					return (i%240 < 5 || i%240 > 7) && (level(i) == "debug" || level(i) == "warn")
				}},
				{"-file:user", func(int) bool { return false }},
				{"file:~use", func(int) bool { return true }},
				{"level:error OR service:service-1", func(i int) bool { return level(i) == "error" || i%4 == 1 }},
				{"-(level:info service:service-2)", func(i int) bool { return level(i) != "info" || i%4 != 2 }},
				{"(-action:poll OR kind:capture) (file:none OR run:run-7 OR -step:*)", func(i int) bool { return i%3 != 1 && i%40 == 7 }},
				{"file:user OR level:fatal", func(int) bool { return true }},
			} {
				where, err := query.Parse(c.text)
				require.NoError(t, err, c.text)
				want := int64(0)
				counts := map[string]int64{}
				for i := range n {
					if c.match(i) {
						want++
						counts[action(i)]++
					}
				}
				page, err := e.LineLogs(t.Context(), query.Filter{Where: where}, query.Paging{Limit: 1})
				require.NoError(t, err, c.text)
				require.Equal(t, query.Total{N: want, Exact: true}, page.Total, c.text)
				if several := strings.Contains(c.text, " OR ") || strings.HasPrefix(c.text, "-("); state != "active" || !several {
					require.LessOrEqual(t, page.Stats.Lines, int64(len(page.Items)), c.text)
				}
				facets, err := e.Facets(t.Context(), query.Filter{Where: where}, "action", 0)
				require.NoError(t, err, c.text)
				got := map[string]int64{}
				for _, f := range facets {
					got[f.Value] = f.Count
				}
				require.Equal(t, counts, got, c.text)
			}
		})
	}
}
