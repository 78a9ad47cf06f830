package loggertest_test

import (
	"context"
	"testing"

	"github.com/steplog/steplog/logger"
	"github.com/steplog/steplog/logger/loggertest"
)

// syncPrices is code under test: it logs through its context.
func syncPrices(ctx context.Context) {
	_, step := logger.StartStep(ctx, "fetch")
	step.Info("fetched")
	step.End(nil, nil)
}

func ExampleNew() {
	// The body of a test, of which go test gives the t.
	_ = func(t *testing.T) {
		sink := loggertest.New(t)
		ctx, run := sink.Server("test").Service("orders").Operation("sync-prices").Start(t.Context())
		syncPrices(ctx)
		run.End(nil)

		if steps := sink.SubLogs(); len(steps) != 1 || steps[0].Action != "fetch" {
			t.Error("fetch was not run once")
		}
		if lines := sink.LineLogs(); lines[0].Message != "fetched" {
			t.Error("fetch did not say so")
		}
	}
	// Output:
}
