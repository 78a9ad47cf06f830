package export_test

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/steplog/steplog/audit/access"
	"github.com/steplog/steplog/export"
	"github.com/steplog/steplog/logger/loggertest"
	"github.com/steplog/steplog/query"
)

// requests yields two requests, and an error if there is one.
func requests(fail error) iter.Seq2[access.Record, error] {
	return func(yield func(access.Record, error) bool) {
		at := time.Date(2026, 11, 21, 8, 9, 10, 11e6, time.UTC)
		ok := yield(access.Record{Seq: 7, Time: at, IP: netip.MustParseAddr("203.0.113.7"), IPFrom: "forwarded", Peer: netip.MustParseAddr("10.0.0.1"),
			Origin:  access.Attribution{Country: "AT", City: "Graz", Network: "Example Net"},
			Account: "ada", Tenant: "ACME, Inc.", Method: "GET", Path: "/a\"b", Query: "q=1", Host: "h", Protocol: "HTTP/1.1", Status: 404,
			Bytes: 5, Duration: 1500 * time.Microsecond, UserAgent: "=HYPERLINK(1)", Referrer: "@r", RequestID: "+1", Memo: "-memo\nof two lines",
			Attributes: map[string]string{"plan": "=gold", "region": "eu"}, Aborted: true}, nil) &&
			yield(access.Record{Time: at, Method: "GET", Path: "/", Status: 204, Panic: true, Hijacked: true}, nil)
		if ok && fail != nil {
			yield(access.Record{}, fail)
		}
	}
}

func TestAccessCSV(t *testing.T) {
	t.Parallel()
	t.Run("every column, safe for spreadsheets", func(t *testing.T) {
		t.Parallel()
		var b bytes.Buffer
		n, err := export.AccessCSV(&b, requests(nil), nil)
		require.NoError(t, err)
		require.EqualValues(t, 2, n)
		rows, err := csv.NewReader(&b).ReadAll()
		require.NoError(t, err)
		require.Equal(t, [][]string{export.AccessColumns(),
			{"7", "2026-11-21T08:09:10.011000000Z", "ada", "ACME, Inc.", "203.0.113.7", "forwarded", "AT", "Graz", "Example Net",
				"GET", "/a\"b", "q=1", "h", "HTTP/1.1", "404", "5", "1500000", "'=HYPERLINK(1)", "'@r", "'+1", "'-memo\nof two lines",
				`{"plan":"=gold","region":"eu"}`, "true", "false", "false"},
			{"0", "2026-11-21T08:09:10.011000000Z", "", "", "", "", "", "", "", "GET", "/", "", "", "", "204", "0", "0", "", "", "", "",
				"", "false", "true", "true"},
		}, rows)
	})
	t.Run("chosen columns, plain", func(t *testing.T) {
		t.Parallel()
		var b bytes.Buffer
		o := &export.CSVOptions{Columns: []string{"peer", "attributes.plan", "user_agent"}, Cells: export.PlainCells}
		_, err := export.AccessCSV(&b, requests(nil), o)
		require.NoError(t, err)
		require.Equal(t, "peer,attributes.plan,user_agent\n10.0.0.1,=gold,=HYPERLINK(1)\n,,\n", b.String())
	})
	t.Run("errors", func(t *testing.T) {
		t.Parallel()
		for _, column := range []string{"", "attributes.", "level"} {
			var b bytes.Buffer
			_, err := export.AccessCSV(&b, requests(nil), &export.CSVOptions{Columns: []string{column}})
			require.ErrorIs(t, err, export.ErrColumn)
			require.Empty(t, b.String())
		}
		broken := errors.New("broken")
		n, err := export.AccessCSV(io.Discard, requests(broken), nil)
		require.ErrorIs(t, err, broken)
		require.EqualValues(t, 2, n)
		_, err = export.AccessCSV(full{}, requests(nil), nil)
		require.ErrorIs(t, err, errFull)
	})
}

// TestAccessExports exports more requests than one read of the log fetches.
func TestAccessExports(t *testing.T) {
	t.Parallel()
	store := loggertest.New(t)
	handler := store.Access().Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		access.SetAccount(r.Context(), "ada", "ACME")
		w.WriteHeader(http.StatusNoContent)
	}))
	const n = 2500
	for i := range n {
		handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", fmt.Sprintf("/p/%d", i), nil))
	}
	ctx := t.Context()
	var b bytes.Buffer
	t.Run("R5.1 library: access records as CSV, oldest first", func(t *testing.T) {
		written, err := export.AccessCSV(&b, store.Query().AllAccess(ctx, query.AccessFilter{Tenant: "ACME"}),
			&export.CSVOptions{Columns: []string{"tenant", "method", "path", "status"}})
		require.NoError(t, err)
		require.EqualValues(t, n, written)
		rows, err := csv.NewReader(&b).ReadAll()
		require.NoError(t, err)
		for i, row := range rows[1:] {
			require.Equal(t, []string{"ACME", "GET", fmt.Sprintf("/p/%d", i), "204"}, row)
		}
	})
	t.Run("R5.1 library: access records in the forms of web servers", func(t *testing.T) {
		for _, write := range []func(io.Writer, iter.Seq2[access.Record, error]) error{access.NCSA, access.W3C} {
			b.Reset()
			require.NoError(t, write(&b, store.Query().AllAccess(ctx, query.AccessFilter{Search: "/p/12"})))
			require.Equal(t, 1+10+100, bytes.Count(b.Bytes(), []byte(" /p/12")))
		}
	})
	_, err := export.AccessCSV(&b, store.Query().AllAccess(ctx, query.AccessFilter{MinStatus: -1}), nil)
	require.ErrorIs(t, err, query.ErrInvalid)
}
