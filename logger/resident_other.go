//go:build !linux

package logger

// residentBytes is not known here.
func residentBytes() (int64, bool) { return 0, false }
