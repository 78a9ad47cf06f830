package logger

import (
	"sync/atomic"
	"time"
)

// clockAge is how long the system's clock is not asked for the date: when
// somebody sets it, records follow so much later.
const clockAge = time.Second

// systemClock tells the time from the monotonic clock alone, which takes half of what
// time.Now does, and from time.Now once in a while.
type systemClock struct {
	base atomic.Pointer[time.Time]
}

// now returns the time. It is safe for concurrent use.
func (c *systemClock) now() time.Time {
	if base := c.base.Load(); base != nil {
		if d := time.Since(*base); d < clockAge {
			return base.Add(d)
		}
	}
	now := time.Now()
	c.base.Store(&now)
	return now
}
