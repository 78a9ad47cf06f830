//go:build unix

package logger

import (
	"time"

	"golang.org/x/sys/unix"
)

// cpuTime returns the user and system time that the process has used.
func cpuTime() (time.Duration, bool) {
	var usage unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &usage); err != nil {
		return 0, false
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano()), true
}
