package query_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/steplog/steplog/audit/access"
	"github.com/steplog/steplog/logger"
	"github.com/steplog/steplog/query"
)

// accessStore returns a store with requests, which differ in all that a filter asks for.
func accessStore(t *testing.T) (*logger.Store, []access.Record) {
	t.Helper()
	store := logger.OpenMemory(nil)
	t.Cleanup(func() { require.NoError(t, store.Close()) })
	var all []access.Record
	for i := range 60 {
		all = append(all, access.Record{
			Time:      noon.Add(time.Duration(i) * time.Second),
			IP:        netip.MustParseAddr([...]string{"203.0.113.7", "203.0.113.200", "198.51.100.1", "2001:db8::7", "fe80::1%eth0"}[i%5]),
			Account:   [...]string{"", "ada", "Ada", "bob"}[i%4],
			Tenant:    [...]string{"", "ACME", "ACME GmbH"}[i%3],
			Method:    [...]string{"GET", "POST"}[i%2],
			Path:      [...]string{"/flows", "/flows/7", "/", "/runs"}[i/2%4],
			Status:    [...]int{200, 299, 300, 404, 500, 0}[i%6],
			RequestID: fmt.Sprint("r-", i/2),
			Memo:      [...]string{"", "by phone", "\x1b[31mBY\x1b[0m mail"}[i/3%3],
		})
		store.Access().Record(all[i])
	}
	return store, all
}

// TestAccessFilters compares what each condition selects with a plain loop.
func TestAccessFilters(t *testing.T) {
	t.Parallel()
	store, all := accessStore(t)
	search := func(words ...string) func(*access.Record) bool {
		return func(r *access.Record) bool {
			for _, w := range words {
				memo := strings.NewReplacer("\x1b[31m", "", "\x1b[0m", "").Replace(r.Memo)
				if !strings.Contains(strings.ToLower(strings.Join([]string{r.Account, r.Tenant, r.Path, memo}, "\n")), w) {
					return false
				}
			}
			return true
		}
	}
	ip := func(list ...string) func(*access.Record) bool {
		return func(r *access.Record) bool { return strings.Contains(strings.Join(list, " "), r.IP.String()) }
	}
	for _, c := range []struct {
		filter query.AccessFilter
		want   func(r *access.Record) bool
	}{
		{query.AccessFilter{}, func(*access.Record) bool { return true }},
		{query.AccessFilter{From: all[7].Time, To: all[9].Time}, func(r *access.Record) bool { return !r.Time.Before(all[7].Time) && !r.Time.After(all[9].Time) }},
		{query.AccessFilter{Account: "ada"}, func(r *access.Record) bool { return r.Account == "ada" }},
		{query.AccessFilter{Tenant: "ACME"}, func(r *access.Record) bool { return r.Tenant == "ACME" }},
		{query.AccessFilter{Method: "POST"}, func(r *access.Record) bool { return r.Method == "POST" }},
		{query.AccessFilter{RequestID: "r-1"}, func(r *access.Record) bool { return r.RequestID == "r-1" }},
		{query.AccessFilter{Path: "/flows"}, func(r *access.Record) bool { return strings.HasPrefix(r.Path, "/flows") }},
		{query.AccessFilter{MinStatus: 300}, func(r *access.Record) bool { return r.Status >= 300 }},
		{query.AccessFilter{MaxStatus: 299}, func(r *access.Record) bool { return r.Status <= 299 }},
		{query.AccessFilter{MinStatus: 299, MaxStatus: 404}, func(r *access.Record) bool { return r.Status >= 299 && r.Status <= 404 }},
		{query.AccessFilter{MinStatus: 404, MaxStatus: 404}, func(r *access.Record) bool { return r.Status == 404 }},
		{query.AccessFilter{IP: "203.0.113.7"}, ip("203.0.113.7")},
		{query.AccessFilter{IP: "::ffff:203.0.113.7"}, ip("203.0.113.7")},
		{query.AccessFilter{IP: "203.0.113.0/25"}, ip("203.0.113.7")},
		{query.AccessFilter{IP: "203.0.113.99/24"}, ip("203.0.113.7", "203.0.113.200")},
		{query.AccessFilter{IP: "::ffff:203.0.113.0/120"}, ip("203.0.113.7", "203.0.113.200")},
		{query.AccessFilter{IP: "::ffff:0:0/96"}, ip("203.0.113.7", "203.0.113.200", "198.51.100.1")},
		{query.AccessFilter{IP: "::ffff:0:0/95"}, ip()},
		{query.AccessFilter{IP: "2001:db8::/32"}, ip("2001:db8::7")},
		{query.AccessFilter{IP: "fe80::/10"}, ip("fe80::1%eth0")},
		{query.AccessFilter{Search: `flows "acme gmbh"`}, search("flows", "acme gmbh")},
		{query.AccessFilter{Search: "BY by bY mail"}, search("by", "mail")},
		{query.AccessFilter{Search: "31m"}, func(*access.Record) bool { return false }},
		{query.AccessFilter{Account: "bob", MinStatus: 400, Path: "/r", Search: "acme"}, func(r *access.Record) bool {
			return r.Account == "bob" && r.Status >= 400 && r.Path == "/runs" && r.Tenant != ""
		}},
	} {
		page, err := store.Query().Access(t.Context(), c.filter, query.Paging{Oldest: true})
		require.NoError(t, err, "%+v", c.filter)
		want := []time.Time{}
		for i := range all {
			if c.want(&all[i]) {
				want = append(want, all[i].Time)
			}
		}
		got := []time.Time{}
		for _, r := range page.Items {
			got = append(got, r.Time)
		}
		require.Equal(t, want, got, "%+v", c.filter)
		require.Equal(t, query.Total{N: int64(len(want)), Exact: true}, page.Total, "%+v", c.filter)
	}
}

// TestAccessFiltersWrong has the questions that no access record can answer.
func TestAccessFiltersWrong(t *testing.T) {
	t.Parallel()
	store, _ := accessStore(t)
	words := func(n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprint(&b, " w", i)
		}
		return b.String()
	}
	ask := func(f query.AccessFilter) error {
		_, err := store.Query().Access(t.Context(), f, query.Paging{})
		return err
	}
	for _, f := range []query.AccessFilter{
		{From: noon.Add(1), To: noon}, {MinStatus: -1}, {MaxStatus: -1}, {MinStatus: 400, MaxStatus: 399},
		{IP: "203.0.113"}, {IP: "fe80::1%eth0"}, {IP: "203.0.113.0/33"}, {Search: "\xff"},
		{Search: words(64)}, {Search: strings.Repeat("x", query.MaxSearchBytes+1)},
	} {
		require.ErrorIs(t, ask(f), query.ErrInvalid, "%+v", f)
	}
	require.NoError(t, ask(query.AccessFilter{Search: words(63) + " W0 w1"}))
	require.NoError(t, ask(query.AccessFilter{Search: strings.Repeat("x", query.MaxSearchBytes)}))
}
