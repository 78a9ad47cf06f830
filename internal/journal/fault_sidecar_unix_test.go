//go:build unix

package journal_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/steplog/steplog/internal/journal"
	"github.com/steplog/steplog/rotation"
)

// The ring is cut, and with it the sidecar of a closed file, as by a disk that fails. The
// process goes on, and what is lost is counted.
func TestRingIsCutAndASidecar(t *testing.T) {
	t.Parallel()
	d := &onDisk{dir: realDir(t)}
	var err error
	d.Journal, err = journal.Open(d.dir, journal.Options{RingBytes: 4 << 20, Rule: rotation.Rule{Compression: rotation.None}})
	require.NoError(t, err)
	t.Cleanup(func() { d.Close() })
	d.file, err = d.File("user")
	require.NoError(t, err)
	d.owner = d.Owner(run)
	for i := range 50 {
		_, err := d.say(fmt.Sprint("closed ", i))
		require.NoError(t, err)
	}
	require.NoError(t, d.Rotate("user"))
	require.Eventually(t, func() bool { return d.Unsealed() == 0 }, 30*time.Second, time.Millisecond)
	sidecars, err := filepath.Glob(filepath.Join(d.dir, "*.idx"))
	require.NoError(t, err)
	require.Len(t, sidecars, 1)
	if d.Stats().Mode != journal.ModeJournal {
		t.Skip("the ring is not mapped here: it is on ext4, xfs and tmpfs, as in the gate")
	}
	_, err = d.say("lost")
	require.NoError(t, err)
	d.cutRing(t, 0)
	require.NoError(t, os.Truncate(sidecars[0], 0))
	require.NoError(t, d.Flush())
	require.Equal(t, journal.ModeWrite, d.Stats().Mode)
	_, err = d.say("after")
	require.NoError(t, err)
	require.True(t, d.Recheck())
	// The writer may have been faster than the cut.
	dropped := int(d.Stats().Files["user"].Dropped)
	require.LessOrEqual(t, dropped, 1)
	found := withoutNotices(messages(t, d.Journal, "user"))
	require.Len(t, found, 52-dropped)
	require.Equal(t, "after", found[len(found)-1])
}
