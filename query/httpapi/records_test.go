package httpapi_test

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
)

func TestEntries(t *testing.T) {
	t.Parallel()
	s := serve(t, nil)
	s.example(t)
	s.Server("edge-2").Service("mail").To("email").Warn("<b>sent</b>", zap.Int64("big", 9007199254740993))
	count := func(t *testing.T, want int, target string) {
		t.Helper()
		got := s.data(t, target)
		require.Equal(t, json.Number(fmt.Sprint(want)), got["total"], target)
		require.Len(t, got["entries"], want, target)
	}

	t.Run("R1.11 http: an exact set of levels and a minimum", func(t *testing.T) {
		count(t, 1, "/entries?level=warn")
		count(t, 1, "/entries?minLevel=WARNING")
		count(t, 3, "/entries?level=INFO&kind=line")
		count(t, 4, "/entries?minLevel=trace&kind=line,event&startDate=2023-06-23T11:33:17.5Z")
		count(t, 0, "/entries?level=fatal,trace")
		require.Len(t, s.data(t, "/logs?level=WARN")["logs"], 1)
		for _, levels := range []string{"level=warn", "minLevel=warn"} { // in every read path
			for target, want := range map[string]int{"/export?format=ndjson&": 1, "/export?format=csv&": 2, "/export?format=otlp&": 1} {
				a := do(t, s, http.MethodGet, target+levels, "")
				require.Equal(t, http.StatusOK, a.status)
				require.Equal(t, want, strings.Count(strings.TrimSpace(a.body), "\n")+1, target+levels)
				require.Contains(t, a.body, "sent")
				require.NotContains(t, a.body, "logged in", target+levels)
			}
			require.Equal(t, []any{map[string]any{"value": "warn", "count": json.Number("1")}}, s.data(t, "/facets?field=level&"+levels)["values"])
		}
		require.Equal(t, map[string]any{"WARN": json.Number("1")}, s.data(t, "/histogram?minLevel=warn&buckets=1")["buckets"].([]any)[0].(map[string]any)["levels"])
	})
	t.Run("every filter", func(t *testing.T) {
		count(t, 3, "/entries?kind=line")
		count(t, 1, "/entries?kind=run&in=usage")
		count(t, 3, "/entries?kind=line&project=98765-9876-9875&server=edge-1&service=orders&flowId=123456-12345-1234&runId=asdefgh-12345-9875")
		count(t, 2, "/entries?kind=line&stepId=step-read&action=read_data_from_erp")
		count(t, 1, "/entries?kind=line&field.1=sku&value.1=examplesku")
		count(t, 1, "/entries?kind=line&field.1=details.sku&value.1=examplesku") // as /facets, columns and q name it
		count(t, 1, "/entries?search=SENT")
		count(t, 1, "/entries?in=email.log")
		count(t, 0, "/entries?in=email&topic=security")
		count(t, 1, "/entries?in=email&topic=application")
		count(t, 3, "/entries?kind=line&projectId=98765-9876-9875&projectid=98765-9876-9875")
		count(t, 3, "/entries?kind=line&projectid=98765-9876-9875")
		count(t, 0, "/entries?projectid=another")
	})
	t.Run("conditions as text", func(t *testing.T) {
		count(t, 1, "/entries?q="+url.QueryEscape(`kind:line sku:examplesku`))
		count(t, 2, "/entries?kind=line&q="+url.QueryEscape(`-sku:examplesku`))
		count(t, 1, "/entries?q="+url.QueryEscape(`sent`))
		count(t, 0, "/entries?search=SENT&q="+url.QueryEscape(`level:fatal`))
		for text, want := range map[string]string{
			`sku:`: "q", `(a`: "q", `/(/`: "q", strings.Repeat("a ", 2049): "q",
		} {
			a := do(t, s, http.MethodGet, "/entries?q="+url.QueryEscape(text), "")
			require.Equal(t, http.StatusBadRequest, a.status, text)
			require.Contains(t, a.body, `"param":"`+want+`"`, text)
			require.NotContains(t, a.body, "query:", "what is wrong is said in the words of the API")
		}
	})
	t.Run("the line as it is stored", func(t *testing.T) {
		e := s.data(t, "/entries?in=email")["entries"].([]any)[0].(map[string]any)
		require.Equal(t, "<b>sent</b>", e["message"])
		require.Equal(t, json.Number("9007199254740993"), e["details"].(map[string]any)["big"])
		a := do(t, s, http.MethodGet, "/entries?in=email", "")
		require.NotContains(t, a.body, "<b>", "what was logged is no markup, wherever the answer ends up")
	})
	t.Run("cursors lead through everything, either way", func(t *testing.T) {
		for _, order := range []string{"asc", "desc"} {
			var seqs []string
			cursor := ""
			for {
				got := s.data(t, "/entries?limit=3&order="+order+"&cursor="+cursor)
				for _, e := range got["entries"].([]any) {
					seqs = append(seqs, e.(map[string]any)["seq"].(json.Number).String())
				}
				if got["next"] == nil {
					total, err := got["total"].(json.Number).Int64()
					require.NoError(t, err)
					require.Len(t, seqs, int(total))
					break
				}
				cursor = got["next"].(string)
			}
		}
	})
	t.Run("what is refused", func(t *testing.T) {
		for target, param := range map[string]string{
			"/entries?level=info&minLevel=info": "minLevel", "/entries?minLevel=loud": "minLevel", "/entries?kind=audit": "kind",
			"/entries?kind=lines": "kind", "/entries?limit=1001": "limit", "/entries?order=up": "order",
			"/entries?cursor=abc": "cursor", "/entries?in=..%2Fuser": "in", "/entries?field.1=&value.1=x": "field.1",
			"/entries?project=a&projectId=b": "projectId", "/entries?project=a&projectid=b": "projectid", "/entries?offset=1": "offset",
			"/histogram?interval=0s": "interval", "/histogram?interval=1": "interval", "/histogram?interval=1s&buckets=2": "buckets",
			"/histogram?buckets=501": "buckets", "/facets": "field", "/facets?field=level&limit=0": "limit",
			"/facets?field=details.": "field", "/tail?backfill=1001": "backfill",
			"/export?format=xml": "format", "/export?columns=a": "columns", "/export?cells=plain": "cells", "/export?format=otlp&cells=safe&columns=a": "columns", "/export?format=csv&columns=nothing": "columns",
			"/histogram?interval=100us&startDate=2023-06-23T11:33:17Z&endDate=2023-06-23T11:33:17.01Z": "interval", // interval_ms could not say it
			"/histogram?interval=1500us&startDate=2023-06-23T11:33:17Z&endDate=2023-06-23T11:33:17.1Z": "interval",
			"/histogram?interval=1ns&startDate=2023-06-23T11:33:17Z&endDate=2023-06-23T11:33:18Z":      "interval",
			"/histogram?interval=1s&startDate=2023-06-23T11:33:17Z&endDate=2023-06-23T12:33:18Z":       "interval",
		} {
			require.Equal(t, param, refusal(t, http.StatusBadRequest, do(t, s, http.MethodGet, target, ""))["param"], target)
		}
	})
}

func TestRecordAndContext(t *testing.T) {
	t.Parallel()
	s := serve(t, nil)
	s.example(t)
	lines := s.data(t, "/entries?kind=line&order=asc")["entries"].([]any)
	id := lines[1].(map[string]any)["seq"].(json.Number).String()
	got := s.data(t, "/logs/"+id)
	require.Equal(t, "user", got["file"])
	require.Equal(t, lines[1], got["record"])
	around := s.data(t, "/logs/"+id+"/context?before=1&after=1")["entries"].([]any)
	require.Len(t, around, 3)
	require.Equal(t, lines[1], around[1])
	require.Len(t, s.data(t, "/logs/"+id+"/context?before=0&after=0")["entries"], 1)
	for _, target := range []string{"/logs/0", "/logs/x", "/logs/-1", "/logs/9007199254740991", "/logs/9007199254740992", "/logs/1.0", "/logs/x/context",
		"/logs/9007199254740991/context"} {
		s.refused(t, http.StatusNotFound, target)
	}
	s.refused(t, http.StatusBadRequest, "/logs/"+id+"/context?before=1001")
	s.refused(t, http.StatusBadRequest, "/logs/"+id+"?x=1")
}

func TestHistogramAndFacets(t *testing.T) {
	t.Parallel()
	s := serve(t, nil)
	log := s.Server("edge-1").Service("orders").Logger
	for i := range 120 {
		s.set(t, fmt.Sprintf("2023-06-24T11:%02d:%02dZ", i/60, i%60))
		log.Info("tick", zap.Int("shard", i%3))
	}
	log.Error("boom", zap.Int("shard", 7))
	t.Run("R6.9 http: a histogram of counts per level over time", func(t *testing.T) {
		got := s.data(t, "/histogram?interval=1m&service=orders")
		require.Equal(t, json.Number("60000"), got["interval_ms"])
		require.Equal(t, []any{
			map[string]any{"start": "2023-06-24T11:00:00Z", "count": json.Number("60"), "levels": map[string]any{"INFO": json.Number("60")}},
			map[string]any{"start": "2023-06-24T11:01:00Z", "count": json.Number("61"),
				"levels": map[string]any{"INFO": json.Number("60"), "ERROR": json.Number("1")}},
		}, got["buckets"])
	})
	t.Run("R6.9 http: at most as many buckets as are wanted, and all records in them", func(t *testing.T) {
		for _, wanted := range []string{"1", "2", "7", "50", "500"} {
			buckets := s.data(t, "/histogram?service=orders&buckets="+wanted)["buckets"].([]any)
			most, err := json.Number(wanted).Int64()
			require.NoError(t, err)
			require.LessOrEqual(t, len(buckets), int(most))
			total := int64(0)
			for _, b := range buckets {
				n, err := b.(map[string]any)["count"].(json.Number).Int64()
				require.NoError(t, err)
				total += n
			}
			require.EqualValues(t, 121, total)
		}
		require.Empty(t, s.data(t, "/histogram?service=nothing")["buckets"])
	})
	t.Run("R6.9 http: facets with counts", func(t *testing.T) {
		require.Equal(t, []any{map[string]any{"value": "0", "count": json.Number("40")}, map[string]any{"value": "1", "count": json.Number("40")},
			map[string]any{"value": "2", "count": json.Number("40")}, map[string]any{"value": "7", "count": json.Number("1")}},
			s.data(t, "/facets?field=shard&service=orders")["values"])
		require.Equal(t, []any{map[string]any{"value": "info", "count": json.Number("120")}}, s.data(t, "/facets?field=level&service=orders&limit=1")["values"])
		require.Empty(t, s.data(t, "/facets?field=nothing")["values"])
	})
}

func TestExport(t *testing.T) {
	t.Parallel()
	s := serve(t, nil)
	s.example(t)
	s.Server("edge-1").Service("calc").Info("=1+1", zap.String("formula", "@SUM(A1)"))
	live := httptest.NewServer(s)
	defer live.Close()
	fetch := func(t *testing.T, target string) (string, http.Header, http.Header) {
		t.Helper()
		answer, err := http.Get(live.URL + target)
		require.NoError(t, err)
		defer answer.Body.Close()
		text, err := io.ReadAll(answer.Body)
		require.NoError(t, err)
		require.Equal(t, http.StatusOK, answer.StatusCode, string(text))
		do(t, s, http.MethodGet, target, "")
		return string(text), answer.Header, answer.Trailer
	}
	t.Run("R1.5 http: one request gives everything that was logged, line by line", func(t *testing.T) {
		text, header, trailer := fetch(t, "/export")
		require.Equal(t, "application/x-ndjson", header.Get("Content-Type"))
		require.Equal(t, "attachment; filename=logs.ndjson", header.Get("Content-Disposition"))
		require.Equal(t, "true", trailer.Get("Steplog-Whole"))
		lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
		require.Equal(t, fmt.Sprint(len(lines)), trailer.Get("Steplog-Records"))
		total, err := s.data(t, "/entries")["total"].(json.Number).Int64()
		require.NoError(t, err)
		require.Len(t, lines, int(total))
		for _, l := range lines {
			decode(t, l)
		}
	})
	t.Run("R1.5 http: one run, by a filter", func(t *testing.T) {
		text, _, _ := fetch(t, "/export?runId=asdefgh-12345-9875&kind=line")
		require.Equal(t, 3, strings.Count(text, "\n"))
	})
	t.Run("as a table that runs nothing", func(t *testing.T) {
		text, header, trailer := fetch(t, "/export?format=csv&service=calc&columns=message,details.formula")
		require.Equal(t, "text/csv; charset=utf-8", header.Get("Content-Type"))
		rows, err := csv.NewReader(strings.NewReader(text)).ReadAll()
		require.NoError(t, err)
		require.Equal(t, [][]string{{"message", "details.formula"}, {"'=1+1", "'@SUM(A1)"}}, rows)
		require.Equal(t, "1", trailer.Get("Steplog-Records"))
		text, _, _ = fetch(t, "/export?format=csv&service=calc&columns=message&cells=plain")
		require.Equal(t, "message\n=1+1\n", text)
	})
	t.Run("as OpenTelemetry's logs", func(t *testing.T) {
		text, _, _ := fetch(t, "/export?format=otlp&service=calc")
		require.Contains(t, text, `"body":{"stringValue":"=1+1"}`)
	})
	t.Run("what is wrong with the question is said before the file begins", func(t *testing.T) {
		for _, format := range []string{"ndjson", "csv", "otlp"} {
			for _, wrong := range []string{"in=user.log.gz", "kind=" + strings.Repeat("line,", 101) + "run"} {
				target := "/export?format=" + format + "&" + wrong
				a := do(t, s, http.MethodGet, target, "")
				refusal(t, http.StatusBadRequest, a)
				require.Empty(t, a.header.Get("Content-Disposition"), target)
				require.Empty(t, a.header.Get("Trailer"), target)
			}
		}
	})
	a := do(t, s, http.MethodHead, "/export", "")
	require.Equal(t, http.StatusOK, a.status)
	require.Empty(t, a.body)
}
