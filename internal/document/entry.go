package document

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/steplog/steplog/query"
)

// Entry is an entry of the API's logs.
type Entry struct {
	Timestamp stamp           `json:"timestamp"` // RFC 3339 in UTC, trailing zeros cut
	Level     string          `json:"level"`     // upper case
	Service   string          `json:"service"`   // "" for what no service logged
	Message   string          `json:"message"`
	Details   json.RawMessage `json:"details,omitempty"` // an object
}

// makeEntry returns the document of a record. Its details are those of the
// record, with the record's error ahead of them under "error", because the
// document has no other place for it; details that have a key of that name
// themselves stay as they are.
func makeEntry(r *query.Record) (Entry, error) {
	failure, details, err := r.Objects()
	if err != nil {
		return Entry{}, fmt.Errorf("document: %w", err)
	}
	if bytes.Equal(details, []byte("{}")) {
		details = nil
	}
	if failure != nil {
		details = withError(details, failure)
	}
	return Entry{
		Timestamp: rfc3339(r.Time),
		Level:     levelName(r),
		Service:   r.Service,
		Message:   r.Message,
		Details:   details,
	}, nil
}

// withError puts an error ahead of the details.
func withError(details, object []byte) []byte {
	var own map[string]json.RawMessage
	if json.Unmarshal(details, &own) != nil || len(own) == 0 {
		own, details = nil, []byte("{}")
	}
	if _, taken := own["error"]; taken {
		return details
	}
	out := append([]byte(`{"error":`), object...)
	if len(own) > 0 {
		out = append(out, ',')
	}
	_, rest, _ := bytes.Cut(details, []byte("{"))
	return append(out, rest...)
}
