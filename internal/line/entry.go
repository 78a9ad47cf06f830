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
}

// appendIdentityString appends one identifier.
func appendIdentityString(b []byte, key, value string, e *Encoder) []byte {
	if value == "" {
		return b
	}
	b = append(b, key...)
	b = e.plainText(b, CutID(value))
	return append(b, ',')
}

// MaxID is the longest identifier, in bytes. Longer ones are shortened by
// [CutID] wherever they are written or compared.
const MaxID = 1024

// CutID returns id, or, if it has more than [MaxID] bytes, its beginning and a
// hash of the whole, so that different ids stay different.
func CutID(id string) string {
	if len(id) <= MaxID {
		return id
	}
	return cutText(id, MaxID-70) + "…" + sumOf(id)
}
