package logger

import (
	"github.com/steplog/steplog/internal/line"
	"go.uber.org/zap/zapcore"
)

// Stats is what a store took in since it was opened, and what went wrong.
type Stats struct {
	// Mode is the mode in force, whatever Options.Mode asked for.
	Mode Mode
	// Waiting is how many bytes of the journal's buffer hold records that are not
	// in the files yet, and RingBytes the size of that buffer. Both are 0 in
	// ModeWrite.
	Waiting, RingBytes int64
	// Failing is whether the disk does not take what is logged: it is full or has
	// errors, or records were dropped and none could say so yet. It ends by itself
	// when there is room again.
	Failing bool
	// Records and Bytes are how many records were written, and how long their
	// lines are together.
	Records, Bytes int64
	// Dropped is how many records were not written; each is counted under its
	// level in DroppedByLevel, which has no entry for a level without any.
	Dropped        int64
	DroppedByLevel map[zapcore.Level]int64
	// Files has the same for each file that was used.
	Files map[string]FileStats
	// Problems is how many problems there were in the background, each of which
	// Options.OnProblem hears of unless it is too slow; LastProblem is the newest,
	// nil when there was none.
	Problems    int64
	LastProblem error
	// OpenRuns is how many runs are open in this process.
	OpenRuns int
}

// FileStats is what one file took in since the store was opened.
type FileStats struct {
	Records, Bytes int64
	Dropped        int64
	DroppedByLevel map[zapcore.Level]int64
}

// Stats returns the counters as they are now. It never waits for the disk but in
// ModeWrite, where it waits for the write that is under way. It may be called after
// Close, which is when drops by late callers show.
func (s *Store) Stats() Stats {
	stats := Stats{Mode: ModeWrite, DroppedByLevel: map[zapcore.Level]int64{}, Files: map[string]FileStats{}}
	if s.none() {
		return stats
	}
	dropped := map[string]line.Levels{}
	s.mu.RLock()
	for name, f := range s.files {
		var n line.Levels
		for i := range n {
			n[i] = f.dropped[i].Load()
		}
		if n != (line.Levels{}) {
			dropped[name] = n
		}
	}
	s.mu.RUnlock()

	kept := s.journal.Stats()
	stats.Mode, stats.Waiting, stats.RingBytes = modeOf(kept.Mode), kept.Waiting, kept.RingSize
	stats.Failing = kept.Failing
	for name, j := range kept.Files {
		n := dropped[name]
		for i := range n {
			n[i] += j.DroppedByLevel[i]
		}
		delete(dropped, name)
		stats.add(name, FileStats{Records: j.Records, Bytes: j.Bytes}, n)
	}
	for name, n := range dropped {
		stats.add(name, FileStats{}, n)
	}
	stats.Problems = s.problems.count.Load() + kept.Problems
	if last := s.problems.last.Load(); last != nil {
		stats.LastProblem = *last
	}
	stats.OpenRuns = s.openRuns()
	return stats
}

func (s *Stats) add(name string, f FileStats, dropped line.Levels) {
	f.DroppedByLevel = map[zapcore.Level]int64{}
	for i, l := range sixLevels {
		if n := dropped[i]; n != 0 {
			f.Dropped += n
			f.DroppedByLevel[l] = n
			s.DroppedByLevel[l] += n
		}
	}
	s.Files[name] = f
	s.Records += f.Records
	s.Bytes += f.Bytes
	s.Dropped += f.Dropped
}
