package main

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestOperations(t *testing.T) {
	t.Parallel()
	const rows = `[{"sku": "A", "net": "10.00", "at": {"shop": true}}, {"sku": "B", "net": 0.333, "at": {"shop": false}}, {"sku": "A", "net": 3}]`
	for _, test := range []struct{ name, from, do, want string }{
		{"filter is", rows, `{"filter": {"field": "at.shop", "is": true}}`, `[{"sku": "A", "net": "10.00", "at": {"shop": true}}]`},
		{"filter matches", rows, `{"filter": {"field": "sku", "matches": "(?i)^b$"}}`, `[{"sku": "B", "net": 0.333, "at": {"shop": false}}]`},
		{"filter range", rows, `{"filter": {"field": "net", "above": 1, "below": 10}}`, `[{"sku": "A", "net": 3}]`},
		{"filter without the field", rows, `{"filter": {"field": "nothing"}}`, `[]`},
		{"pick", `[{"item": {"sku": "A"}, "x": 1}]`, `{"pick": ["item.sku"]}`, `[{"sku": "A"}]`},
		{"rename", `[{"a": 1, "b": 2}]`, `{"rename": {"a": "c"}}`, `[{"c": 1, "b": 2}]`},
		{"multiply", `[{"net": "10.01"}, {"net": 1}]`, `{"multiply": {"field": "net", "by": 1.19, "round": 2, "into": "gross"}}`, `[{"net": "10.01", "gross": 11.91}, {"net": 1, "gross": 1.19}]`},
		{"format", `[{"a": "{b}", "b": 1000000, "c": [1]}]`, `{"format": {"text": "<{a}> {b} {c.0}", "into": "t"}}`, `[{"a": "{b}", "b": 1000000, "c": [1], "t": "<{b}> 1000000 1"}]`},
		{"extract", `["x v1.2", "nothing"]`, `{"extract": {"field": "line", "pattern": "(?P<name>\\S+) v(?P<version>\\S+)"}}`, `[{"name": "x", "version": "1.2"}]`},
		{"choose", `[{"t": "MIT License"}, {"t": "?"}]`, `{"choose": {"field": "t", "into": "l", "cases": [{"matches": "MIT", "then": "MIT"}], "else": "unknown"}}`, `[{"t": "MIT License", "l": "MIT"}, {"t": "?", "l": "unknown"}]`},
		{"unique", `[{"a": 1}, {"a": 1, "b": 2}, {"a": 2}]`, `{"unique": "a"}`, `[{"a": 1}, {"a": 2}]`},
		{"only", `[{"a": {"b": 1}}]`, `{"only": "a.b"}`, `[1]`},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got, err := applyJSON(test.from, test.do)
			require.NoError(t, err)
			text, err := json.Marshal(got)
			require.NoError(t, err)
			require.JSONEq(t, test.want, string(text))
		})
	}
}

func TestOperationsThatFail(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ name, from, do, want string }{
		{"no operation", `[{}]`, `{}`, "none is named"},
		{"unknown operation", `[{}]`, `{"sort": "a"}`, "unknown field"},
		{"bad pattern", `[{}]`, `{"filter": {"field": "a", "matches": "("}}`, "missing closing"},
		{"row that is a number", `[{"a": 1}, 2]`, `{"only": "a"}`, "row 2"},
		{"no such field", `[{"a": 1}]`, `{"pick": ["b"]}`, `"b"`},
		{"not a number", `[{"a": "x"}]`, `{"multiply": {"field": "a", "by": 2, "into": "b"}}`, "invalid syntax"},
		{"open brace", `[{"a": 1}]`, `{"format": {"text": "{a", "into": "b"}}`, "not closed"},
		{"no pattern", `[{"a": 1}]`, `{"extract": {"field": "a"}}`, "needs a pattern"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			_, err := applyJSON(test.from, test.do)
			require.ErrorContains(t, err, test.want)
		})
	}
}

// FuzzOperation checks that no operation on no rows panics, and that the rows
// it was given are still what they were.
func FuzzOperation(f *testing.F) {
	f.Add(`[{"a": "{b}", "b": 1}]`, `{"format": {"text": "<{a}>", "into": "a"}}`)
	f.Add(`["x v1"]`, `{"extract": {"field": "line", "pattern": "(?P<n>.)"}}`)
	f.Add(`[{"a": 1e300}]`, `{"multiply": {"field": "a", "by": 1e300, "round": 400, "into": "a"}}`)
	f.Add(`[{"a": {"b": null}}]`, `{"choose": {"field": "a.b", "into": "c", "cases": [{"then": "x"}]}}`)
	f.Fuzz(func(t *testing.T, from, do string) {
		var rows, before []any
		var operation operation
		if json.Unmarshal([]byte(from), &rows) != nil || decodeStrict([]byte(do), &operation) != nil {
			return
		}
		require.NoError(t, json.Unmarshal([]byte(from), &before))
		_, _ = operation.apply(rows)
		require.Equal(t, before, rows)
	})
}

// applyJSON applies one operation to rows, both as JSON.
func applyJSON(from, do string) ([]any, error) {
	var rows []any
	if err := json.Unmarshal([]byte(from), &rows); err != nil {
		return nil, err
	}
	var operation operation
	if err := decodeStrict([]byte(do), &operation); err != nil {
		return nil, err
	}
	return operation.apply(rows)
}
