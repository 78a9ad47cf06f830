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
	base atomic.Pointer[instant]
}

// instant is a time, and what it is without its monotonic reading. It is immutable.
type instant struct {
	time.Time
	sec, nsec int64
}

// now returns the time. It is safe for concurrent use.
func (c *systemClock) now() time.Time {
	if base := c.base.Load(); base != nil {
		if d := time.Since(base.Time); d < clockAge {
			return base.Add(d)
		}
	}
	return c.ask()
}

// stamp is now for a record, whose time is compared with no other: it has no
// monotonic reading, which takes as long to carry along as the rest.
func (c *systemClock) stamp() time.Time {
	if base := c.base.Load(); base != nil {
		if d := time.Since(base.Time); d < clockAge {
			sec, nsec := base.sec, base.nsec+int64(d)
			if nsec >= int64(time.Second) {
				sec, nsec = sec+1, nsec-int64(time.Second)
			}
			return time.Unix(sec, nsec)
		}
	}
	return c.ask()
}

// ask asks the system for the date.
func (c *systemClock) ask() time.Time {
	now := time.Now()
	c.base.Store(&instant{now, now.Unix(), int64(now.Nanosecond())})
	return now
}
