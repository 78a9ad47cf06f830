package logger

import (
	"sync"
	"sync/atomic"
)

// problems tells the host what went wrong, from a goroutine of its own: a hook
// that logs, waits for a lock of the host's or panics must not reach back into
// the call that met the problem.
type problems struct {
	hook  func(error) // immutable after start; may be nil
	queue chan error
	count atomic.Int64
	last  atomic.Pointer[error]
	quit  chan struct{}
	once  sync.Once
	done  sync.WaitGroup
}

// queuedProblems is how many problems may wait for the hook; more are counted
// only.
const queuedProblems = 256

func (p *problems) start(hook func(error)) {
	p.hook = hook
	if hook == nil {
		return
	}
	p.queue = make(chan error, queuedProblems)
	p.quit = make(chan struct{})
	p.done.Go(p.run)
}

// tell counts a problem and passes it on.
func (p *problems) tell(err error) {
	p.count.Add(1)
	p.pass(err)
}

// pass hands on a problem that somebody else counts. It never waits.
func (p *problems) pass(err error) {
	p.last.Store(&err)
	if p.hook == nil {
		return
	}
	select {
	case p.queue <- err:
	default:
	}
}

func (p *problems) run() {
	for {
		select {
		case err := <-p.queue:
			p.call(err)
		case <-p.quit:
			// What was told before finish is still heard.
			for n := len(p.queue); n > 0; n-- {
				p.call(<-p.queue)
			}
			return
		}
	}
}

func (p *problems) call(err error) {
	defer func() { _ = recover() }() // the hook is the host's
	p.hook(err)
}

// finish has the waiting problems told and ends the goroutine.
func (p *problems) finish() {
	if p.hook == nil {
		return
	}
	p.once.Do(func() { close(p.quit) })
	p.done.Wait()
}

// problem counts a problem and has the host hear of it.
func (s *Store) problem(err error) { s.problems.tell(err) }
