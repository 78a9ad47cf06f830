package query_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/steplog/steplog/internal/journal"
	"github.com/steplog/steplog/internal/line"
	"github.com/steplog/steplog/internal/vfs"
	"github.com/steplog/steplog/query"
	"github.com/steplog/steplog/query/querytest"
	"github.com/steplog/steplog/query/querytest/oracle"
)

// openJournal opens a folder for writing; nil is the real file system.
func openJournal(t testing.TB, fs vfs.FS, dir string) *journal.Journal {
	t.Helper()
	j, err := journal.Open(dir, journal.Options{FS: fs, KeepOpen: func(*journal.Run) bool { return true }})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, j.Close()) })
	return j
}

// appendEntries stores entries as a logger would.
func appendEntries(t testing.TB, j *journal.Journal, entries []querytest.Entry) {
	for _, e := range entries {
		var rec line.Record
		if !bytes.HasPrefix(e.Text, []byte("{")) || line.Parse(append([]byte(`{"seq":1,`), e.Text[1:]...), &rec) != nil {
			t.Errorf("not a record: %s", e.Text)
			return
		}
		f, err := j.File(e.File)
		if err != nil {
			t.Error(err)
			return
		}
		meta := journal.Meta{Time: rec.Time, Level: rec.Level, Kind: rec.Kind}
		if rec.Kind == line.KindRun || rec.Kind == line.KindStep {
			meta.Lifecycle = &rec.Lifecycle
		}
		if _, err := f.Append(j.Owner(rec.Identity), meta, e.Text[1:]); err != nil {
			t.Error(err)
			return
		}
	}
}

// folderText reads a folder's files as anybody would.
func folderText(t testing.TB, dir string) []oracle.Line {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "*.log"))
	require.NoError(t, err)
	var lines []oracle.Line
	for _, name := range names {
		content, err := os.ReadFile(name)
		require.NoError(t, err)
		lines = append(lines, split(strings.TrimSuffix(filepath.Base(name), ".log"), content)...)
	}
	return lines
}

// split cuts a file's content into its lines. The name of a rotated file is cut
// to that of its log.
func split(name string, content []byte) []oracle.Line {
	if at := strings.Index(name, "-20"); at > 0 {
		name = name[:at]
	}
	var lines []oracle.Line
	for text := range bytes.Lines(content) {
		lines = append(lines, oracle.Line{File: name, Text: bytes.TrimSuffix(text, []byte("\n"))})
	}
	return lines
}

// inFolder is a store in a folder, asked in the process that writes it.
func inFolder(t *testing.T) querytest.Subject {
	dir := t.TempDir()
	j := openJournal(t, nil, dir)
	return querytest.Subject{
		Engine: query.New(query.OverJournal(j)),
		Append: func(t testing.TB, entries []querytest.Entry) { appendEntries(t, j, entries) },
		Text:   func(t testing.TB) []oracle.Line { return folderText(t, dir) },
	}
}

// inMemory is a store without a disk. Its text is read through the engine: the
// folders show that this text is what is stored.
func inMemory(t *testing.T) querytest.Subject {
	j := openJournal(t, vfs.NewMem(), "logs")
	e := query.New(query.OverJournal(j))
	return querytest.Subject{
		Engine: e,
		Append: func(t testing.TB, entries []querytest.Entry) { appendEntries(t, j, entries) },
		Text:   func(t testing.TB) []oracle.Line { return engineText(t, e) },
	}
}

func engineText(t testing.TB, e *query.Engine) []oracle.Line {
	t.Helper()
	var lines []oracle.Line
	for r, err := range e.All(t.Context(), query.Filter{}) {
		require.NoError(t, err)
		lines = append(lines, oracle.Line{File: r.File, Text: r.Raw})
	}
	return lines
}
