package levels

import (
	"sync/atomic"

	"go.uber.org/zap/zapcore"
)

// Gate answers, for one scope, whether a line is recorded now. It is what a
// logger holds: [Tree.At] gives every logger of a scope the same gate, and a
// change in the tree reaches the gate before the call that makes it returns.
//
// A Gate is a [zapcore.LevelEnabler]. Each method is one atomic load, and all
// of them are safe for concurrent use. Gates come from [Tree.At] only.
type Gate struct {
	// state packs what holds for the scope, so that one load sees one moment:
	// in bits 0-15 the lowest level let through as an int16, in bits 16-23 the
	// minimum level as an int8, then linesBit and captureBit. The threshold is
	// kept beside the level because switched-off lines let nothing through,
	// not even the highest level there can be.
	state atomic.Uint32

	// A gate without a pointer would be put together with other small objects
	// in one allocation, and be released only with the last of them.
	_ *byte
}

const (
	levelShift = 16
	linesBit   = 1 << 24
	captureBit = 1 << 25

	letsNothing    = 1 << 8  // above every zapcore.Level
	letsEverything = -1 << 8 // below every zapcore.Level: what is under Trace counts as Trace
)

// Enabled reports whether a line of level l is recorded: lines are on and l is
// not below the minimum level.
func (g *Gate) Enabled(l zapcore.Level) bool {
	return int16(l) >= int16(g.state.Load())
}

// Level returns the minimum level, whether lines are on or not.
func (g *Gate) Level() zapcore.Level {
	return zapcore.Level(int8(g.state.Load() >> levelShift))
}

// Lines reports whether lines are on.
func (g *Gate) Lines() bool {
	return g.state.Load()&linesBit != 0
}

// Capture reports whether an action's input and output are captured, which is
// never the case while lines are off.
func (g *Gate) Capture() bool {
	return g.state.Load()&captureBit != 0
}

func (g *Gate) set(s Setting) {
	threshold := int16(s.Level)
	state := uint32(uint8(s.Level)) << levelShift
	if s.Level == Trace {
		threshold = letsEverything
	}
	if s.Lines {
		state |= linesBit
	} else {
		threshold = letsNothing
	}
	if s.Capture {
		state |= captureBit
	}
	g.state.Store(state | uint32(uint16(threshold)))
}
