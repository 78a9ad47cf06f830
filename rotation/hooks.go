package rotation

import (
	"fmt"

	"github.com/steplog/steplog/internal/line"
)

// guarded returns o with hooks that may panic: most are called by goroutines of the
// File, where that would end the process.
func (o Options) guarded() Options {
	if hook := o.OnProblem; hook != nil {
		o.OnProblem = func(err error) {
			defer func() { _ = recover() }()
			hook(err)
		}
	}
	o.OnClose = guard("OnClose", o.OnClose, o.OnProblem)
	o.OnRemove = guard("OnRemove", o.OnRemove, o.OnProblem)
	o.OnDamage = guard("OnDamage", o.OnDamage, o.OnProblem)
	return o
}

// guard returns a hook whose panic is a problem.
func guard[T any](name string, hook func(T), problem func(error)) func(T) {
	if hook == nil {
		return nil
	}
	return func(v T) {
		defer func() {
			if p := recover(); p != nil && problem != nil {
				problem(fmt.Errorf("rotation: %s panicked: %s", name, line.PanicText(p)))
			}
		}()
		hook(v)
	}
}
