package logger

import (
	"runtime"
	"time"

	"github.com/steplog/steplog/levels"
	"go.uber.org/zap"
)

// watchPerformance logs the process's figures until the store is closed.
func (s *Store) watchPerformance() {
	ticker := time.NewTicker(s.options.PerformanceEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			s.logPerformance()
		case <-s.stop:
			return
		}
	}
}

// logPerformance logs how much CPU time the process has used since it started,
// how much memory it occupies now, and how many goroutines it has. What the
// system does not tell is left out.
func (s *Store) logPerformance() {
	fields := make([]zap.Field, 0, 3)
	if used, ok := cpuTime(); ok {
		fields = append(fields, zap.Float64("cpu_seconds", used.Seconds()))
	}
	if n, ok := residentBytes(); ok {
		fields = append(fields, zap.Int64("resident_bytes", n))
	}
	fields = append(fields, zap.Int("goroutines", runtime.NumGoroutine()))
	s.root.event(levels.Info, topicPerformance, "performance", fields...)
}
