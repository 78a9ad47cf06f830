package audit

import "github.com/steplog/steplog/internal/line"

// apart runs what is the host's on a goroutine of its own and waits for it, so that none
// of the Recorder's ends when that panics, or ends its goroutine as testing's FailNow
// does. It returns what went wrong, "" for nothing.
func apart(f func()) (wrong string) {
	ended := make(chan struct{})
	wrong = "ended its goroutine"
	go func() {
		defer close(ended)
		defer func() {
			if p := recover(); p != nil {
				wrong = "panicked: " + line.PanicText(p)
			}
		}()
		f()
		wrong = ""
	}()
	<-ended
	return wrong
}
