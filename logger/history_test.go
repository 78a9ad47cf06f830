package logger_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/steplog/steplog/levels"
	"github.com/steplog/steplog/logger"
	"github.com/steplog/steplog/query"
	"github.com/steplog/steplog/query/querytest"
	"github.com/steplog/steplog/query/querytest/oracle"
	"github.com/steplog/steplog/rotation"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap/zapcore"
)

// ids are identifiers that hosts give.
var ids = [...]string{"", "a", "a.b", "größe 日本", "\"q\"\n", "\xff\xfe", "0193a6f2-7c1e-7b54-9d1a-3f0c5b7a9e01",
	strings.Repeat("x", 512), strings.Repeat("é", 700), "\x1b[31mred", "null"}

// workflows is a workflow engine that does whatever may happen.
type workflows struct {
	*rand.Rand
	store *logger.Store
	start int // which one this is of the processes that write the folder
	begun []context.Context
	runs  []*logger.Run
	steps []*logger.Step
}

func (h *workflows) id() string { return ids[h.IntN(len(ids))] }

func (h *workflows) counts() query.Counts {
	return query.Counts{Processed: h.Int64N(3), Succeeded: h.Int64N(3), Failed: h.Int64N(2), Fragments: h.Int64N(2)}
}

func (h *workflows) err() error {
	return [...]error{nil, nil, errors.New("no stock \xff"), context.Canceled, context.DeadlineExceeded}[h.IntN(5)]
}

func (h *workflows) outcome() query.Outcome { return query.Outcome(h.IntN(int(query.Panicked) + 2)) }

// run starts a run: at the top, or in what goes on.
func (h *workflows) run() {
	ctx := context.Background()
	if len(h.begun) > 0 && h.IntN(2) == 0 {
		ctx = h.begun[h.IntN(len(h.begun))]
	}
	options := []logger.RunOption{logger.Project(h.id()), logger.TriggeredBy(h.id()), logger.Schedule(h.id())}
	if h.IntN(3) == 0 {
		options = append(options, logger.Inbound(), logger.Input(h.id()), logger.ID(fmt.Sprint("run-", h.IntN(40), h.id())))
	}
	ctx, run := h.store.Server(h.id()).Service(h.id()).Operation(h.id(), logger.DisplayName(h.id())).Start(ctx, options...)
	h.begun, h.runs = append(h.begun, ctx), append(h.runs, run)
}

func (h *workflows) step() {
	if len(h.begun) == 0 {
		return
	}
	options := []logger.StepOption{logger.Attempt(h.IntN(4)), logger.Order(h.IntN(3)), logger.DisplayName(h.id())}
	if h.IntN(3) == 0 {
		options = append(options, logger.Iteration(h.IntN(3), h.id()), logger.Input(h.id()), logger.ID(fmt.Sprint("step-", h.start, "-", h.IntN(60), h.id())))
	}
	ctx, step := logger.StartStep(h.begun[h.IntN(len(h.begun))], h.id(), options...)
	h.begun, h.steps = append(h.begun, ctx), append(h.steps, step)
}

// act does one thing.
func (h *workflows) act(t *testing.T) {
	switch n := h.IntN(20); {
	case n < 3:
		h.run()
	case n < 8:
		h.step()
	case n < 12 && len(h.begun) > 0:
		l := logger.FromContext(h.begun[h.IntN(len(h.begun))])
		l.Log(zapcore.Level(h.IntN(7)-2), h.id())
	case n < 15 && len(h.steps) > 0:
		h.steps[h.IntN(len(h.steps))].EndAs(h.outcome(), h.id(), h.err())
	case n < 17 && len(h.runs) > 0:
		h.runs[h.IntN(len(h.runs))].EndAs(h.outcome(), h.err())
	case n == 17 && len(h.runs) > 0:
		h.runs[h.IntN(len(h.runs))].Add(h.counts())
	case n == 18 && len(h.steps) > 0:
		h.steps[h.IntN(len(h.steps))].Add(h.counts())
	case n == 19:
		_, run, _ := h.store.Server(h.id()).Service(h.id()).Operation(h.id()).Resume(t.Context(), fmt.Sprint("run-", h.IntN(40), h.id()))
		h.runs = append(h.runs, run)
	}
	if len(h.begun) > 30 {
		h.begun = h.begun[15:]
	}
}

// stored returns the lines of a folder that nobody writes or seals.
func stored(t *testing.T, dir string) (lines []oracle.Line) {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "*.log*"))
	require.NoError(t, err)
	for _, name := range names {
		content, err := os.ReadFile(name)
		require.NoError(t, err)
		base := strings.TrimSuffix(name, ".gz")
		if base != name {
			r, err := gzip.NewReader(bytes.NewReader(content))
			require.NoError(t, err)
			content, err = io.ReadAll(r)
			require.NoError(t, err)
		}
		if !strings.HasSuffix(base, ".log") || base != name && slices.Contains(names, base) {
			continue
		}
		log, _, _ := strings.Cut(strings.TrimSuffix(filepath.Base(base), ".log"), "-")
		for line := range bytes.Lines(content) {
			lines = append(lines, oracle.Line{File: log, Text: bytes.TrimSuffix(line, []byte("\n"))})
		}
	}
	return lines
}

// TestHistoryIsTheText compares what is told of runs and steps with a plain loop over the
// lines that are there: beside the writer, of a new process, and when files are gone.
func TestHistoryIsTheText(t *testing.T) {
	for seed := range uint64(3) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			h := &workflows{Rand: rand.New(rand.NewPCG(seed, 1))}
			check := func(e *query.Engine) {
				t.Helper()
				querytest.Check(t, e, stored(t, dir), querytest.Options{Seed: seed, Queries: 25})
			}
			beside := func() {
				t.Helper()
				e, err := query.Open(dir)
				require.NoError(t, err)
				check(e)
				require.NoError(t, e.Close())
			}
			for h.start = range 3 {
				h.begun, h.runs, h.steps = nil, nil, nil
				var err error
				h.store, err = logger.Open(dir, &logger.Options{Level: levels.Trace, Rule: rotation.Rule{MaxBytes: 12 << 10},
					OpenRun: func(m query.MainLog) bool { return len(m.Run)%2 == 0 }})
				require.NoError(t, err)
				for range 300 {
					h.act(t)
				}
				// What the process tells is what it would tell after a new start.
				tells, tellsSteps := mainLogs(t, h.store, query.RunFilter{}), subLogs(t, h.store, query.StepFilter{})
				require.NoError(t, h.store.Close())
				e, err := query.Open(dir)
				require.NoError(t, err)
				runs, err := e.MainLogs(t.Context(), query.RunFilter{}, query.Paging{Oldest: true})
				require.NoError(t, err)
				steps, err := e.SubLogs(t.Context(), query.StepFilter{}, query.Paging{Oldest: true})
				require.NoError(t, err)
				for i, step := range steps.Items {
					require.Equal(t, step, tellsSteps[i])
				}
				for i, run := range runs.Items {
					require.Equal(t, run, tells[i])
				}
				check(e)
				require.NoError(t, e.Close())

				closed, err := filepath.Glob(filepath.Join(dir, "*-*.log*"))
				require.NoError(t, err)
				for _, name := range closed {
					if h.IntN(4) == 0 || strings.HasSuffix(name, ".idx") && h.IntN(3) == 0 {
						require.NoError(t, os.Remove(name))
					}
				}
				beside()
			}
		})
	}
}
