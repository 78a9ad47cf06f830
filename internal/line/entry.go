package line

import (
	"time"

	"go.uber.org/zap/zapcore"
)

// Entry is a record about to be encoded, without its fields. Empty strings are
// left out of the line.
type Entry struct {
	Time     time.Time
	Level    zapcore.Level
	Kind     Kind
	Identity []byte   // from [AppendIdentity]; nil when there is none
	Context  *Context // what the logger bound; nil when nothing

	Topic          string // a [Topic] field goes before it
	Trace, Span    string
	Logger, Caller string
	Label          string // goes before the context's
	Phase          string // captures; run and step records have it in Lifecycle
	Message        string
	Stack          string
	Err            error // becomes the error key; error fields then go to details
	Truncated      bool  // a value among the fields was cut before it came here
	Lifecycle      *Lifecycle

	// MessageCode is told by [Encoder.Append]: the code of the message, see [Messages], 0
	// where it has none or the line does not hold it as it is.
	MessageCode uint16
}
