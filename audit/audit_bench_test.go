package audit_test

import (
	"context"
	"encoding/json"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/steplog/steplog/audit"
	"github.com/steplog/steplog/internal/vfs"
)

// BenchmarkRecord is what a record costs besides the disk: 64 callers on a file
// system in memory, so the cost of its commit is shared by those that came
// together.
func BenchmarkRecord(b *testing.B) {
	r, err := audit.OpenHosted(dir, nil, audit.Host{FS: vfs.NewMem()})
	require.NoError(b, err)
	defer r.Close()
	e := audit.Entry{Event: audit.FlowStarted, Actor: audit.User("admin@example.com"), Target: audit.Target{Type: "flow", ID: "f-1", Name: "Sync prices"},
		FlowID: "f-1", Project: "p-1", Request: "0193-request"}
	var failed atomic.Int64
	b.SetParallelism(32)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := r.Record(context.Background(), e); err != nil {
				failed.Add(1)
			}
		}
	})
	require.Zero(b, failed.Load())
}

// BenchmarkDiff is the diff of a flow of some size after two edits, with masking.
func BenchmarkDiff(b *testing.B) {
	for _, steps := range []int{8, 230} {
		make1 := func(edit bool) json.RawMessage {
			var list []any
			for i := range steps {
				name := fmt.Sprintf("step %d of the flow", i)
				if edit && i == steps/2 {
					name = "renamed"
				}
				list = append(list, map[string]any{"id": fmt.Sprint("s", i), "name": name, "use": "http/request",
					"with": map[string]any{"url": "http://example.com/prices", "timeout_ms": 5000, "token": "secret", "retry": []int{1, 2, 3}}, "counts": i%2 == 0,
					"hint": "ask the one who runs the shop for the token"})
			}
			text, err := json.Marshal(map[string]any{"id": "f", "name": "Sync", "edited": edit, "actions": list})
			require.NoError(b, err)
			return text
		}
		before, after := make1(false), make1(true)
		b.Run(fmt.Sprintf("%dB", len(before)), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				changes, err := audit.Diff(before, after)
				if err != nil || len(changes) != 2 {
					b.Fatal(err, changes)
				}
			}
		})
	}
}
