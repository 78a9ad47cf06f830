package journal

import (
	"slices"
	"time"
)

// Callers that find no room in the ring wait in a queue for each limit, and room goes
// to who came first. Nobody who comes later takes it meanwhile, of the same limit.

// waitParts is in how many parts MaxWait is waited. When the process was stopped, as
// that of a machine that is moved, so was the writer: one part has passed then, however
// long it took, and the writer gets the others.
const waitParts = 4

// queue holds those who wait for the ring to be filled less than a limit.
type queue struct {
	limit   uint64
	waiters []*waiter // first come first
}

// waiter is one of them.
type waiter struct {
	need  uint64
	given bool          // there is room, which nobody else takes
	look  chan struct{} // something has changed
}

// fits reports whether there is room that was given to nobody. The caller holds mu.
func (j *Journal) fits(need, limit uint64) bool {
	return j.head+j.given+need-j.tail.Load() <= limit
}

// queueOf returns the queue of a limit. The caller holds mu.
func (j *Journal) queueOf(limit uint64) *queue {
	for _, q := range j.queues {
		if q.limit == limit {
			return q
		}
	}
	q := &queue{limit: limit}
	j.queues = append(j.queues, q)
	slices.SortFunc(j.queues, func(a, b *queue) int {
		if a.limit > b.limit {
			return -1
		}
		return 1
	})
	return q
}

// giveSpace gives the room that there is to those who wait, of a ring that can be used.
// The caller holds mu, and has not been given any itself that it did not take.
func (j *Journal) giveSpace() {
	if j.waiting == 0 || j.ringState.Load() != ringInUse {
		return
	}
	for _, q := range j.queues {
		n := 0
		for n < len(q.waiters) && j.fits(q.waiters[n].need, q.limit) {
			w := q.waiters[n]
			w.given = true
			j.given += w.need
			signal(w.look)
			n++
		}
		q.waiters = slices.Delete(q.waiters, 0, n)
	}
}

// wakeWaiters lets those look again who wait: something else than room has come. The
// caller holds mu.
func (j *Journal) wakeWaiters() {
	for _, q := range j.queues {
		for _, w := range q.waiters {
			signal(w.look)
		}
	}
}

// waitSpace waits until a frame fits and it is its turn, at most MaxWait, and not at
// all while the disk fails. The caller holds mu, which is given up meanwhile, and puts
// the frame before it gives it up again.
func (j *Journal) waitSpace(need, limit uint64) (err error) {
	q := j.queueOf(limit)
	var w *waiter
	var timer *time.Timer
	for parts := waitParts; ; {
		j.giveSpace()
		switch {
		case j.closed:
			err = ErrClosed
		case !j.ringed():
			err = errNoRing
		case j.ringState.Load() == ringInUse && (w == nil && len(q.waiters) == 0 && j.fits(need, limit) || w != nil && w.given):
			return j.leave(q, w, nil)
		case j.failing.Load() || need > limit || parts == 0:
			err = ErrFull
		}
		if err != nil {
			return j.leave(q, w, err)
		}
		if w == nil {
			w = &waiter{need: need, look: make(chan struct{}, 1)}
			q.waiters = append(q.waiters, w)
			j.waiting++
			timer = time.NewTimer(j.opts.MaxWait / waitParts)
			defer timer.Stop()
		} else if w.given {
			// The ring faulted before the room was taken: wakeWaiters finds who is in the queue.
			w.given = false
			j.given -= w.need
			q.waiters = append(q.waiters, w)
		}
		signal(j.urge)
		j.mu.Unlock()
		select {
		case <-w.look:
		case <-timer.C:
			if parts--; parts > 0 {
				timer.Reset(j.opts.MaxWait / waitParts)
			}
		}
		j.mu.Lock()
	}
}

// leave is what a caller of waitSpace does at the end, whether it waited or not: it takes
// the room that it was given, or goes out of the queue because of err, which is
// returned. The caller holds mu.
func (j *Journal) leave(q *queue, w *waiter, err error) error {
	if w == nil {
		return err
	}
	j.waiting--
	if w.given {
		j.given -= w.need
	} else if i := slices.Index(q.waiters, w); i >= 0 {
		q.waiters = slices.Delete(q.waiters, i, i+1)
	}
	if err != nil {
		j.giveSpace()
	}
	return err
}
