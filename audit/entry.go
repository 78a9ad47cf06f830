package audit

import (
	"context"
	"net/netip"
)

// Entry is what a host says of one act. Everything but Event may be left out.
// The recorder does not keep it.
type Entry struct {
	// Event is what happened: one of the catalogue or of Options.Events.
	Event Event
	// Actor is who did it. The zero Actor means that of the context, see
	// [WithActor], or else this process.
	Actor Actor
	// OnBehalfOf is for whom, when that is somebody else.
	OnBehalfOf Actor
	// Target is the thing it was done to.
	Target Target
	// FlowID and Project say where it belongs.
	FlowID, Project string
	// Request is the id of the request that asked for it, "" for that of the
	// context, see [WithOrigin]; Run is that of the run it happened in.
	Request, Run string
	// IP is where it came from; the zero address means that of the context.
	IP netip.Addr
	// Before and After are the thing before and after, nil for a thing that was
	// not there. They are compared as JSON, with numbers kept exact; what differs
	// is recorded, not they.
	Before, After any
	// Outcome is how it ended, "" for Success.
	Outcome Outcome
	// Reason says why.
	Reason string
}

// Actor is somebody or something that acts.
type Actor struct {
	ID    string `json:"id,omitempty"`
	Email string `json:"email,omitempty"`
	Name  string `json:"name,omitempty"`
	// Type says what it is: "user", "service", "process" or the host's word.
	Type string `json:"type,omitempty"`
}

// User returns the actor of type "user" that is known by an e-mail address, which
// is its id too.
func User(email string) Actor { return Actor{ID: email, Email: email, Type: "user"} }

// Target is the thing that something is done to.
type Target struct {
	Type string `json:"type,omitempty"`
	ID   string `json:"id,omitempty"`
	Name string `json:"name,omitempty"`
}

// Outcome is how an act ended.
type Outcome string

// The outcomes.
const (
	Intent  Outcome = "intent" // it is about to be done; see [Recorder.Do]
	Success Outcome = "success"
	Failure Outcome = "failure"
	Denied  Outcome = "denied"
	Panic   Outcome = "panic"
)

func (o Outcome) known() bool {
	switch o {
	case Intent, Success, Failure, Denied, Panic:
		return true
	default:
		return false
	}
}

// Origin is where a request came from.
type Origin struct {
	// IP is the address of whoever asked.
	IP netip.Addr
	// From says how IP is known: "peer" for the other end of the connection,
	// "forwarded" for what a trusted proxy said, "malformed" when a trusted proxy
	// said what is no address.
	From string
	// Request is the request's id.
	Request string
}

// ContextKey is the type of the keys under which a context holds values for
// records.
type ContextKey int

const (
	// ActorKey holds an [Actor].
	ActorKey ContextKey = iota
	// OriginKey holds an [Origin].
	OriginKey
)

// WithActor returns a context whose records are those of an actor, where an
// entry does not name one.
func WithActor(ctx context.Context, a Actor) context.Context {
	return context.WithValue(ctx, ActorKey, a)
}

// WithOrigin returns a context whose records come from an origin, where an entry
// does not say otherwise. The middleware of package access sets it.
func WithOrigin(ctx context.Context, o Origin) context.Context {
	return context.WithValue(ctx, OriginKey, o)
}

func actorOf(ctx context.Context) Actor {
	a, _ := ctx.Value(ActorKey).(Actor)
	return a
}

func originOf(ctx context.Context) Origin {
	o, _ := ctx.Value(OriginKey).(Origin)
	return o
}
