package journal

import (
	"sync"
	"time"
)

const (
	// beatEvery is how often a writer gives a sign of life.
	beatEvery = 200 * time.Millisecond
	// aliveFor is how long after its last one a writer may count as gone.
	aliveFor = 2 * time.Second
)

// beat tells other processes that somebody writes, from before Open empties the ring
// that was left until the ring is unmapped. The goroutine does nothing else: one that
// waits for a disk too falls silent when that hangs, and readers, who believe that the
// writer is gone then, show files of which one lacks what it is just being given.
// stop returns when the goroutine has ended; a second call does nothing.
func (j *Journal) beat() (stop func()) {
	end, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(beatEvery)
		defer tick.Stop()
		for {
			j.seen()
			select {
			case <-tick.C:
			case <-end:
				return
			}
		}
	}()
	return sync.OnceFunc(func() {
		close(end)
		<-ended
	})
}

// seen is one sign of life. It waits for nobody who waits for a disk.
func (j *Journal) seen() {
	var err error
	j.tailMu.RLock()
	if j.ring != nil && !j.unmapped {
		err = guarded(func() { j.ring.setAlive(time.Now().UnixNano()) })
	}
	j.tailMu.RUnlock()
	select {
	case <-j.ready:
		j.touched(err)
	default: // Open meets it itself
	}
}
