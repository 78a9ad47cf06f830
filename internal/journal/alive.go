package journal

import "time"

// Readers in other processes ask whether a writer has the lock. Where they cannot, they
// go by the time of its last sign of life.
const (
	// aliveFor is how long after that a writer counts as one. It gives a sign every
	// [tickEvery] while its disk answers.
	aliveFor = 2 * time.Second
	// followedFor is how long what it has published holds where something in the ring
	// may be missing in the texts: mostly another process opens the folder by then, and
	// a reader that had shown more would not tell of that to who follows the log.
	followedFor = time.Minute
)

// seen gives a sign of life.
func (j *Journal) seen() {
	var err error
	j.tailMu.RLock()
	if j.ring != nil && !j.unmapped {
		err = guarded(func() { j.ring.setAlive(time.Now().UnixNano()) })
	}
	j.tailMu.RUnlock()
	j.touched(err)
}
