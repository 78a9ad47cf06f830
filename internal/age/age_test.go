package age_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/steplog/steplog/internal/age"
)

func TestClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var c age.Clock
		var off time.Duration // by which the clock is wrong
		ask := func(wantOff, wantLeapt time.Duration) {
			t.Helper()
			now, leapt := c.Now(time.Now().Add(off))
			require.Equal(t, wantOff, now.Sub(time.Now().Round(0)))
			require.Equal(t, wantLeapt, leapt)
		}
		years := 10 * 365 * 24 * time.Hour

		off = years
		ask(years, 0) // there is nothing to hold the first look against
		off = 0
		ask(0, 0) // back is believed

		for range 100 { // slow drift, and steps that are small
			off += age.Leap
			time.Sleep(time.Minute)
			ask(off, 0)
		}
		off = 0
		ask(0, 0)

		off = years
		ask(0, years)
		time.Sleep(age.Patience - time.Second)
		ask(0, 0) // told once
		off = 0
		ask(0, 0)
		time.Sleep(2 * time.Second)
		off = years
		ask(0, years) // patience begins anew
		time.Sleep(age.Patience)
		ask(years, 0)
		time.Sleep(time.Minute)
		ask(years, 0)
		off = 0
		ask(0, 0)
		time.Sleep(time.Hour)
		off = age.Leap + 1
		ask(0, age.Leap+1)
	})
}

// TestReadings: the system's clock is asked with a monotonic reading, which would hide
// that it leapt.
func TestReadings(t *testing.T) {
	var c age.Clock
	wall := time.Now()
	now, _ := c.Now(wall)
	require.Equal(t, wall.Round(0), now)
}
