package logger

import (
	"bytes"
	"os"
	"strconv"
)

// residentBytes returns how much memory the process occupies: the second field
// of /proc/self/statm, in pages (proc_pid_statm(5)).
func residentBytes() (int64, bool) {
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0, false
	}
	fields := bytes.Fields(text)
	if len(fields) < 2 {
		return 0, false
	}
	pages, err := strconv.ParseInt(string(fields[1]), 10, 64)
	if err != nil {
		return 0, false
	}
	return pages * int64(os.Getpagesize()), true
}
