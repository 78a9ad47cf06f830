package rotation_test

import (
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/steplog/steplog/internal/vfs"
	"github.com/steplog/steplog/rotation"
)

// itself panics with itself when it is asked what it says.
type itself struct{}

func (i itself) Error() string { panic(i) }

func TestHooksThatPanic(t *testing.T) {
	fsys := vfs.NewMem()
	var mu sync.Mutex
	told := map[string]bool{}
	f, err := rotation.OpenFS(fsys, "logs/user.log", &rotation.Options{
		Rule:     rotation.Rule{MaxFiles: 1},
		OnClose:  func(rotation.Info) { panic(itself{}) },
		OnRemove: func(string) { panic("removed") },
		OnDamage: func(*rotation.DamageError) { panic("damaged") },
		OnProblem: func(err error) {
			mu.Lock()
			defer mu.Unlock()
			told[err.Error()] = true
			panic(err)
		},
	})
	require.NoError(t, err)
	heard := func(problem string) func() bool {
		return func() bool {
			mu.Lock()
			defer mu.Unlock()
			return told[problem]
		}
	}
	write(t, f, "one")
	require.NoError(t, f.Rotate())
	require.True(t, heard("rotation: OnClose panicked: a rotation_test.itself")())
	write(t, f, "two")
	require.NoError(t, f.Rotate())
	require.Eventually(t, heard("rotation: OnRemove panicked: removed"), 30*time.Second, time.Millisecond)
	write(t, f, "three")
	require.NoError(t, fsys.Remove("logs/user.log"))
	damage := &rotation.DamageError{Name: "user.log", Damage: rotation.Removed, Bytes: int64(len("three\n"))}
	require.Eventually(t, heard(damage.Error()), 30*time.Second, time.Millisecond)
	write(t, f, "four")
	require.True(t, heard("rotation: OnDamage panicked: damaged")())
	require.NoError(t, f.Close())
	lines := allLines(t, openFolder(t, fsys, "logs"))
	require.Equal(t, []string{"two", "three", "four"}, lines)
}
