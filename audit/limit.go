package audit

import "time"

// limitParts is into how many parts a timeout is cut. What is waited for from the
// same part on ends at once, so that a wait costs no timer of its own: it lasts a
// 64th longer than it may, at most.
const limitParts = 64

// limit ends the waits that began within a part of the timeout.
type limit struct {
	until  time.Time     // waits that begin before it
	over   chan struct{} // closed when they have lasted long enough
	timer  *time.Timer   // closes it
	before *limit        // that of the waits before; nil once it is over
}

// limit returns the one for a wait that begins now. The caller holds mu.
func (t *trail) limit(now time.Time) *limit {
	if l := t.limits; l != nil && now.Before(l.until) {
		return l
	}
	part := t.timeout / limitParts
	l := &limit{until: now.Add(part), over: make(chan struct{}), before: t.limits}
	l.timer = time.AfterFunc(t.timeout+part, func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		close(l.over)
		l.before = nil
	})
	t.limits = l
	return l
}

// stopLimits ends the timers, once nobody waits.
func (t *trail) stopLimits() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for l := t.limits; l != nil; l = l.before {
		l.timer.Stop()
	}
	t.limits = nil
}
