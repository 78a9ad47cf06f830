package logger_test

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/steplog/steplog/audit"
	"github.com/steplog/steplog/internal/vfs"
	"github.com/steplog/steplog/levels"
	"github.com/steplog/steplog/logger"
	"github.com/steplog/steplog/query"
	"github.com/steplog/steplog/rotation"
)

func TestAuditOfTheLibrary(t *testing.T) {
	dir := t.TempDir()
	store := trailStore(t, dir, logger.Options{KeepSettings: true})
	ctx := audit.WithActor(t.Context(), audit.User("ops@example.com"))
	store.Levels().SetLevel(ctx, levels.Scope{Server: "edge"}, levels.Debug)
	_, err := os.Stat(filepath.Join(dir, "audit.log"))
	require.ErrorIs(t, err, os.ErrNotExist, "the trail begins with the first call of Audit")
	store.Audit()

	store.Levels().SetLevel(ctx, levels.Scope{Server: "edge", Service: "orders"}, levels.Warn)
	store.Levels().SetCapture(ctx, levels.Scope{}, false)
	store.Levels().Reset(ctx, levels.Scope{Server: "edge"})
	require.NoError(t, store.SetFileRule(ctx, "email", logger.FileRule{Levels: levels.AtLeast(levels.Warn)}))
	for range 3 {
		store.Server("edge").To("email").Error("a mail")
		require.NoError(t, store.Rotate(ctx, "email"))
	}
	infos, err := store.Files().List()
	require.NoError(t, err)
	var closed []string
	for _, info := range infos {
		if info.Log == "email" && !info.Active {
			closed = append(closed, info.Name)
		}
	}
	require.Len(t, closed, 3)
	f, err := store.Files().Download(ctx, closed[0])
	require.NoError(t, err)
	_, err = io.Copy(io.Discard, f)
	require.NoError(t, err)
	require.NoError(t, f.Close())
	require.NoError(t, store.Files().Delete(ctx, closed[0]))
	require.NoError(t, store.SetFileRule(context.Background(), "email", logger.FileRule{Rotation: rotation.Rule{MaxFiles: 1}}))
	require.Eventually(t, func() bool {
		page, err := store.Query().Audit(t.Context(), query.AuditFilter{Events: []string{audit.SegmentDeleted.Name}}, query.Paging{})
		return err == nil && len(page.Items) == 1
	}, 10*time.Second, 5*time.Millisecond)

	var got []string
	for _, r := range audited(t, store, query.AuditFilter{}) {
		got = append(got, r.Event+" "+r.Target.ID)
		if r.Event == audit.LogDeleted.Name || r.Event == audit.LevelChanged.Name {
			require.Equal(t, "ops@example.com", r.Actor.Email)
		}
		if r.Event == audit.TrailOpened.Name {
			require.Equal(t, "process", r.Actor.Type)
		}
	}
	slices.Reverse(got)
	require.Equal(t, []string{"steplog.audit.opened ", "steplog.log.level_changed edge/orders", "steplog.log.capture_toggled /",
		"steplog.log.level_changed edge", "steplog.retention.changed email"}, got[:5])
	require.Equal(t, "steplog.log.downloaded "+closed[0], got[5])
	require.Equal(t, "steplog.log.deleted "+closed[0], got[6])
	require.Contains(t, got[7:], "steplog.retention.changed email")
	require.Len(t, got, 9, "and the file that the rule deleted")

	t.Run("R4.5 library: nobody deletes the trail through the folder", func(t *testing.T) {
		require.NoError(t, store.Audit().Rotate(t.Context()))
		infos, err := store.Files().List()
		require.NoError(t, err)
		n := 0
		for _, info := range infos {
			if info.Log == "audit" && !info.Active {
				n++
				require.ErrorIs(t, store.Files().Delete(ctx, info.Name), rotation.ErrKept)
			}
		}
		require.Equal(t, 1, n)
	})
	require.NoError(t, store.Close())
	_, err = audit.Verify(t.Context(), dir, nil)
	require.NoError(t, err)

	again := trailStore(t, dir, logger.Options{})
	require.NotEmpty(t, audited(t, again, query.AuditFilter{}), "a trail that is there is opened")
	engine, err := query.Open(dir) // another process
	require.NoError(t, err)
	defer engine.Close()
	page, err := engine.Audit(t.Context(), query.AuditFilter{}, query.Paging{Limit: 1000})
	require.NoError(t, err)
	require.Equal(t, audited(t, again, query.AuditFilter{}), page.Items)
}

// A rule deletes a file while the store is being closed, after its trail was. Nobody can
// record that any more, and the host hears of it.
func TestRetainedWhileClosing(t *testing.T) {
	t.Parallel()
	deleting, gate := make(chan struct{}), make(chan struct{})
	var armed atomic.Bool
	var told atomic.Bool
	store, err := logger.OpenFS(vfs.Inject(vfs.NewMem(), func(op vfs.Op) error {
		switch {
		case op.Kind == vfs.OpRemove && strings.HasSuffix(op.Name, ".log") && strings.Contains(op.Name, "email-") && armed.Swap(false):
			close(deleting)
			<-gate
		case op.Kind == vfs.OpUnlock && strings.HasSuffix(op.Name, "audit.lock"):
			close(gate)
		}
		return nil
	}), "logs", &logger.Options{
		Rule: rotation.Rule{Compression: rotation.None},
		OnProblem: func(err error) {
			if strings.Contains(err.Error(), audit.SegmentDeleted.Name) {
				told.Store(true)
			}
		},
	})
	require.NoError(t, err)
	require.NotNil(t, store.Audit())
	for range 2 {
		store.Server("s").To(logger.FileEmail).Info("one")
		require.NoError(t, store.Rotate(t.Context(), logger.FileEmail))
	}
	armed.Store(true)
	require.NoError(t, store.SetFileRule(t.Context(), logger.FileEmail, logger.FileRule{Rotation: rotation.Rule{MaxFiles: 1, Compression: rotation.None}}))
	<-deleting
	require.NoError(t, store.Close())
	require.True(t, told.Load())
}
