package rotation

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestParseName(t *testing.T) {
	at := time.Date(2026, 11, 21, 2, 3, 4, 123e6, time.UTC)
	good := func(file string, want name) {
		t.Helper()
		got, ok := parseName(file)
		require.True(t, ok, file)
		require.Equal(t, want, got)
		require.Equal(t, file, got.base+got.ext)
		require.Equal(t, got.base, PlainName(file))
	}
	good("user.log", name{log: "user", base: "user.log"})
	good("user-archive.log", name{log: "user-archive", base: "user-archive.log"})
	good("user-2026-11-21T02-03-04.123.log", name{log: "user", at: at, base: "user-2026-11-21T02-03-04.123.log"})
	good("user-2026-11-21T02-03-04.123.log.gz", name{log: "user", at: at, ext: ".gz", base: "user-2026-11-21T02-03-04.123.log"})
	good("a-b-2026-11-21T02-03-04.123.log.zst", name{log: "a-b", at: at, ext: ".zst", base: "a-b-2026-11-21T02-03-04.123.log"})
	good("user-2026.log", name{log: "user-2026", base: "user-2026.log"})
	for _, bad := range []string{
		"", ".log", "user", "user.txt", "User.log", "-user.log", "_user.log", "us er.log", "us.er.log", "../user.log",
		"a/user.log", `a\user.log`, "user.log.gz", "user.log.next", "user.log.broken", "user.log\x00",
		"user-2026-11-21T02-03-04.log", "user-2026-11-21T02-03-04.1234.log", "user-2026-13-21T02-03-04.123.log",
		"user-2026-02-30T02-03-04.123.log", "user-2026-11-21T02-03-04,123.log", "-2026-11-21T02-03-04.123.log",
		"user-2026-11-21T02-03-04.123.log.gz.tmp", "user-2026-11-21T02-03-04.123.log.idx",
		"user-2026-11-21T02-03-04.123.log.gz.zst", "user-0001-01-01T00-00-00.000.log",
		strings.Repeat("u", 65) + ".log", "audit.checkpoint", ".journal",
	} {
		_, ok := parseName(bad)
		require.False(t, ok, bad)
		_, ok = LogOf(bad)
		require.False(t, ok, bad)
	}
	log, ok := LogOf("user-2026-11-21T02-03-04.123.log.gz")
	require.True(t, ok)
	require.Equal(t, "user", log)
}

func TestNextTime(t *testing.T) {
	day := time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC)
	f := func(now, newest, want time.Time) {
		t.Helper()
		got, err := nextTime(now, newest)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	f(day.Add(1500*time.Microsecond), time.Time{}, day.Add(time.Millisecond))
	f(day.In(time.FixedZone("", 14*3600)), time.Time{}, day)
	f(day, day, day.Add(time.Millisecond))
	f(day.Add(-time.Hour), day, day.Add(time.Millisecond))
	f(time.Date(-5, 1, 1, 0, 0, 0, 0, time.UTC), time.Time{}, time.Time{}.Add(time.Millisecond))
	_, err := nextTime(day, lastTime)
	require.Error(t, err)
	_, err = nextTime(lastTime.AddDate(5, 0, 0), time.Time{})
	require.Error(t, err)
}

// FuzzName: a name that is accepted is put together again from its parts, has
// nothing in it that leads out of a folder, and names sort as they were given.
func FuzzName(f *testing.F) {
	f.Add("user.log", int64(0))
	f.Add("user-2026-11-21T02-03-04.123.log.gz", int64(1795224184123))
	f.Add("../user-2026-11-21T02-03-04.123.log", int64(-1))
	f.Fuzz(func(t *testing.T, file string, ms int64) {
		if n, ok := parseName(file); ok {
			require.True(t, ValidName(n.log))
			require.NotContains(t, file, "/")
			require.NotContains(t, file, `\`)
			require.NotContains(t, file, "..")
			if n.active() {
				require.Equal(t, n.log+".log", file)
			} else {
				require.Equal(t, closedName(n.log, n.at)+n.ext, file)
			}
		}
		at, err := nextTime(time.UnixMilli(ms), time.Time{})
		if err != nil {
			return
		}
		n, ok := parseName(closedName("user", at))
		require.True(t, ok)
		require.True(t, n.at.Equal(at))
		later, err := nextTime(time.UnixMilli(ms), at)
		if err == nil {
			require.Less(t, closedName("user", at), closedName("user", later))
		}
	})
}
