package httpapi_test

import (
	"archive/zip"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"github.com/steplog/steplog/logger"
	"github.com/steplog/steplog/query/httpapi"
)

const flowOf = "/logs?projectid=98765-9876-9875&flowId=123456-12345-1234"

func TestIntegratorList(t *testing.T) {
	t.Parallel()
	s := serve(t, nil)
	s.example(t)

	t.Run("R2.1 http: main logs with the document's fields, by the document's request", func(t *testing.T) {
		golden(t, "main_logs.json", do(t, s, http.MethodGet, "/logs?projectid=98765-9876-9875&limit=20&page=1&flowId=123456-12345-1234&log_type=1", "").body)
	})
	t.Run("R2.1 http: sub logs", func(t *testing.T) {
		golden(t, "sub_logs.json", do(t, s, http.MethodGet, flowOf+"&log_type=2", "").body)
	})
	t.Run("R2.5 http: line logs have the sub log's keys that apply, level, label, message and fields", func(t *testing.T) {
		golden(t, "line_logs.json", do(t, s, http.MethodGet, flowOf+"&log_type=3", "").body)
	})
	t.Run("R2.2 http: line logs by a field, by the document's request", func(t *testing.T) {
		target := "/logs?flowId=123456-12345-1234&log_type=3&projectid=98765-9876-9875&limit=20&page=1&search_field.1=sku&search_value.1=examplesku"
		golden(t, "line_logs_by_field.json", do(t, s, http.MethodGet, target, "").body)
	})
	count := func(t *testing.T, want int, more string) map[string]any {
		t.Helper()
		got := s.get(t, flowOf+more)
		require.Equal(t, json.Number(strconv.Itoa(want)), got["count"], more)
		require.Len(t, got["results"], want)
		return got
	}
	t.Run("R2.2 http: filters of the list", func(t *testing.T) {
		count(t, 1, "&log_type=1&filename_uuid=asdefgh-12345-9875")
		count(t, 1, "&log_type=1&filename_uuid=asdefgh-12345-9875&original_filename_uuid=asdefgh-12345-9875")
		count(t, 1, "&log_type=1&original_filename_uuid=asdefgh-12345-9875")
		count(t, 1, "&log_type=2&filename_uuid=step-read")
		count(t, 2, "&log_type=2&original_filename_uuid=asdefgh-12345-9875")
		count(t, 2, "&log_type=3&filename_uuid=step-read")
		count(t, 3, "&log_type=3&original_filename_uuid=asdefgh-12345-9875")
		count(t, 1, "&log_type=3&search_field.1=price.net&search_value.1=42&search_field.2=sku&search_value.2=othersku")
		for _, none := range []string{
			"&log_type=1&filename_uuid=nothing", "&log_type=1&filename_uuid=asdefgh-12345-9875&original_filename_uuid=x",
			"&log_type=2&filename_uuid=x", "&log_type=3&original_filename_uuid=x",
			"&log_type=3&search_field.1=sku&search_value.1=x", "&log_type=3&search_field.1=sku&search_value.1=",
			"&log_type=3&search_field.1=sku&search_value.1=othersku&search_field.2=price.net&search_value.2=43",
		} {
			s.refused(t, http.StatusNotFound, flowOf+none)
		}
		got := s.get(t, "/logs?projectId=98765-9876-9875&flowId=123456-12345-1234&log_type=1")
		require.Equal(t, json.Number("25"), got["limit"], "the default")
		require.Equal(t, json.Number("1"), got["page"])
		s.get(t, flowOf+"&projectId=98765-9876-9875&log_type=1")
		s.get(t, flowOf+"&log_type=1&limit=100")
	})
	t.Run("R2.7 http: 400 for a missing or malformed parameter, naming it", func(t *testing.T) {
		for target, param := range map[string]string{
			"/logs?log_type=1":                                                "flowId",
			"/logs?flowId=f&log_type=1":                                       "projectid",
			"/logs?projectid=p&log_type=1":                                    "flowId",
			"/logs?projectid=p&flowId=f":                                      "log_type",
			flowOf + "&log_type=4":                                            "log_type",
			flowOf + "&log_type=one":                                          "log_type",
			flowOf + "&log_type=1&limit=0":                                    "limit",
			flowOf + "&log_type=1&limit=101":                                  "limit",
			flowOf + "&log_type=1&limit=-1":                                   "limit",
			flowOf + "&log_type=1&limit=%2B1":                                 "limit",
			flowOf + "&log_type=1&limit=":                                     "limit",
			flowOf + "&log_type=1&limit=99999999999999999999":                 "limit",
			flowOf + "&log_type=1&page=0":                                     "page",
			flowOf + "&log_type=1&page=1.5":                                   "page",
			flowOf + "&log_type=1&page=1&page=2":                              "page",
			flowOf + "&log_type=1&projectId=other":                            "projectId",
			flowOf + "&log_type=1&search_field.1=a&search_value.1=b":          "search_field.1",
			flowOf + "&log_type=3&search_field.1=a":                           "search_value.1",
			flowOf + "&log_type=3&search_value.1=a":                           "search_field.1",
			flowOf + "&log_type=3&search_field.2=a&search_value.2=b":          "search_field.1",
			flowOf + "&log_type=3&search_field.0=a&search_value.0=b":          "search_field.0",
			flowOf + "&log_type=3&search_field.01=a&search_value.01=b":        "search_field.01",
			flowOf + "&log_type=3&search_field.33=a&search_value.33=b":        "search_field.33",
			flowOf + "&log_type=3&search_field=a":                             "search_field",
			flowOf + "&log_type=1&color=red":                                  "color",
			flowOf + "&log_type=1&offset=0":                                   "offset",
			flowOf + "&log_type=1&startDate=2023-10-27T10:00:00Z":             "startDate",
			flowOf + "&log_type=1&service=x":                                  "service",
			flowOf + "&log_type=1&snapshot=x":                                 "snapshot",
			flowOf + "&log_type=1&filename_uuid=" + strings.Repeat("a", 1025): "filename_uuid",
			flowOf + "&log_type=1&filename_uuid=%00":                          "filename_uuid",
			flowOf + "&log_type=1&filename_uuid=%ff":                          "filename_uuid",
		} {
			e := refusal(t, http.StatusBadRequest, do(t, s, http.MethodGet, target, ""))
			require.Equal(t, param, e["param"], target)
			require.Contains(t, e["message"], "'", target)
		}
		for _, target := range []string{flowOf + "&log_type=1;a=b", flowOf + "&log_type=%zz", flowOf + "&log_type=1&x=" + strings.Repeat("a", 70_000)} {
			refusal(t, http.StatusBadRequest, do(t, s, http.MethodGet, target, ""))
		}
	})
	t.Run("R2.7 http: 404 for an empty result and a page past the end", func(t *testing.T) {
		for _, target := range []string{
			"/logs?projectid=other&flowId=123456-12345-1234&log_type=1", "/logs?projectid=98765-9876-9875&flowId=other&log_type=1",
			flowOf + "&log_type=1&page=2", flowOf + "&log_type=1&page=1000000000",
		} {
			require.Equal(t, "No logs were found.", s.refused(t, http.StatusNotFound, target))
		}
	})
}

func TestIntegratorPages(t *testing.T) {
	t.Parallel()
	s := serve(t, func(o *httpapi.Options) { o.ExternalURL = "" })
	flow := s.Server("edge-1").Service("orders").Operation("f")
	for i := range 7 {
		_, run := flow.Start(t.Context(), logger.ID(fmt.Sprintf("run-%d", i)), logger.Project("p"))
		run.End(nil)
	}
	mounted := http.StripPrefix("/api/v1", s)
	page := func(t *testing.T, target string) (map[string]any, []string) {
		t.Helper()
		a := do(t, mounted, http.MethodGet, target, "")
		require.Equal(t, http.StatusOK, a.status, a.body)
		v := decode(t, a.body)
		var ids []string
		for _, r := range v["results"].([]any) {
			ids = append(ids, r.(map[string]any)["filename_uuid"].(string))
		}
		return v, ids
	}
	relative := func(t *testing.T, link any) string {
		t.Helper()
		u, err := url.Parse(link.(string))
		require.NoError(t, err)
		require.Equal(t, "http://logs.example.com/api/v1/logs", u.Scheme+"://"+u.Host+u.Path)
		return u.RequestURI()
	}

	t.Run("R2.3 http: next leads through all pages, newest first, and stays put while new logs arrive", func(t *testing.T) {
		v, ids := page(t, "/api/v1/logs?projectid=p&flowId=f&log_type=1&limit=3")
		require.Equal(t, []string{"run-6", "run-5", "run-4"}, ids)
		require.Equal(t, json.Number("7"), v["count"])
		require.Equal(t, "", v["previous"])
		flow.Start(t.Context(), logger.ID("late"), logger.Project("p"))
		v, ids = page(t, relative(t, v["next"]))
		require.Equal(t, []string{"run-3", "run-2", "run-1"}, ids)
		require.Equal(t, json.Number("7"), v["count"])
		require.Equal(t, json.Number("2"), v["page"])
		last, ids := page(t, relative(t, v["next"]))
		require.Equal(t, []string{"run-0"}, ids)
		require.Equal(t, "", last["next"])
		back, ids := page(t, relative(t, last["previous"]))
		require.Equal(t, []string{"run-3", "run-2", "run-1"}, ids)
		require.Equal(t, v["results"], back["results"])
		v, _ = page(t, "/api/v1/logs?projectid=p&flowId=f&log_type=1")
		require.Equal(t, json.Number("8"), v["count"], "without the snapshot everything counts")
	})
	t.Run("R2.3 http: links keep every parameter", func(t *testing.T) {
		v, _ := page(t, "/api/v1/logs?projectId=p&flowId=f&log_type=1&limit=2&page=2&filename_uuid=")
		for _, link := range []string{"next", "previous"} {
			u, err := url.Parse(v[link].(string))
			require.NoError(t, err)
			got := u.Query()
			require.NotEmpty(t, got.Get("snapshot"))
			got.Del("snapshot")
			want := url.Values{"projectId": {"p"}, "flowId": {"f"}, "log_type": {"1"}, "limit": {"2"}, "filename_uuid": {""},
				"page": {map[string]string{"next": "3", "previous": "1"}[link]}}
			require.Equal(t, want, got)
		}
	})
	t.Run("R2.3 http: links are absolute, from ExternalURL or the request", func(t *testing.T) {
		external := handler(t, s.Query(), nil, func(o *httpapi.Options) { o.ExternalURL = "https://logs.example.org/x/" })
		v := decode(t, do(t, external, http.MethodGet, "/logs?projectid=p&flowId=f&log_type=1&limit=1", "").body)
		require.True(t, strings.HasPrefix(v["next"].(string), "https://logs.example.org/x/logs?"), v["next"])
		tls := httptest.NewTLSServer(mounted)
		defer tls.Close()
		answer, err := tls.Client().Get(tls.URL + "/api/v1/logs?projectid=p&flowId=f&log_type=1&limit=1")
		require.NoError(t, err)
		defer answer.Body.Close()
		require.NoError(t, json.NewDecoder(answer.Body).Decode(&v))
		require.True(t, strings.HasPrefix(v["next"].(string), tls.URL+"/api/v1/logs?"), v["next"])
	})
}

func TestTimesAndStates(t *testing.T) {
	t.Parallel()
	s := serve(t, nil)
	s.example(t)
	t.Run("R2.4 http: milliseconds for main logs, ISO 8601 for the others, null while unfinished", func(t *testing.T) {
		main := s.get(t, flowOf+"&log_type=1")["results"].([]any)[0].(map[string]any)
		require.Equal(t, "1687519997186", main["created"])
		require.Nil(t, main["finished"])
		sub := main["sub_flows"].([]any)[0].(map[string]any)
		require.Equal(t, "2023-06-23T11:33:17.898+00:00", sub["created"])
		require.Equal(t, "2023-06-23T11:33:42.00073+00:00", sub["finished"])
		line := s.get(t, flowOf+"&log_type=3")["results"].([]any)[0].(map[string]any)
		require.Equal(t, "2023-06-23T11:33:18.46+00:00", line["created"])
	})
	t.Run("R2.9 http: a run started in another run's step is a main log of its own, and nested in the tree", func(t *testing.T) {
		parent := s.Server("edge-1").Service("orders").Operation("parent")
		ctx, _ := parent.Start(t.Context(), logger.ID("top"), logger.Project("p"))
		ctx, _ = logger.StartStep(ctx, "call", logger.ID("calls"))
		ctx, _ = s.Server("edge-1").Service("orders").Operation("child").Start(ctx, logger.ID("below"), logger.Project("p"))
		logger.StartStep(ctx, "work", logger.Iteration(1, "a"))
		ctx, beside := s.Server("edge-1").Service("orders").Operation("grandchild").Start(ctx, logger.ID("outside a step"), logger.Project("p"))
		s.Server("edge-1").Service("orders").Operation("grandchild").Start(ctx, logger.ID("three deep"), logger.Project("p"))
		s.set(t, "2023-06-23T11:33:52Z")
		beside.End(nil)
		child := s.get(t, "/logs?projectid=p&flowId=child&log_type=1")["results"].([]any)[0].(map[string]any)
		require.Equal(t, "parent", child["parent_process_group_id"])
		tree := s.data(t, "/runs/top/steps")
		require.Equal(t, true, tree["whole"])
		below := tree["run"].(map[string]any)["steps"].([]any)[0].(map[string]any)["runs"].([]any)[0].(map[string]any)
		require.Equal(t, "below", below["run"])
		require.Equal(t, "top", below["parent_run"])
		require.Equal(t, "calls", below["parent_step"])
		outside := below["runs"].([]any)[0].(map[string]any)
		require.Equal(t, "outside a step", outside["run"])
		require.Equal(t, json.Number("9999232000"), outside["duration_ns"])
		require.Equal(t, "2023-06-23T11:33:52Z", outside["ended"])
		require.Equal(t, "three deep", outside["runs"].([]any)[0].(map[string]any)["run"])
		require.Nil(t, below["ended"])
		work := below["steps"].([]any)[0].(map[string]any)
		require.Equal(t, map[string]any{"index": json.Number("1"), "value": "a"}, work["iteration"])
		require.Len(t, s.data(t, "/entries?rootRunId=top&kind=run")["entries"], 5)
		require.Equal(t, "below", s.data(t, "/runs/below/steps")["run"].(map[string]any)["run"])
		s.refused(t, http.StatusNotFound, "/runs/nothing/steps")
	})
	t.Run("R2.9 http: a run whose id the host took from elsewhere, an address or a path", func(t *testing.T) {
		for _, id := range []string{"https://ci.example.com/build/7", "a/../b", "/a/", "//", "./a", "..", "50% ä+b?c#d;e"} {
			s.Server("edge-1").Service("orders").Operation("build").Start(t.Context(), logger.ID(id))
			path := "/runs/" + strings.ReplaceAll(url.PathEscape(id), ".", "%2E") + "/steps"
			require.Equal(t, id, s.data(t, path)["run"].(map[string]any)["run"])
		}
	})
}

func TestDownload(t *testing.T) {
	t.Parallel()
	s := serve(t, nil)
	s.example(t)
	main := s.get(t, flowOf+"&log_type=1")["results"].([]any)[0].(map[string]any)
	id := main["id"].(json.Number).String()
	of := func(id string) string {
		return "/logs/download?id=" + id + "&flowId=123456-12345-1234&projectid=98765-9876-9875"
	}
	open := func(t *testing.T, packed []byte) map[string]any {
		t.Helper()
		z, err := zip.NewReader(bytes.NewReader(packed), int64(len(packed)))
		require.NoError(t, err)
		file, err := z.File[0].Open()
		require.NoError(t, err)
		text, err := io.ReadAll(file)
		require.NoError(t, err)
		return decode(t, string(text))
	}
	t.Run("R2.6 http: base64 text of a zip whose first entry is the log with its details", func(t *testing.T) {
		a := do(t, s, http.MethodGet, of(id)+"&projectslug=my%20shop%2F..", "")
		require.Equal(t, http.StatusOK, a.status)
		require.Equal(t, "text/plain; charset=us-ascii", a.header.Get("Content-Type"))
		require.Equal(t, `attachment; filename=my-shop-log-`+id+`.zip.b64`, a.header.Get("Content-Disposition"))
		packed, err := base64.StdEncoding.DecodeString(a.body)
		require.NoError(t, err)
		log := open(t, packed)
		require.Equal(t, main, log["log"])
		require.Equal(t, map[string]any{"full": true}, log["request"])
		require.Len(t, log["steps"], 2)
		require.Len(t, log["lines"], 3)
		require.Equal(t, map[string]any{"rows": json.Number("2")}, log["steps"].([]any)[1].(map[string]any)["response"])
	})
	t.Run("R2.6 http: as a zip, for sub and line logs, under either name of the project", func(t *testing.T) {
		a := do(t, s, http.MethodGet, of(id)+"&format=zip", "")
		require.Equal(t, "application/zip", a.header.Get("Content-Type"))
		require.Equal(t, main, open(t, []byte(a.body))["log"])
		line := s.get(t, flowOf+"&log_type=3")["results"].([]any)[0].(map[string]any)
		a = do(t, s, http.MethodGet, strings.Replace(of(line["id"].(json.Number).String()), "projectid", "projectId", 1)+"&format=zip", "")
		require.Equal(t, line, open(t, []byte(a.body))["log"])
	})
	t.Run("R2.6 http: more than memory holds goes through a file, whole", func(t *testing.T) {
		ctx, run := s.Server("e").Service("o").Operation("big").Start(t.Context(), logger.Project("p"))
		for i := range 6000 {
			logger.FromContext(ctx).Info("line", zap.String("noise", fmt.Sprintf("%x", noise(uint64(i)))))
		}
		run.End(errors.New("no"))
		id := s.get(t, "/logs?projectid=p&flowId=big&log_type=1")["results"].([]any)[0].(map[string]any)["id"].(json.Number).String()
		a := do(t, s, http.MethodGet, "/logs/download?projectId=p&flowId=big&id="+id, "")
		require.Greater(t, len(a.body), 1<<20)
		require.Equal(t, strconv.Itoa(len(a.body)), a.header.Get("Content-Length"))
		packed, err := base64.StdEncoding.DecodeString(a.body)
		require.NoError(t, err)
		require.Len(t, open(t, packed)["lines"], 6000)
	})
	t.Run("R2.7 http: 400 and 404 of the download", func(t *testing.T) {
		for target, param := range map[string]string{
			"/logs/download?projectId=p&flowId=f":       "id",
			"/logs/download?projectId=p&flowId=f&id=":   "id",
			"/logs/download?projectId=p&flowId=f&id=x":  "id",
			"/logs/download?projectId=p&flowId=f&id=0":  "id",
			"/logs/download?projectId=p&flowId=f&id=-1": "id",
			"/logs/download?id=1&flowId=f":              "projectId",
			"/logs/download?id=1&projectId=p":           "flowId",
			of(id) + "&format=tar":                      "format",
			of("9007199254740992"):                      "id",
			of(id) + "&log_type=1":                      "log_type",
		} {
			require.Equal(t, param, refusal(t, http.StatusBadRequest, do(t, s, http.MethodGet, target, ""))["param"], target)
		}
		for _, target := range []string{
			of("9007199254740991"), of("1"),
			"/logs/download?flowId=other&projectid=98765-9876-9875&id=" + id, "/logs/download?flowId=123456-12345-1234&projectid=other&id=" + id,
		} {
			s.refused(t, http.StatusNotFound, target)
		}
	})
}

// noise is 200 bytes that do not compress, always the same for a number.
func noise(n uint64) []byte {
	b := make([]byte, 200)
	for i := range b {
		n = n*6364136223846793005 + 1442695040888963407
		b[i] = byte(n >> 56)
	}
	return b
}

func TestHandlersApart(t *testing.T) {
	t.Parallel()
	s := serve(t, nil)
	s.example(t)
	options := &httpapi.Options{Authorize: httpapi.AllowAll()}
	flow, err := httpapi.FlowHandler(s.Query(), options)
	require.NoError(t, err)
	api, err := httpapi.APIHandler(s.Query(), options)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, do(t, flow, http.MethodGet, flowOf+"&log_type=1", "").status)
	require.Equal(t, http.StatusBadRequest, do(t, flow, http.MethodGet, "/logs", "").status)
	require.Equal(t, http.StatusOK, do(t, api, http.MethodGet, "/logs", "").status)
	require.Equal(t, http.StatusBadRequest, do(t, api, http.MethodGet, flowOf+"&log_type=1", "").status)
	require.Equal(t, http.StatusNotFound, do(t, api, http.MethodGet, "/logs/download", "").status)
}
