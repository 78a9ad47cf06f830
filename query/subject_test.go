package query_test

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"

	"github.com/steplog/steplog/internal/journal"
	"github.com/steplog/steplog/internal/line"
	"github.com/steplog/steplog/internal/runs"
	"github.com/steplog/steplog/internal/vfs"
	"github.com/steplog/steplog/query"
	"github.com/steplog/steplog/query/querytest"
	"github.com/steplog/steplog/query/querytest/oracle"
	"github.com/steplog/steplog/rotation"
)

// messageCodes gives codes to those of all tests.
var messageCodes = line.NewMessages()

// openJournal opens a folder for writing; nil is the real file system.
func openJournal(t testing.TB, fsys vfs.FS, dir string, rule rotation.Rule) *journal.Journal {
	t.Helper()
	j, err := journal.Open(dir, journal.Options{FS: fsys, Rule: rule, KeepOpen: func(*runs.Run) bool { return true },
		Messages: messageCodes, OnProblem: func(err error) { t.Error(err) }})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, j.Close()) })
	return j
}

// appendEntries stores entries as a logger would.
//
// Most rows tell what their messages are, as in a folder that was asked lately.
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
		meta := journal.Meta{Time: rec.Time, Level: rec.Level, Kind: rec.Kind, Message: messageCodes.Code(rec.Message)}
		if rec.Kind == line.KindRun || rec.Kind == line.KindStep {
			meta.Lifecycle = &rec.Lifecycle
		}
		if _, err := f.Append(j.Owner(rec.Identity), meta, e.Text[1:]); err != nil {
			t.Error(err)
			return
		}
	}
}

// folderText reads a folder's files as anybody would. A file that is renamed or
// compressed between the listing and the reading makes it begin again.
func folderText(t testing.TB, dir string) []oracle.Line {
	t.Helper()
	for {
		entries, err := os.ReadDir(dir)
		require.NoError(t, err)
		plain := map[string]string{} // base name → the file to read
		for _, e := range entries {
			base := strings.TrimSuffix(strings.TrimSuffix(e.Name(), ".gz"), ".zst")
			if _, have := plain[base]; strings.HasSuffix(base, ".log") && (!have || e.Name() == base) {
				plain[base] = filepath.Join(dir, e.Name())
			}
		}
		lines, err := filesText(plain)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		require.NoError(t, err)
		again, err := os.ReadDir(dir)
		require.NoError(t, err)
		if slices.EqualFunc(entries, again, func(a, b os.DirEntry) bool { return a.Name() == b.Name() }) {
			return lines
		}
	}
}

func filesText(files map[string]string) ([]oracle.Line, error) {
	var lines []oracle.Line
	for base, name := range files {
		content, err := fileText(name)
		if err != nil {
			return nil, err
		}
		log := strings.TrimSuffix(base, ".log")
		if at := strings.Index(log, "-20"); at > 0 {
			log = log[:at]
		}
		for text := range bytes.Lines(content) {
			lines = append(lines, oracle.Line{File: log, Text: bytes.TrimSuffix(text, []byte("\n"))})
		}
	}
	return lines, nil
}

func fileText(name string) ([]byte, error) {
	content, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	switch filepath.Ext(name) {
	case ".gz":
		r, err := gzip.NewReader(bytes.NewReader(content))
		if err != nil {
			return nil, err
		}
		return io.ReadAll(r)
	case ".zst":
		r, err := zstd.NewReader(bytes.NewReader(content))
		if err != nil {
			return nil, err
		}
		defer r.Close()
		return io.ReadAll(r)
	default:
		return content, nil
	}
}

// inFolder returns how to open a store in a folder that is asked in the process
// that writes it.
func inFolder(rule rotation.Rule) func(t *testing.T) querytest.Subject {
	return func(t *testing.T) querytest.Subject {
		dir := t.TempDir()
		return subject(openJournal(t, nil, dir, rule), nil, dir)
	}
}

// readOnly returns how to open a folder that is asked through query.Open while
// somebody else writes it.
func readOnly(rule rotation.Rule) func(t *testing.T) querytest.Subject {
	return func(t *testing.T) querytest.Subject {
		dir := t.TempDir()
		j := openJournal(t, nil, dir, rule)
		e, err := query.Open(dir)
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, e.Close()) })
		s := subject(j, e, dir)
		// Another process sees a record once it is in the text.
		s.Append = func(t testing.TB, entries []querytest.Entry) {
			appendEntries(t, j, entries)
			flush(t, j)
		}
		return s
	}
}

// flush has the text hold everything that was appended.
func flush(t testing.TB, j *journal.Journal) {
	if err := j.Flush(); err != nil {
		t.Error(err)
	}
}

func subject(j *journal.Journal, e *query.Engine, dir string) querytest.Subject {
	if e == nil {
		e = query.New(query.OverJournal(j))
	}
	return querytest.Subject{
		Engine: e,
		Append: func(t testing.TB, entries []querytest.Entry) { appendEntries(t, j, entries) },
		Text: func(t testing.TB) []oracle.Line {
			flush(t, j)
			return folderText(t, dir)
		},
	}
}

// inMemory opens a store without a disk.
func inMemory(t *testing.T) querytest.Subject {
	j := openJournal(t, vfs.NewMem(), "logs", rotation.Rule{})
	s := subject(j, nil, "")
	s.Text = func(t testing.TB) []oracle.Line {
		t.Helper()
		flush(t, j)
		return memoryText(t, j)
	}
	return s
}

// memoryText reads the text of a journal through its folder.
func memoryText(t testing.TB, j *journal.Journal) (lines []oracle.Line) {
	t.Helper()
	infos, err := j.Folder().List()
	require.NoError(t, err)
	for _, info := range infos {
		text, err := j.Folder().Open(info.Name)
		require.NoError(t, err)
		content, err := io.ReadAll(text)
		require.NoError(t, err)
		require.NoError(t, text.Close())
		for line := range bytes.Lines(content) {
			lines = append(lines, oracle.Line{File: info.Log, Text: bytes.TrimSuffix(line, []byte("\n"))})
		}
	}
	return lines
}
