package httpapi_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/steplog/steplog/audit/access"
	"github.com/steplog/steplog/query"
)

// long is a backend of records so long that three of them are a page, whatever the
// limit; see query.MaxPageBytes.
type long struct {
	backend
	uncounted bool // totals are lower bounds
}

const (
	longRecords = 10
	longPage    = 3
)

// longWindow returns the seqs of a window, newest first, and whether there are more.
func longWindow(w query.Window) (seqs []uint64, more bool) {
	first := uint64(longRecords)
	if w.Past != 0 {
		first = w.Past - 1
	}
	for seq := int(first) - w.Offset; seq > 0; seq-- {
		if len(seqs) == min(w.Limit, longPage) {
			return seqs, true
		}
		seqs = append(seqs, uint64(seq))
	}
	return seqs, false
}

func (b *long) Find(_ context.Context, _ query.Filter, w query.Window) (query.Result[query.Record], error) {
	r := query.Result[query.Record]{Total: query.Total{N: longRecords, Exact: !b.uncounted}, AsOf: longRecords}
	var seqs []uint64
	seqs, r.More = longWindow(w)
	for _, seq := range seqs {
		raw := fmt.Sprintf(`{"seq":%d,"kind":"line","run":"r","project":"p","operation":"f","message":"m"}`, seq)
		r.Items = append(r.Items, query.Record{Seq: seq, Time: time.Unix(1, 0), Kind: query.KindLine, Run: "r", Project: "p", Operation: "f",
			Message: fmt.Sprint("m", seq), Raw: []byte(raw)})
	}
	return r, nil
}

func (*long) Access(_ context.Context, _ query.AccessFilter, w query.Window) (query.Result[access.Record], error) {
	r := query.Result[access.Record]{Total: query.Total{N: longRecords, Exact: true}, AsOf: longRecords}
	var seqs []uint64
	seqs, r.More = longWindow(w)
	for _, seq := range seqs {
		r.Items = append(r.Items, access.Record{Seq: seq})
	}
	return r, nil
}

func TestLongRecords(t *testing.T) {
	h := handler(t, query.New(&long{}), nil, nil)
	for path, list := range map[string]string{"/logs": "logs", "/access": "records"} {
		t.Run("R3.2 http: nextOffset goes on behind a page of long records, "+path, func(t *testing.T) {
			offset, items := 0, 0
			for pages := 1; ; pages++ {
				a := do(t, h, http.MethodGet, fmt.Sprintf("%s?limit=5&offset=%d", path, offset), "")
				require.Equal(t, http.StatusOK, a.status, a.body)
				var answer struct {
					Data map[string]json.RawMessage
				}
				require.NoError(t, json.Unmarshal([]byte(a.body), &answer))
				var found []json.RawMessage
				require.NoError(t, json.Unmarshal(answer.Data[list], &found))
				items += len(found)
				var at struct{ NextOffset *int }
				require.NoError(t, json.Unmarshal(answer.Data["pagination"], &at))
				if at.NextOffset == nil {
					require.Equal(t, 4, pages)
					break
				}
				offset = *at.NextOffset
			}
			require.Equal(t, longRecords, items, "none is left out")
		})
	}
	t.Run("R2.3 http: a numbered page of long line logs has as many as any other", func(t *testing.T) {
		var got []int
		next := "/logs?projectid=p&flowId=f&log_type=3&limit=4"
		for next != "" {
			a := do(t, h, http.MethodGet, next, "")
			require.Equal(t, http.StatusOK, a.status, a.body)
			var page struct {
				Count   int
				Next    string
				Results []struct{ ID int }
			}
			require.NoError(t, json.Unmarshal([]byte(a.body), &page))
			require.Equal(t, longRecords, page.Count)
			for _, r := range page.Results {
				got = append(got, r.ID)
			}
			_, next, _ = strings.Cut(page.Next, "/api") // the fixture's ExternalURL
		}
		require.Equal(t, []int{10, 9, 8, 7, 6, 5, 4, 3, 2, 1}, got)
	})
}

// The documents of both lists have a number for the total and nothing that says it is a
// lower bound.
func TestTotalIsALowerBound(t *testing.T) {
	for _, uncounted := range []bool{false, true} {
		h := handler(t, query.New(&long{uncounted: uncounted}), nil, nil)
		for _, path := range []string{"/logs?limit=5", "/logs?projectid=p&flowId=f&log_type=3"} {
			a := do(t, h, http.MethodGet, path, "")
			require.Equal(t, http.StatusOK, a.status, a.body)
			want := ""
			if uncounted {
				want = "false"
			}
			require.Equal(t, want, a.header.Get("Steplog-Total-Exact"), path)
		}
	}
}
