package leak_test

import (
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/steplog/steplog/internal/leak"
)

// TestCleanupUnderWay: the goroutine of the runtime that runs a cleanup, such as one that
// unmaps a file, is no leak however long that takes.
func TestCleanupUnderWay(t *testing.T) {
	begun, end := make(chan bool), make(chan bool)
	runtime.AddCleanup(new([64]byte), func(bool) { begun <- true; <-end }, true)
	runtime.GC()
	<-begun
	require.NoError(t, goleak.Find(leak.Options()...))
	close(end)
}
