package loggertest_test

import (
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/steplog/steplog/logger/loggertest"
	"github.com/stretchr/testify/require"
)

func TestBusyMachine(t *testing.T) {
	t.Run("R6.7 library: nothing is dropped because the machine has something else to do", func(t *testing.T) {
		defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
		sink := loggertest.New(t)
		var over atomic.Bool
		var others sync.WaitGroup
		for range 100 { // so that the store's writer has its turn about once a second
			others.Go(func() {
				for !over.Load() {
				}
			})
		}
		text := strings.Repeat("x", 500_000)
		for range 30 { // twice what the store's buffer holds
			sink.Server("edge-1").Info(text)
		}
		over.Store(true)
		others.Wait()
		require.Zero(t, sink.Stats().Dropped)
	})
}
