package export_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"github.com/steplog/steplog/export"
	"github.com/steplog/steplog/logger"
	"github.com/steplog/steplog/query"
	"github.com/steplog/steplog/rotation"
)

// coded is an error with a code and a cause.
type coded struct{ cause error }

func (c coded) Error() string { return "price refused: " + c.cause.Error() }
func (c coded) Code() string  { return "E42" }
func (c coded) Unwrap() error { return c.cause }

// run makes a run with two attempts at one action, the first of which fails.
func (s *store) run(t *testing.T) query.MainLog {
	t.Helper()
	ctx, run := s.flow().Start(t.Context(), logger.Project("p-1"), logger.Input(map[string]any{"catalog": "winter"}))
	run.Info("begun")
	for attempt := 1; attempt <= 2; attempt++ {
		actx, step := logger.StartStep(ctx, "write_price", logger.Attempt(attempt),
			logger.Input(map[string]any{"sku": "A-1", "attempt": attempt, "password": "hunter22"}))
		logger.FromContext(actx).Info("asked", zap.Int("attempt", attempt))
		if attempt == 1 {
			logger.FromContext(actx).Warn("slow", zap.Error(errors.New("no answer")))
			step.End(nil, coded{errors.New("no such sku")})
			continue
		}
		step.End([]int{1, 2}, nil)
	}
	run.Output(map[string]any{"written": 1})
	run.End(errors.New("one price is missing"))
	return s.MainLogs(t)[0]
}

func TestZip(t *testing.T) {
	t.Parallel()

	t.Run("R2.6 library: a main log holds its errors, input, steps and lines", func(t *testing.T) {
		t.Parallel()
		s := newStore(t)
		main := s.run(t)
		s.flow().Start(t.Context(), logger.Input("another run")) // whose records must not show
		d := s.document(t, main.ID)

		var log map[string]any
		require.NoError(t, json.Unmarshal(d.Log, &log))
		require.EqualValues(t, main.ID, log["id"])
		require.EqualValues(t, 1, log["log_type"])

		require.Equal(t, []string{"no answer", "price refused: no such sku", "one price is missing"}, values(d.Errors, "message"))
		require.Equal(t, []string{"WARN", "ERROR", "ERROR"}, values(d.Errors, "level"))
		require.Equal(t, []string{"<nil>", "E42", "<nil>"}, values(d.Errors, "code"))
		require.Equal(t, []string{"<nil>", "[no such sku]", "<nil>"}, values(d.Errors, "causes"))
		require.Equal(t, []string{"write_price", "write_price", "flow-1"}, values(d.Errors, "process_group_id"))
		require.Equal(t, []string{main.SubLogs[0].Step, main.SubLogs[0].Step, main.Run}, values(d.Errors, "filename_uuid"))
		require.Equal(t, "2023-06-23T11:33:17.186+00:00", d.Errors[0]["created"])

		require.JSONEq(t, `{"catalog":"winter"}`, string(d.Request))
		require.JSONEq(t, `{"written":1}`, string(d.Response))

		require.Equal(t, []string{main.SubLogs[0].Step, main.SubLogs[1].Step}, values(d.Steps, "filename_uuid"))
		require.Equal(t, map[string]any{"sku": "A-1", "attempt": 1.0, "password": "***"}, d.Steps[0]["request"])
		require.Nil(t, d.Steps[0]["response"])
		require.Equal(t, map[string]any{"sku": "A-1", "attempt": 2.0, "password": "***"}, d.Steps[1]["request"])
		require.Equal(t, []any{1.0, 2.0}, d.Steps[1]["response"])

		require.Equal(t, []string{"begun", "asked", "slow", "asked"}, values(d.Lines, "message"))
		require.Equal(t, []string{"1", "2", "2", "3"}, values(d.Lines, "flow_order"))
	})

	t.Run("R2.6 library: a sub log holds its own errors, input, output and lines", func(t *testing.T) {
		t.Parallel()
		s := newStore(t)
		main := s.run(t)
		first, second := s.document(t, main.SubLogs[0].ID), s.document(t, main.SubLogs[1].ID)
		require.Equal(t, []string{"no answer", "price refused: no such sku"}, values(first.Errors, "message"))
		require.JSONEq(t, `{"sku":"A-1","attempt":1,"password":"***"}`, string(first.Request))
		require.JSONEq(t, `null`, string(first.Response))
		require.Empty(t, first.Steps)
		require.Equal(t, []string{"asked", "slow"}, values(first.Lines, "message"))
		require.Empty(t, second.Errors)
		require.JSONEq(t, `[1,2]`, string(second.Response))
		require.Equal(t, []string{"asked"}, values(second.Lines, "message"))
		require.Equal(t, []string{"3"}, values(second.Lines, "flow_order"))
	})

	t.Run("R2.6 library: a line log holds itself, its error, and what went in and out of its step", func(t *testing.T) {
		t.Parallel()
		s := newStore(t)
		main := s.run(t)
		lines := s.document(t, main.ID).Lines
		begun := s.document(t, id(lines[0]))
		require.Empty(t, begun.Errors)
		require.JSONEq(t, `{"catalog":"winter"}`, string(begun.Request), "outside a step it is the run's")
		slow := s.document(t, id(lines[2]))
		require.Equal(t, []string{"no answer"}, values(slow.Errors, "message"))
		require.JSONEq(t, `{"sku":"A-1","attempt":1,"password":"***"}`, string(slow.Request))
		require.Empty(t, slow.Steps)
		require.Equal(t, []map[string]any{lines[2]}, slow.Lines)
		asked := s.document(t, id(lines[3]))
		require.JSONEq(t, `[1,2]`, string(asked.Response))
	})

	t.Run("R2.6 library: base64 text of it decodes as the document's sample does", func(t *testing.T) {
		t.Parallel()
		s := newStore(t)
		main := s.run(t)
		var body strings.Builder
		w := export.Base64(&body)
		require.NoError(t, export.Zip(t.Context(), w, s.Query(), main.ID))
		require.NoError(t, w.Close())
		require.Regexp(t, `^[A-Za-z0-9+/]+={0,2}$`, body.String())

		decoded, err := base64.StdEncoding.DecodeString(body.String())
		require.NoError(t, err)
		entries := unzip(t, decoded)
		require.Equal(t, fmt.Sprintf("log-%d.json", main.ID), entries[0].name)
		require.True(t, main.Started.Truncate(1e9).Equal(entries[0].modified), "the entry has the time of the log")
		var log map[string]any
		require.NoError(t, json.Unmarshal([]byte(entries[0].text), &log))
		require.Len(t, log, 6)
	})

	t.Run("R2.6 library: a run in progress, a line without a run, a run whose start has expired", func(t *testing.T) {
		t.Parallel()
		s := newStore(t)
		ctx, run := s.flow().Start(t.Context())
		require.EqualValues(t, 1, s.log(t, s.MainLogs(t)[0].ID)["state"])
		_, step := logger.StartStep(ctx, "fetch")

		s.Server("edge-1").To("email").Info("sent")
		page, err := s.Query().Records(t.Context(), query.Filter{Files: []string{"email"}}, query.Paging{})
		require.NoError(t, err)
		for _, r := range page.Items {
			if r.Kind == query.KindLine {
				d := s.document(t, r.Seq)
				require.Equal(t, []string{"sent"}, values(d.Lines, "message"))
				require.JSONEq(t, `null`, string(d.Request))
			}
		}

		main := s.MainLogs(t)[0]
		require.NoError(t, s.Rotate(t.Context(), "usage"))
		step.End(nil, nil)
		run.End(nil)
		files, err := s.Files().List()
		require.NoError(t, err)
		for _, f := range files {
			if f.Log == "usage" && !f.Active {
				require.NoError(t, s.Files().Delete(t.Context(), f.Name))
			}
		}
		_, err = s.Query().Record(t.Context(), main.ID)
		require.ErrorIs(t, err, query.ErrNotFound)
		require.EqualValues(t, 3, s.log(t, main.ID)["state"])
		require.EqualValues(t, 3, s.log(t, main.SubLogs[0].ID)["state"])
	})

	t.Run("R2.6 library: an end that the library wrote is no error once the step has ended itself", func(t *testing.T) {
		t.Parallel()
		s := newStore(t)
		ctx, run := s.flow().Start(t.Context())
		_, late := logger.StartStep(ctx, "late")
		logger.StartStep(ctx, "lost")
		run.End(nil)
		main := s.MainLogs(t)[0]
		require.Equal(t, []string{"late", "lost"}, values(s.document(t, main.ID).Errors, "process_group_id"))
		require.Equal(t, []string{"the run ended first"}, values(s.document(t, main.SubLogs[1].ID).Errors, "message"))
		late.End(nil, nil)
		require.Equal(t, []string{"lost"}, values(s.document(t, main.ID).Errors, "process_group_id"))
	})

	t.Run("R2.6 library: one zip holds the logs of all runs that a filter selects", func(t *testing.T) {
		t.Parallel()
		s := newStore(t)
		const runs = 1003 // more than are asked for at a time
		failed := s.run(t)
		for range runs {
			_, run := s.flow().Start(t.Context())
			run.Info("begun")
			run.End(nil)
		}
		archived := func(f query.RunFilter) ([]entry, int64) {
			var b bytes.Buffer
			n, err := export.ZipRuns(t.Context(), &b, s.Query(), f)
			require.NoError(t, err)
			return unzip(t, b.Bytes()), n
		}
		all, n := archived(query.RunFilter{Operation: "flow-1"})
		require.EqualValues(t, runs+1, n)
		require.Len(t, all, runs+1)
		seen := map[string]bool{}
		for _, e := range all {
			require.True(t, json.Valid([]byte(e.text)), e.name)
			seen[e.name] = true
		}
		require.Len(t, seen, runs+1)
		first := all[0]
		require.Equal(t, fmt.Sprintf("log-%d.json", failed.ID), first.name, "oldest first")
		var alone bytes.Buffer
		require.NoError(t, export.Zip(t.Context(), &alone, s.Query(), failed.ID))
		require.Equal(t, unzip(t, alone.Bytes())[0], first)

		some, n := archived(query.RunFilter{Outcomes: []query.Outcome{query.Failed}})
		require.EqualValues(t, 1, n)
		require.Equal(t, []entry{first}, some)
		none, n := archived(query.RunFilter{Run: "no such run"})
		require.Zero(t, n)
		require.Empty(t, none)
		_, err := export.ZipRuns(t.Context(), io.Discard, s.Query(), query.RunFilter{States: []int{99}})
		require.ErrorAs(t, err, new(*query.InvalidError))
	})

	t.Run("R2.6 library: other ids are not found, and nothing is written", func(t *testing.T) {
		t.Parallel()
		s := newStore(t)
		main := s.run(t)
		newest, err := s.Query().Records(t.Context(), query.Filter{}, query.Paging{})
		require.NoError(t, err)
		known := map[query.Kind]bool{}
		for _, r := range append(newest.Items, query.Record{Seq: 0}, query.Record{Seq: 1 << 52}) {
			if r.Kind == query.KindLine || r.Seq == main.ID || r.Seq == main.SubLogs[0].ID || r.Seq == main.SubLogs[1].ID {
				continue
			}
			known[r.Kind] = true
			var b bytes.Buffer
			require.ErrorIs(t, export.Zip(t.Context(), &b, s.Query(), r.Seq), query.ErrNotFound, "%s", r.Raw)
			require.Zero(t, b.Len())
		}
		require.Len(t, known, 5, "ends of runs and steps, captures, events, none")
	})

	t.Run("a context that has ended and a writer that fails are errors", func(t *testing.T) {
		t.Parallel()
		s := newStore(t)
		main := s.run(t)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		require.ErrorIs(t, export.Zip(ctx, io.Discard, s.Query(), main.ID), context.Canceled)
		require.ErrorIs(t, export.Zip(t.Context(), full{}, s.Query(), main.ID), errFull)
	})
}

func TestFiles(t *testing.T) {
	t.Parallel()

	t.Run("R1.5 library: a zip of all files, compressed ones as text in the order of arrival", func(t *testing.T) {
		t.Parallel()
		s := newStore(t)
		require.NoError(t, s.SetFileRule(t.Context(), "user", logger.FileRule{Rotation: rotation.Rule{Compression: rotation.Gzip}}))
		s.run(t)
		require.NoError(t, s.Rotate(t.Context(), "user"))
		s.run(t)
		require.Eventually(t, func() bool {
			files, err := s.Files().List()
			require.NoError(t, err)
			for _, f := range files {
				if f.Compressed {
					return true
				}
			}
			return false
		}, waitFor, tick)

		var b bytes.Buffer
		require.NoError(t, export.Files(t.Context(), &b, s.Files()))
		var names []string
		got := map[string]int{}
		for _, e := range unzip(t, b.Bytes()) {
			require.True(t, strings.HasSuffix(e.name, ".log"), e.name)
			log, _, _ := strings.Cut(strings.TrimSuffix(e.name, ".log"), "-")
			names = append(names, log)
			got[log] += strings.Count(e.text, "\n")
			require.True(t, strings.HasSuffix(e.text, "\n"))
			var last uint64
			for text := range strings.Lines(e.text) {
				var line struct{ Seq uint64 }
				require.NoError(t, json.Unmarshal([]byte(text), &line))
				require.Greater(t, line.Seq, last)
				last = line.Seq
			}
		}
		require.Equal(t, []string{"application", "usage", "user", "user"}, sorted(names))
		require.Equal(t, map[string]int{"application": 2, "usage": 12, "user": 20}, got)
	})

	t.Run("R1.5 library: the file itself, one file, and a zip of it say the same", func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir()
		s, err := logger.Open(dir, nil)
		require.NoError(t, err)
		defer func() { require.NoError(t, s.Close()) }()
		_, run := s.Server("edge-1").Service("orders").Operation("flow-1").Start(t.Context())
		run.Info("line")
		require.NoError(t, s.Sync(t.Context()))

		onDisk, err := os.ReadFile(filepath.Join(dir, "user.log"))
		require.NoError(t, err)
		require.Equal(t, 1, bytes.Count(onDisk, []byte("\n")))
		file, err := s.Files().Open("user.log")
		require.NoError(t, err)
		defer file.Close()
		opened, err := io.ReadAll(file)
		require.NoError(t, err)
		require.Equal(t, string(onDisk), string(opened))
		var b bytes.Buffer
		require.NoError(t, export.Files(t.Context(), &b, s.Files(), "user.log"))
		require.Equal(t, string(onDisk), unzip(t, b.Bytes())[0].text)
	})

	t.Run("R1.5 library: a zip of named files, each once", func(t *testing.T) {
		t.Parallel()
		s := newStore(t)
		s.run(t)
		names := []string{"user.log", "usage.log", "user.log"}
		var b bytes.Buffer
		require.NoError(t, export.Files(t.Context(), &b, s.Files(), names...))
		entries := unzip(t, b.Bytes())
		require.Len(t, entries, 2)
		require.Equal(t, "user.log", entries[0].name)
		require.Equal(t, "usage.log", entries[1].name)
		require.True(t, s.now.Load().Truncate(1e9).Equal(entries[0].modified), "the entry has the time of its last line")
	})

	t.Run("R1.5 library: a zip of all files of some logs", func(t *testing.T) {
		t.Parallel()
		s := newStore(t)
		s.run(t)
		require.NoError(t, s.Rotate(t.Context(), "user"))
		var b bytes.Buffer
		require.NoError(t, export.FilesOf(t.Context(), &b, s.Files(), func(log string) bool { return log == "user" }))
		entries := unzip(t, b.Bytes())
		require.Len(t, entries, 2)
		require.Equal(t, "user.log", entries[1].name)
	})

	t.Run("a file that cannot be read to its end is an error, which names it", func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir()
		s, err := logger.Open(dir, &logger.Options{OnProblem: func(error) {}})
		require.NoError(t, err)
		defer func() { require.NoError(t, s.Close()) }()
		for i := range 1000 {
			s.Server("edge-1").To("email").Info(fmt.Sprint("mail ", i))
		}
		require.NoError(t, s.Rotate(t.Context(), "email"))
		var packed []string
		require.Eventually(t, func() bool {
			packed, err = filepath.Glob(filepath.Join(dir, "email-*.log.gz"))
			require.NoError(t, err)
			plain, err := filepath.Glob(filepath.Join(dir, "email-*.log"))
			require.NoError(t, err)
			return len(packed) == 1 && len(plain) == 0 // else that one counts
		}, waitFor, tick)
		b, err := os.ReadFile(packed[0])
		require.NoError(t, err)
		for name, damaged := range map[string][]byte{
			"a block": append(append(bytes.Clone(b[:len(b)/2]), make([]byte, 50)...), b[len(b)/2+50:]...), "its end": b[:len(b)*2/3], "all": nil,
		} {
			require.NoError(t, os.WriteFile(packed[0], damaged, 0o600))
			err := export.Files(t.Context(), io.Discard, s.Files(), filepath.Base(packed[0]))
			require.ErrorContains(t, err, filepath.Base(packed[0]), name)
			require.Error(t, export.Files(t.Context(), io.Discard, s.Files()), name)
			require.Error(t, export.FilesOf(t.Context(), io.Discard, s.Files(), func(string) bool { return true }), name)
		}
	})

	t.Run("names that are not in the list are not found", func(t *testing.T) {
		t.Parallel()
		s := newStore(t)
		for _, name := range []string{"nothing.log", "../user.log", "", "user.log\x00"} {
			require.ErrorIs(t, export.Files(t.Context(), io.Discard, s.Files(), name), rotation.ErrNotFound, "%q", name)
		}
		require.ErrorIs(t, export.Files(t.Context(), full{}, s.Files()), errFull)
	})
}

// values returns what the objects have under a key, as text.
func values(objects []map[string]any, key string) []string {
	var texts []string
	for _, o := range objects {
		texts = append(texts, fmt.Sprint(o[key]))
	}
	return texts
}

func id(line map[string]any) uint64 { return uint64(line["id"].(float64)) }

var errFull = errors.New("full")

// full is a writer that takes nothing.
type full struct{}

func (full) Write([]byte) (int, error) { return 0, errFull }
