package main

import (
	"bytes"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/steplog/steplog/levels"
	"github.com/steplog/steplog/logger"
	"github.com/steplog/steplog/query"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap/zapcore"
)

// runHere runs the default flows in this process and returns the program and
// what its log says, before the store is closed.
func runHere(t *testing.T, runs int, level zapcore.Level) (*program, *Summary) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "logs")
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	actions := builtin(&http.Client{Transport: transport})
	flows, err := loadFlows("", actions)
	require.NoError(t, err)
	store, err := logger.Open(dir, &logger.Options{Level: level})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, store.Close()) })
	p := &program{config: config{dir: dir, runs: runs, level: level}, store: store, progress: new(bytes.Buffer)}
	p.engine = &Engine{flows: flows, actions: actions, service: store.Server(engineServer).Service("flows")}
	p.engine.service.Fatal(started) // at any level
	require.NoError(t, p.runFlows(t.Context()))
	summary, err := summarize(t.Context(), store, dir)
	require.NoError(t, err)
	return p, summary
}

// The report's counts, which come from the log alone, equal what the servers at
// the other end of the wire counted.
func TestCountsEqualTheServers(t *testing.T) {
	t.Parallel()
	for _, level := range []zapcore.Level{levels.Trace, levels.Info, levels.Fatal} {
		t.Run(levels.Name(level), func(t *testing.T) {
			t.Parallel()
			const runs = 3
			p, summary := runHere(t, runs, level)
			erp, shop := p.erp.Counts(), p.shop.Counts()
			for _, counts := range []Counts{erp, shop} {
				require.EqualValues(t, busyFirst, counts.Busy)
				require.EqualValues(t, 1, counts.TimedOut)
				require.EqualValues(t, 2*runs, counts.Rejected)
				require.Equal(t, counts.Requests, counts.Accepted+counts.Rejected+counts.Busy+counts.TimedOut)
			}
			require.Equal(t, erp, fromLog(t, summary, "read-price", "HTTP_404"))
			require.Equal(t, shop, fromLog(t, summary, "write-price", "HTTP_422"))
			if level <= levels.Info {
				require.Equal(t, []ServerCounts{{erpServer, erp}, {shopServer, shop}}, summary.Servers)
			}

			// What a run says: a row of the file is processed when it comes
			// through or falls out, and two of 21 sold are not sold at all.
			var processed, succeeded, failed int64
			for _, run := range summary.Runs {
				if run.Flow == "price-sync" {
					processed, succeeded, failed = processed+run.Processed, succeeded+run.Succeeded, failed+run.Failed
					require.Equal(t, query.Succeeded.String(), run.Outcome)
				}
			}
			require.Equal(t, shop.Accepted, succeeded)
			require.Equal(t, erp.Rejected+shop.Rejected+2*runs, failed)
			require.Equal(t, succeeded+failed, processed)
			require.EqualValues(t, erp.Accepted, shop.Accepted+shop.Rejected)
		})
	}
}

// fromLog reads out of the summary what a server should have counted.
func fromLog(t *testing.T, summary *Summary, action, rejected string) Counts {
	t.Helper()
	for _, total := range summary.Actions {
		if total.Action == action {
			return Counts{
				Requests: total.Attempts,
				Accepted: total.Outcomes[query.Succeeded.String()],
				Rejected: total.Codes[rejected],
				Busy:     total.Codes["HTTP_503"],
				TimedOut: total.Outcomes[query.TimedOut.String()],
			}
		}
	}
	t.Fatalf("no action %s in the summary", action)
	return Counts{}
}

func TestSummary(t *testing.T) {
	t.Chdir(root(t))
	p, summary := runHere(t, 2, levels.Info)
	var printed bytes.Buffer
	require.NoError(t, summary.print(&printed))
	require.NoError(t, summary.printJSON(&printed))
	require.EqualValues(t, 3, summary.RunTotal)
	require.Equal(t, "dependency-report", summary.Runs[0].Flow)
	require.Equal(t, query.Succeeded.String(), summary.Runs[0].Outcome, summary.Runs[0].Reason)
	require.NotEmpty(t, summary.Runs[0].Children)
	require.EqualValues(t, summary.Runs[0].Succeeded, summary.Runs[0].ChildTotal)
	require.Len(t, summary.FailedSteps, showSteps)
	require.NotEmpty(t, summary.Warnings)
	var bars int64
	for _, bucket := range summary.Histogram {
		bars += bucket.Count
	}
	page, err := p.store.Query().Records(t.Context(), query.Filter{From: summary.Start}, query.Paging{Limit: 1})
	require.NoError(t, err)
	require.Equal(t, page.Total.N, bars)
	for _, file := range summary.Files {
		info, err := os.Stat(file.Path)
		require.NoError(t, err)
		require.Equal(t, info.Size(), file.Bytes)
	}
	require.NotEmpty(t, summary.Files)
	report, err := os.ReadFile(filepath.Join(p.dir, "reports", "dependency-report.md"))
	require.NoError(t, err)
	require.Contains(t, string(report), "| go.uber.org/zap | v1.28.0 | MIT (LICENSE) |")
	t.Logf("%s", printed.String())
}

// A secret that flows use is nowhere in the folder.
func TestNoTokenInTheLog(t *testing.T) {
	t.Parallel()
	p, summary := runHere(t, 1, levels.Trace)
	require.NotEmpty(t, summary.Files)
	token := []byte(p.shop.token)
	for _, file := range summary.Files {
		text, err := os.ReadFile(file.Path)
		require.NoError(t, err)
		require.False(t, bytes.Contains(text, token), file.Path)
	}
	lines, _ := records(t, filepath.Join(p.dir, "user.log"))
	require.NotEmpty(t, lines)
}
