package query_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/steplog/steplog/query"
	"github.com/steplog/steplog/query/querytest"
	"github.com/steplog/steplog/rotation"
)

// spaced returns a line as other programs write the same object: with keys in the order
// of the alphabet, and blanks.
func spaced(t *testing.T, line []byte) []byte {
	var members map[string]json.RawMessage
	require.NoError(t, json.Unmarshal(line, &members))
	sorted, err := json.Marshal(members)
	require.NoError(t, err)
	var b bytes.Buffer
	require.NoError(t, json.Indent(&b, sorted, "", " "))
	return bytes.ReplaceAll(b.Bytes(), []byte("\n"), nil)
}

// Lines that somebody else wrote anew, in another form than that of the writer, are the
// records that they were: read only, while their file is active, and when it is closed.
func TestLinesInAnotherForm(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "logs")
	require.NoError(t, os.CopyFS(dir, os.DirFS(filepath.Join("testdata", "earlier"))))
	var turns bytes.Buffer // lines of three runs by turns, which are grouped when the file is closed
	for n := range 60 {
		fmt.Fprintf(&turns, `{"seq":%d,"timestamp":"2026-11-21T02:03:04.123456789Z","level":"info","kind":"line","run":"run-%d","message":"%d"}`+"\n", 100_000+n, n%3, n)
	}
	require.NoError(t, os.WriteFile(filepath.Join(dir, "turns.log"), turns.Bytes(), 0o600))
	for _, name := range []string{"turns.log", "user.log", "usage.log", "application.log", "email.log"} {
		path := filepath.Join(dir, name)
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		var b bytes.Buffer
		for i, line := range bytes.Split(bytes.TrimSuffix(text, []byte("\n")), []byte("\n")) {
			if i%3 != 1 {
				line = spaced(t, line)
			}
			b.Write(append(line, '\n'))
		}
		require.NoError(t, os.WriteFile(path, b.Bytes(), 0o600))
	}
	ask := func(e *query.Engine, seed uint64) {
		t.Helper()
		querytest.Check(t, e, folderText(t, dir), querytest.Options{Seed: seed, Queries: asked(60)})
	}
	readOnly := func(seed uint64) {
		t.Helper()
		e, err := query.Open(dir)
		require.NoError(t, err)
		defer e.Close()
		ask(e, seed)
	}
	readOnly(1)
	j := openIndexed(t, dir, rotation.Rule{}, nil)
	flush(t, j)
	ask(query.New(query.OverJournal(j)), 2)
	readOnly(3)
	text, err := os.ReadFile(filepath.Join(dir, "turns.log"))
	require.NoError(t, err)
	require.NoError(t, j.Rotate("user"))
	require.NoError(t, j.Rotate("turns"))
	awaitSealed(t, dir)
	ask(query.New(query.OverJournal(j)), 4)
	readOnly(5)

	folder, err := rotation.OpenFolder(dir)
	require.NoError(t, err)
	defer folder.Close()
	closed, err := filepath.Glob(filepath.Join(dir, "turns-*.log.gz"))
	require.NoError(t, err)
	require.Len(t, closed, 1)
	lines, err := folder.Lines(filepath.Base(closed[0]), 1, 1000)
	require.NoError(t, err)
	require.Equal(t, strings.Split(strings.TrimSuffix(string(text), "\n"), "\n"), lines, "in the order of arrival")
}

// A reader goes on in a file whose first line is of another form.
func TestReaderOfLinesInAnotherForm(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "user.log")
	file, err := os.Create(path)
	require.NoError(t, err)
	defer file.Close()
	e, err := query.Open(dir)
	require.NoError(t, err)
	defer e.Close()
	for seq := 1; seq <= 3; seq++ {
		_, err := fmt.Fprintf(file, `{"level": "info", "timestamp": "2026-11-21T02:03:04Z", "kind": "line", "seq": %d, "message": "%d"}`+"\n", seq, seq)
		require.NoError(t, err)
		page, err := e.Records(t.Context(), query.Filter{}, query.Paging{})
		require.NoError(t, err)
		require.Len(t, page.Items, seq)
		require.Equal(t, fmt.Sprint(seq), page.Items[0].Message)
	}
}
