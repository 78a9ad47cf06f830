package audit_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/steplog/steplog/audit"
	"github.com/steplog/steplog/internal/vfs"
)

// While the disk hangs, far more callers give up than one commit has room for. Who came
// behind them is recorded as soon as the disk answers, and Close ends.
func TestManyGiveUp(t *testing.T) {
	t.Parallel()
	t.Run("with somebody behind them", func(t *testing.T) { t.Parallel(); synctest.Test(t, func(t *testing.T) { manyGiveUp(t, 1) }) })
	t.Run("with nobody behind them", func(t *testing.T) { t.Parallel(); synctest.Test(t, func(t *testing.T) { manyGiveUp(t, 0) }) })
}

func manyGiveUp(t *testing.T, behind int) {
	held, gate := make(chan struct{}), make(chan struct{})
	hang := false // set before the only call of Record that syncs meanwhile
	r, err := audit.OpenHosted("logs", nil, audit.Host{FS: vfs.Inject(vfs.NewMem(), func(op vfs.Op) error {
		if op.Kind == vfs.OpSync && strings.HasSuffix(op.Name, "audit.log") && hang {
			hang = false
			held <- struct{}{}
			<-gate
		}
		return nil
	})})
	require.NoError(t, err)
	hang = true
	last := make(chan error, 2)
	record := func() {
		_, err := r.Record(t.Context(), audit.Entry{Event: audit.FlowStarted})
		last <- err
	}
	go record()
	<-held
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	for range 5000 {
		_, err := r.Record(gone, audit.Entry{Event: audit.FlowStopped})
		require.ErrorIs(t, err, audit.ErrUnavailable)
	}
	for range behind {
		go record()
	}
	synctest.Wait() // it waits behind them
	close(gate)
	for range 1 + behind {
		require.NoError(t, <-last)
	}
	require.NoError(t, r.Close())
}
