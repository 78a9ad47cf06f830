package oracle_test

import (
	"encoding/json"
	"go/parser"
	"go/token"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/steplog/steplog/query/querytest/oracle"
)

// TestImports keeps the oracle apart from what it checks.
func TestImports(t *testing.T) {
	files, err := filepath.Glob("*.go")
	require.NoError(t, err)
	require.Greater(t, len(files), 1)
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ImportsOnly)
		require.NoError(t, err)
		for _, i := range f.Imports {
			path, err := strconv.Unquote(i.Path.Value)
			require.NoError(t, err)
			require.NotContains(t, path, ".", "%s imports %s, which is not of the standard library", name, path)
		}
	}
}

func read(t *testing.T, lines ...string) *oracle.Text {
	t.Helper()
	var all []oracle.Line
	for _, l := range lines {
		all = append(all, oracle.Line{File: "user", Text: []byte(l)})
	}
	text, err := oracle.Read(all)
	require.NoError(t, err)
	return text
}

func line(seq int, rest string) string {
	return `{"seq":` + strconv.Itoa(seq) + `,"timestamp":"2026-11-21T02:03:04.000000000Z","level":"info","kind":"line"` + rest + `}`
}

func TestRead(t *testing.T) {
	text := read(t, line(2, ``), `{"no":"record"}`, line(1, ``))
	require.Len(t, text.Records, 2)
	require.EqualValues(t, 1, text.Records[0].Seq)
	require.Equal(t, time.Date(2026, 11, 21, 2, 3, 4, 0, time.UTC), text.Records[0].Time)

	for _, bad := range []string{`{`, `{"seq":1}`, `{"seq":-1,"timestamp":"2026-11-21T02:03:04Z"}`} {
		_, err := oracle.Read([]oracle.Line{{File: "user", Text: []byte(bad)}})
		require.Error(t, err, bad)
	}
	_, err := oracle.Read([]oracle.Line{{Text: []byte(line(1, ``))}, {Text: []byte(line(1, ``))}})
	require.ErrorContains(t, err, "twice")
}

func TestSearch(t *testing.T) {
	found := func(message, search string, want bool) {
		t.Helper()
		quoted, err := json.Marshal(message)
		require.NoError(t, err)
		text := read(t, line(1, `,"message":`+string(quoted)))
		require.Len(t, text.Select(oracle.Filter{Search: search}, 0), map[bool]int{true: 1}[want], "%q in %q", search, message)
	}
	found("Price sync", "", true)
	found("Price sync", "sYNC pri", true)
	found("Price sync", `"pri sync"`, false)
	found("Price sync", `"ice sy"`, true)
	found("Price sync", `"ice sy`, true)
	found("Price sync", `""`, true)
	found("Price sync", "price-sync", false)
	found("\u001b[31mPr\u001b[0mice", "price", true)
	found("\u001b[31mPr\u001b[0mice", "31m", false)
	found("\u001b[31", "[31", true)
	found("a\u001b]0;title\u0007b", "ab", true)
	found("273 \u212a", "273 k", true)
	found("ΟΔΟΣ", "οδος", true)
	found("straße", "STRASSE", false)
}

func TestValues(t *testing.T) {
	values := func(details, path string, want ...string) {
		t.Helper()
		text := read(t, line(1, `,"details":`+details))
		require.Equal(t, want, text.Records[0].Values(path))
	}
	values(`{"sku":"A-1"}`, "sku", "A-1")
	values(`{"a.b":1,"a":{"b":2}}`, "a.b", "1")
	values(`{"a":{"b":2}}`, "a.b", "2")
	values(`{"a":[{"b":1.0},{"b":[true,null,{"c":1}]}]}`, "a.b", "1.0", "true", "null")
	values(`{"a":{"b.c":1}}`, "a.b.c")
	values(`{"a":1,"a":2}`, "a", "2")
	values(`{"a":"x"}`, "a.b")
	values(`{}`, "a")
}

func TestSelect(t *testing.T) {
	text := read(t, line(1, `,"run":"r","details":{"a":1}`), line(2, `,"run":"c","root_run":"r","topic":"system"`), line(3, ``))
	seqs := func(f oracle.Filter, asOf uint64) (s []uint64) {
		for _, r := range text.Select(f, asOf) {
			s = append(s, r.Seq)
		}
		return s
	}
	eq := &oracle.Expr{Op: "eq", Field: "a", Value: "1"}
	require.Equal(t, []uint64{1, 2, 3}, seqs(oracle.Filter{}, 0))
	require.Equal(t, []uint64{1, 2}, seqs(oracle.Filter{}, 2))
	require.Equal(t, []uint64{1, 2}, seqs(oracle.Filter{RootRun: "r"}, 0))
	require.Equal(t, []uint64{2}, seqs(oracle.Filter{Topic: "system"}, 0))
	require.Equal(t, []uint64{1}, seqs(oracle.Filter{Where: eq}, 0))
	require.Equal(t, []uint64{2, 3}, seqs(oracle.Filter{Where: &oracle.Expr{Op: "not", Args: []*oracle.Expr{eq}}}, 0))
	require.Empty(t, seqs(oracle.Filter{Where: &oracle.Expr{Op: "or"}}, 0))
	require.Equal(t, []uint64{1, 2, 3}, seqs(oracle.Filter{Where: &oracle.Expr{Op: "and"}}, 0))
	require.Empty(t, seqs(oracle.Filter{NoLevel: true}, 0))
	require.Empty(t, seqs(oracle.Filter{Files: []string{"usage"}}, 0))
	require.Len(t, text.Around(1, 5, 5), 1)
	require.Nil(t, text.Around(9, 1, 1))
}

func TestHistory(t *testing.T) {
	record := func(seq int, kind, rest string) string {
		return strings.Replace(line(seq, rest), `"line"`, `"`+kind+`"`, 1)
	}
	text := read(t,
		record(1, "run", `,"run":"r","phase":"start","triggered_by":" me "`),
		record(2, "step", `,"run":"r","step":"s","phase":"start","iteration":{"index":2}`),
		line(3, `,"run":"r","step":"s"`),
		record(4, "step", `,"run":"r","step":"s","phase":"end","id":2,"outcome":"failed","implied":true`),
		record(5, "step", `,"run":"r","step":"s","phase":"end","id":2,"outcome":"succeeded","processed":0`),
		record(6, "run", `,"run":"q","phase":"start"`),
	)
	runs, steps := text.History()
	require.Len(t, runs, 2)
	require.Len(t, steps, 1)
	require.Equal(t, 2, runs[0].State)
	require.Equal(t, "me", steps[0].TriggeredBy)
	require.Equal(t, 4, steps[0].Status)
	require.Equal(t, 3, steps[0].RowNum)
	require.Equal(t, 2, steps[0].Order)
	require.Equal(t, map[string]int64{"info": 1}, runs[0].Lines)
	require.Equal(t, 1, runs[1].State)
	require.Len(t, oracle.Choose(runs, oracle.HistoryFilter{TriggeredBy: "System"}, 0), 1)
	require.Empty(t, oracle.Choose(runs, oracle.HistoryFilter{TriggeredBy: "System"}, 5))
}
