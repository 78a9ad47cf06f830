// Package leak says which goroutines the tests of this module expect to find
// when a package is done.
package leak

import "go.uber.org/goleak"

// Options are the options for goleak in every package that opens files.
//
// lumberjack starts a goroutine for each Logger that nothing can stop; package
// rotation keeps those Loggers and uses them again, so that there are only as
// many as files were open at once. Exactly that goroutine, parked, is expected. The
// other one is the runtime's, which shows while a cleanup of ours unmaps a file: on a
// machine with much to do that takes longer than goleak waits.
func Options() []goleak.Option {
	return []goleak.Option{
		goleak.IgnoreTopFunction("gopkg.in/natefinch/lumberjack%2ev2.(*Logger).millRun"),
		goleak.IgnoreAnyFunction("runtime.runCleanups"),
	}
}
