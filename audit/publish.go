package audit

import (
	"fmt"
	"path/filepath"
	"time"

	"github.com/steplog/steplog/internal/vfs"
)

// publishEvery is how often audit.checkpoint is written at most.
const publishEvery = time.Second

// announce lets the publisher know that there is something new, once until it
// looks.
func (t *trail) announce() {
	if !t.told.Swap(true) {
		signal(t.publish)
	}
}

// checkpoint is the newest one that is durable.
func (t *trail) checkpoint() []byte { return t.latest.Load().Note }

// publishAll is the publisher.
func (t *trail) publishAll() {
	var toldSize, writtenSize uint64
	var told, written, failed bool
	var last time.Time
	timer := time.NewTimer(publishEvery)
	defer timer.Stop()
	for ending := false; !ending; {
		select {
		case <-t.publish:
		case <-timer.C:
		case <-t.stop:
			ending = true
		}
		if wait := publishEvery - time.Since(last); wait > 0 && written && !ending && t.hook == nil {
			timer.Reset(wait) // told stays set, so that nobody wakes this goroutine before
			continue
		}
		t.told.Store(false) // what is newer than the next line sets it again
		point := t.latest.Load()
		if t.hook != nil && (!told || point.Size > toldSize) {
			told, toldSize = true, point.Size
			t.callHook(point.Note)
		}
		if written && point.Size == writtenSize {
			continue
		}
		if wait := publishEvery - time.Since(last); wait > 0 && written && !ending {
			timer.Reset(wait)
			continue
		}
		last = time.Now()
		if err := vfs.WriteWhole(t.fs, filepath.Join(t.dir, checkpointName), point.Note); err != nil {
			if !failed { // once, not on each try
				t.problem(fmt.Errorf("audit: publish %s: %w", checkpointName, err))
			}
			failed = true
			timer.Reset(publishEvery)
			continue
		}
		written, writtenSize, failed = true, point.Size, false
	}
}

func (t *trail) callHook(text []byte) {
	if wrong := apart(func() { t.hook(append([]byte(nil), text...)) }); wrong != "" {
		t.problem(fmt.Errorf("audit: Options.OnCheckpoint %s", wrong))
	}
}
