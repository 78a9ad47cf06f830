package e2e

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/stretchr/testify/require"

	"github.com/steplog/steplog/logger"
	"github.com/steplog/steplog/query/httpapi"
)

// TestParametersAreThoseOfTheDocument asks every path with every parameter that
// the document has for it, at and beyond the limits that it states.
func TestParametersAreThoseOfTheDocument(t *testing.T) {
	store := logger.OpenMemory(nil)
	t.Cleanup(func() { require.NoError(t, store.Close()) })
	_, run := store.Server("edge-1").Service("orders").Operation("flow-1").Start(t.Context(), logger.Project("p-1"), logger.ID("run-1"))
	run.Info("a line")
	run.End(nil)
	store.Audit()
	handler, err := httpapi.New(store.Query(), &httpapi.Options{Store: store, Authorize: httpapi.AllowAll(),
		OnProblem: func(err error) { t.Errorf("the handler reports: %v", err) }})
	require.NoError(t, err)

	doc := document(t)
	asked := 0
	for _, path := range slices.Sorted(maps.Keys(doc.Paths.Map())) {
		operation := doc.Paths.Find(path).Get
		if operation == nil {
			continue
		}
		at := strings.NewReplacer("/runs/{id}", "/runs/run-1", "/audit/{id}", "/audit/0", "{id}", "1", "{name}", "user.log").Replace(path)
		method := http.MethodGet
		if path == "/tail" {
			method = http.MethodHead // its answer does not end
		}
		ask := func(values url.Values) (int, string, string) {
			w := httptest.NewRecorder()
			handler.ServeHTTP(w, httptest.NewRequest(method, at+"?"+values.Encode(), nil))
			var e struct{ Message, Param string }
			if w.Code >= 400 {
				require.NoError(t, json.Unmarshal(w.Body.Bytes(), &e))
			}
			asked++
			return w.Code, e.Param, e.Message
		}
		code, param, message := ask(url.Values{"no-such": {"1"}})
		if !slices.Contains([]string{"/healthz", "/openapi.yaml"}, path) {
			require.Equal(t, http.StatusBadRequest, code, path)
			require.Equal(t, "no-such", param, path)
			require.Contains(t, message, "no-such", path)
		}
		for _, ref := range operation.Parameters {
			p := ref.Value
			if p.In != openapi3.ParameterInQuery {
				continue
			}
			t.Run(path+" "+p.Name, func(t *testing.T) {
				schema := p.Schema.Value
				base := companions(operation, p.Name)
				with := func(value string) (int, string, string) {
					values := maps.Clone(base)
					values.Set(p.Name, value)
					return ask(values)
				}
				for _, value := range right(schema, p.Name) {
					code, _, message := with(value)
					require.Contains(t, []int{http.StatusOK, http.StatusNotFound}, code, "%s=%s: %s", p.Name, value, message)
				}
				for _, value := range wrong(schema) {
					code, param, message := with(value)
					require.Equal(t, http.StatusBadRequest, code, "%s=%.40s", p.Name, value)
					require.Equal(t, p.Name, param, message)
				}
				if !schema.Type.Is(openapi3.TypeArray) {
					values := maps.Clone(base)
					values[p.Name] = append(slices.Clone(right(schema, p.Name)[:1]), right(schema, p.Name)[0])
					code, param, _ := ask(values)
					require.Equal(t, http.StatusBadRequest, code, "twice")
					require.Equal(t, p.Name, param)
				}
				if p.Required {
					values := maps.Clone(base)
					values.Del(p.Name)
					code, param, _ := ask(values)
					require.Equal(t, http.StatusBadRequest, code, "missing")
					require.Equal(t, p.Name, param)
				}
			})
		}
	}
	t.Logf("%d questions", asked)
}

// companions are the parameters that another one needs beside it.
func companions(o *openapi3.Operation, name string) url.Values {
	values := url.Values{}
	flow := slices.Contains([]string{"log_type", "flowId", "projectid", "projectId", "page", "filename_uuid", "original_filename_uuid",
		"search_field.1", "search_value.1"}, name)
	switch {
	case o.OperationID == "listLogs" && flow:
		values = url.Values{"log_type": {"3"}, "flowId": {"flow-1"}, "projectid": {"p-1"}}
		if name == "log_type" || name == "page" {
			values.Set("log_type", "1")
		}
	case o.OperationID == "downloadLog":
		values = url.Values{"id": {"1"}, "projectId": {"p-1"}, "flowId": {"flow-1"}}
	case o.OperationID == "getFacets":
		values = url.Values{"field": {"level"}}
	case o.OperationID == "viewFile" && name == "limit":
		values = url.Values{"offset": {"0"}}
	case name == "columns" || name == "cells":
		values = url.Values{"format": {"csv"}}
	}
	if name == "projectid" || name == "projectId" { // two names of one thing
		values.Del("projectid")
		values.Del("projectId")
	}
	if partner, ok := map[string]string{"field.1": "value.1", "value.1": "field.1", "search_field.1": "search_value.1",
		"search_value.1": "search_field.1"}[name]; ok {
		values.Set(partner, "x")
	}
	return values
}

// right are values that a parameter may have.
func right(s *openapi3.Schema, name string) (values []string) {
	for _, v := range s.Enum {
		values = append(values, fmt.Sprint(v))
	}
	if s.Default != nil {
		values = append(values, fmt.Sprint(s.Default))
	}
	if s.Min != nil {
		values = append(values, strconv.FormatFloat(*s.Min, 'f', -1, 64))
	}
	if s.Max != nil {
		values = append(values, strconv.FormatFloat(*s.Max, 'f', -1, 64))
	}
	if s.Format == "date-time" {
		values = append(values, "2023-10-27T09:00:00Z", "2023-10-27T09:00:00.123456789+02:00")
	}
	if len(values) > 0 {
		return values
	}
	if known, ok := map[string]string{"level": "ERROR,warn", "minLevel": "Warning", "kind": "line,event", "in": "user,usage", "eventType": "create,update",
		"ip": "10.0.0.0/8", "interval": "5m", "columns": "message,details.a", "name": "user.log", "cursor": ""}[name]; ok {
		return []string{known}
	}
	return []string{"x"}
}

// wrong are values that it must not have.
func wrong(s *openapi3.Schema) (values []string) {
	if len(s.Enum) > 0 {
		values = append(values, "no-such")
	}
	if s.Type.Is(openapi3.TypeInteger) {
		values = append(values, "", "x", "1.5", "1e3", "+1", "99999999999999999999")
		if s.Min != nil {
			values = append(values, strconv.FormatFloat(*s.Min-1, 'f', -1, 64))
		}
		if s.Max != nil {
			values = append(values, strconv.FormatFloat(*s.Max+1, 'f', -1, 64))
		}
	}
	if s.Format == "date-time" {
		values = append(values, "yesterday", "2023-10-27", "2023-13-01T00:00:00Z")
	}
	if s.Type.Is(openapi3.TypeString) {
		most := 1024
		if s.MaxLength != nil {
			most = int(*s.MaxLength)
		}
		values = append(values, strings.Repeat("x", most+1), "a\x00b", "\xff")
	}
	return values
}
