package journal_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/steplog/steplog/internal/journal"
	"github.com/steplog/steplog/internal/line"
	"github.com/steplog/steplog/internal/runs"
	"github.com/steplog/steplog/internal/vfs"
	"github.com/steplog/steplog/rotation"
)

// Identities take no memory once their last record was deleted, whoever still
// has a logger of theirs, and snapshots show each row's own.
func TestOwnersGoWithTheirRows(t *testing.T) {
	t.Parallel()
	f := open(t, vfs.NewMem(), func(o *journal.Options) {
		o.Rule = rotation.Rule{MaxBytes: 20_000, MaxFiles: 3, Compression: rotation.None}
	})
	identity := func(i int) line.Identity {
		return line.Identity{Server: "edge-1", Operation: "o", Run: fmt.Sprint("run-", i/10), Step: fmt.Sprint("step-", i)}
	}
	say := func(o *runs.Owner) {
		t.Helper()
		now := time.Now().UTC()
		body := encoder.Append(nil, &line.Entry{Time: now, Kind: line.KindLine, Identity: o.Encoded(), Message: o.Identity().Step}, nil)
		_, err := f.file("user").Append(o, journal.Meta{Time: now, Kind: line.KindLine}, body)
		require.NoError(t, err)
	}
	check := func(snap *journal.Snapshot) (rows int) {
		t.Helper()
		for i := range snap.Segments {
			seg := &snap.Segments[i]
			for r := range seg.Len() {
				raw, err := seg.Read(r, nil)
				if errors.Is(err, journal.ErrGone) {
					continue // retention goes on meanwhile
				}
				require.NoError(t, err)
				var rec line.Record
				require.NoError(t, line.Parse(raw, &rec))
				require.Equal(t, rec.Identity, *seg.Identity(seg.Row(r).Owner))
				rows++
			}
		}
		return rows
	}

	early := f.Owner(identity(0))
	say(early)
	first := f.Snapshot()
	owner := first.Segments[0].Row(0).Owner
	for i := range 10_000 {
		say(f.Owner(identity(i)))
		if i%500 == 0 {
			require.Eventually(t, func() bool {
				return f.Flush() == nil && len(f.Snapshot().Segments) <= 4
			}, 10*time.Second, time.Millisecond)
		}
	}
	require.Equal(t, identity(0), *first.Segments[0].Identity(owner), "an old snapshot stays as it was")
	snap := f.Snapshot()
	require.Less(t, snap.Segments[len(snap.Segments)-1].Owners(), 2000)
	require.Less(t, check(snap), 2000)

	say(early) // its own records are long gone
	require.Positive(t, check(f.Snapshot()))
}
