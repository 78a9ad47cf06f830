package line

import "go.uber.org/zap/zapcore"

// kindNames has the text of each kind. It is part of the format.
var kindNames = [...]string{
	KindNone: "", KindLine: "line", KindCapture: "capture", KindRun: "run", KindStep: "step",
	KindEvent: "event", KindAccess: "access", KindAudit: "audit",
}

// String returns the kind's name in the text, "" for [KindNone] and for numbers
// that are no kind.
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return ""
}

// ParseKind returns the kind that the text calls name, and whether there is one.
func ParseKind(name string) (Kind, bool) {
	switch name {
	case "line":
		return KindLine, true
	case "capture":
		return KindCapture, true
	case "run":
		return KindRun, true
	case "step":
		return KindStep, true
	case "event":
		return KindEvent, true
	case "access":
		return KindAccess, true
	case "audit":
		return KindAudit, true
	}
	return KindNone, false
}

// levelNames has the text of the six levels, in the order of [Levels]. It is
// part of the format.
var levelNames = [...]string{"trace", "debug", "info", "warn", "error", "fatal"}

// LevelIndex returns the place of a level in [Levels]. DPanic and Panic count as
// error; what lies below trace is trace, what lies above fatal is fatal.
func LevelIndex(l zapcore.Level) int {
	switch {
	case l < zapcore.DebugLevel:
		return 0
	case l <= zapcore.ErrorLevel:
		return int(l) + 2
	case l < zapcore.FatalLevel:
		return 4
	}
	return 5
}

// LevelAt is the inverse of [LevelIndex].
func LevelAt(i int) zapcore.Level {
	if i == 5 {
		return zapcore.FatalLevel
	}
	return zapcore.Level(i - 2)
}

func parseLevel(name []byte) (zapcore.Level, bool) {
	for i, n := range levelNames {
		if string(name) == n {
			return LevelAt(i), true
		}
	}
	return 0, false
}

// heads has, for each level and kind, what stands between a line's time and the
// first key that varies.
var heads = func() (h [len(levelNames)][len(kindNames)]head) {
	for l, level := range levelNames {
		for k, kind := range kindNames {
			text := `","level":"` + level + `","kind":"` + kind + `",`
			if kind == "" {
				text = `","level":"` + level + `",`
			}
			h[l][k].size = copy(h[l][k].text[:], text)
		}
	}
	return h
}()

// headRoom is the length of the longest head, in whole words.
const headRoom = 40

// head is copied whole, whatever its length.
type head struct {
	text [headRoom]byte
	size int
}
