package audit_test

import (
	"context"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/steplog/steplog/audit"
	"github.com/steplog/steplog/internal/vfs"
)

// onDisk returns a recorder in memory whose disk does not answer between two calls.
func onDisk(t *testing.T) (r *audit.Recorder, hang, goOn func()) {
	var hanging atomic.Bool
	answers := make(chan struct{})
	r, err := hosted(vfs.Inject(vfs.NewMem(), func(op vfs.Op) error {
		if hanging.Load() && op.Kind == vfs.OpSync && strings.Contains(op.Name, "audit.log") {
			<-answers
		}
		return nil
	}), audit.Options{Timeout: 20 * time.Millisecond})
	require.NoError(t, err)
	return r, func() { hanging.Store(true) }, func() { hanging.Store(false); close(answers) }
}

// What callers gave up while a disk hangs takes no memory, however long that is.
func TestGivenUp(t *testing.T) {
	r, hang, goOn := onDisk(t)
	hang()
	_, err := flow(r, "on its way")
	require.ErrorIs(t, err, audit.ErrUnavailable)
	over, cancel := context.WithCancel(t.Context())
	cancel()
	heap := func() int64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	before := heap()
	for range 5000 {
		_, err := r.Record(over, audit.Entry{Event: audit.FlowStarted, FlowID: strings.Repeat("x", 1000)})
		require.ErrorIs(t, err, context.Canceled)
	}
	require.Less(t, heap()-before, int64(2<<20))
	goOn()
	long, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	_, err = r.Record(long, audit.Entry{Event: audit.FlowStarted, FlowID: "after"})
	require.NoError(t, err)
	require.NoError(t, r.Close())
}

// Who asks for a rotation waits for a disk that hangs until its context ends.
func TestRotateOnHangingDisk(t *testing.T) {
	r, hang, goOn := onDisk(t)
	long, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	_, err := r.Record(long, audit.Entry{Event: audit.FlowStarted, FlowID: "something to seal"})
	require.NoError(t, err)
	hang()
	short, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	require.ErrorIs(t, r.Rotate(short), context.DeadlineExceeded)
	goOn()
	require.NoError(t, r.Close())
}
