// Package age tells the time by which files are old, for who deletes them: a clock
// that leaps ahead, because a time server or a hand set it wrong, must not take what
// was to stay for years.
package age

import (
	"fmt"
	"sync"
	"time"
)

const (
	// Leap is how far a clock may run ahead between two looks at it, beyond the time
	// that passed.
	Leap = time.Hour
	// Patience is how long a clock that leapt further is not believed. One that is
	// set back meanwhile has done nothing.
	Patience = 24 * time.Hour
)

// LeapError says that a clock leapt, by so much.
type LeapError time.Duration

// Error says what follows from it.
func (e LeapError) Error() string {
	return fmt.Sprintf("the clock is %v ahead of the time that passed: nothing is deleted for its age within %v, so that it can be set right", time.Duration(e).Round(time.Second), Patience)
}

// Clock follows a clock that may leap. The zero value has not looked at it yet. It is
// safe for concurrent use.
type Clock struct {
	mu    sync.Mutex
	wall  time.Time // what the clock said when it was last believed
	at    time.Time // when that was, with a monotonic reading
	since time.Time // when it was found to have leapt, zero for not
}

// Now returns the time for what the clock says, wall: the same, or, while a leap ahead
// is not believed, the time without it. A clock that steps back is believed at once.
// leapt is how far it leapt, in the one call that finds it. The first call believes
// every clock. A system that was suspended looks like a clock that leapt.
func (c *Clock) Now(wall time.Time) (now time.Time, leapt time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	wall = wall.Round(0)
	at := time.Now()
	without := c.wall.Add(at.Sub(c.at))
	if c.at.IsZero() || wall.Sub(without) <= Leap || !c.since.IsZero() && at.Sub(c.since) >= Patience {
		c.wall, c.at, c.since = wall, at, time.Time{}
		return wall, 0
	}
	if c.since.IsZero() {
		c.since, leapt = at, wall.Sub(without)
	}
	return without, leapt
}
