package audit

import (
	"encoding/json"
	"fmt"
	"time"
)

// Record is a stored audit record.
type Record struct {
	// Seq is its number in the trail: records are numbered from 0 without a gap,
	// so that a missing one shows. It has nothing to do with the numbers of other
	// records in the folder.
	Seq  uint64
	Time time.Time // UTC
	// ID is a UUIDv7 of its own.
	ID string
	// Topic is "security" for log-ins, access rules and what was denied, "audit"
	// for the rest.
	Topic string
	// Event to Module are those of the [Event].
	Event  string
	Title  string
	Verb   Verb
	Module string

	Outcome Outcome
	// Intent is the seq of the record with the outcome intent that this one
	// answers, nil when there was none.
	Intent *uint64
	Reason string

	Actor, OnBehalfOf Actor
	Target            Target
	FlowID, Project   string
	// IP is an address, "" when it is not known; IPFrom is [Origin.From].
	IP, IPFrom   string
	Request, Run string

	// Changes is the diff, and MoreChanges how many rows were left out of it.
	Changes     []Change
	MoreChanges int
	// DiffError says why there is no diff.
	DiffError string
	// Truncated is true when a value was cut or rows were left out, Redacted when
	// a value was hidden.
	Truncated, Redacted bool

	// Raw is the line, without its newline.
	Raw []byte
}

// recordJSON is a record's line; see FORMAT.md.
type recordJSON struct {
	Seq        *uint64   `json:"seq"`
	Timestamp  time.Time `json:"timestamp"`
	Kind       string    `json:"kind"`
	ID         string    `json:"id"`
	Topic      string    `json:"topic"`
	Event      string    `json:"event"`
	Title      string    `json:"title"`
	Verb       Verb      `json:"verb"`
	Module     string    `json:"module"`
	Outcome    Outcome   `json:"outcome"`
	Intent     *uint64   `json:"intent"`
	Reason     string    `json:"reason"`
	Actor      Actor     `json:"actor"`
	OnBehalfOf Actor     `json:"on_behalf_of"`
	Target     Target    `json:"target"`
	Operation  string    `json:"operation"`
	Project    string    `json:"project"`
	IP         string    `json:"ip"`
	IPFrom     string    `json:"ip_from"`
	Request    string    `json:"request"`
	Run        string    `json:"run"`
	Changes    []Change  `json:"changes"`
	More       int       `json:"more_changes"`
	DiffError  string    `json:"diff_error"`
	Truncated  bool      `json:"truncated"`
	Redacted   bool      `json:"redacted"`
}

// ParseRecord reads a record's line, without its newline. It keeps raw. An error
// wraps [ErrLine].
func ParseRecord(raw []byte) (Record, error) {
	var r recordJSON
	if err := json.Unmarshal(raw, &r); err != nil {
		return Record{}, fmt.Errorf("%w: %w", ErrLine, err)
	}
	if r.Seq == nil || r.Kind != "audit" {
		return Record{}, fmt.Errorf("%w: no audit record", ErrLine)
	}
	return Record{
		Seq: *r.Seq, Time: r.Timestamp, ID: r.ID, Topic: r.Topic,
		Event: r.Event, Title: r.Title, Verb: r.Verb, Module: r.Module,
		Outcome: r.Outcome, Intent: r.Intent, Reason: r.Reason,
		Actor: r.Actor, OnBehalfOf: r.OnBehalfOf, Target: r.Target,
		FlowID: r.Operation, Project: r.Project, IP: r.IP, IPFrom: r.IPFrom, Request: r.Request, Run: r.Run,
		Changes: r.Changes, MoreChanges: r.More, DiffError: r.DiffError,
		Truncated: r.Truncated, Redacted: r.Redacted, Raw: raw,
	}, nil
}
