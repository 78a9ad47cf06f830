package query_test

import (
	"testing"

	"go.uber.org/goleak"
)

// TestMain looks for goroutines left behind. lumberjack has one per file that
// it never stops.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("gopkg.in/natefinch/lumberjack%2ev2.(*Logger).millRun"))
}
