package audit

import (
	"context"
	"fmt"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/steplog/steplog/internal/mask"
)

const (
	// maxText is how long the texts of a record are, in bytes of JSON; what is
	// longer is cut, and the record says so.
	maxText = 512
	// maxReason is the same for the reason.
	maxReason = 4096
	// roomForEnd is what is kept free for what follows the changes.
	roomForEnd = 512

	timeFormat = "2006-01-02T15:04:05.000000000Z"
)

// Topics of audit records.
const (
	topicAudit    = "audit"
	topicSecurity = "security"
)

// encoder makes the lines of records. It is safe for concurrent use.
type encoder struct {
	mask       *mask.Masker
	hmac       []byte // nil: values are dropped
	maxChanges int
	maxValue   int
	process    Actor // who acts when nobody is named
}

// entry is an Entry that was checked, with what the context adds.
type entry struct {
	Entry
	at     time.Time
	ipFrom string
	intent uint64 // of the record this one answers, plus 1; 0 for none
	// What before and after are in JSON's eyes, when that was found out earlier.
	before, after any
	compared      bool
	err           error
}

// complete checks an entry and fills in what it leaves out.
func (c catalogue) complete(ctx context.Context, e Entry, process Actor) (entry, error) {
	known, ok := c[e.Event.Name]
	if !ok {
		return entry{}, fmt.Errorf("%w: %.80q is not in the catalogue, to which Options.Events adds", ErrEvent, e.Event.Name)
	}
	e.Event = known
	if e.Outcome == "" {
		e.Outcome = Success
	}
	if !e.Outcome.known() {
		return entry{}, fmt.Errorf("%w: the unknown outcome %.40q", ErrEntry, string(e.Outcome))
	}
	if e.Actor == (Actor{}) {
		if e.Actor = actorOf(ctx); e.Actor == (Actor{}) {
			e.Actor = process
		}
	}
	full := entry{Entry: e}
	from := originOf(ctx)
	if e.Request == "" {
		full.Request = from.Request
	}
	if !e.IP.IsValid() {
		full.IP, full.ipFrom = from.IP, from.From
	}
	return full, nil
}

// topic is what a record is about.
func (e *entry) topic() string {
	if e.Event.Security || e.Outcome == Denied {
		return topicSecurity
	}
	return topicAudit
}

// body encodes everything of a record but the number it begins with; FORMAT.md
// has the keys and their order.
func (c *encoder) body(dst []byte, e *entry) []byte {
	w := writer{dst: dst, mask: c.mask}
	w.raw(`"timestamp":"`)
	w.dst = e.at.UTC().AppendFormat(w.dst, timeFormat)
	w.raw(`","level":"info","kind":"audit"`)
	w.text("topic", e.topic())
	w.text("id", newID())
	w.text("event", e.Event.Name)
	w.text("title", e.Event.Title)
	w.text("verb", string(e.Event.Verb))
	w.text("module", e.Event.Module)
	w.text("outcome", string(e.Outcome))
	if e.intent > 0 {
		w.number("intent", e.intent-1)
	}
	w.long("reason", e.Reason, maxReason)
	w.actor("actor", e.Actor)
	w.actor("on_behalf_of", e.OnBehalfOf)
	if t := e.Target; t != (Target{}) {
		w.open("target")
		w.text("type", t.Type)
		w.text("id", t.ID)
		w.text("name", t.Name)
		w.close()
	}
	w.text("operation", e.FlowID)
	w.text("project", e.Project)
	if e.IP.IsValid() {
		w.text("ip", e.IP.Unmap().WithZone("").String())
	}
	w.text("ip_from", e.ipFrom)
	w.text("request", e.Request)
	w.text("run", e.Run)
	c.changes(&w, e)
	if w.cut {
		w.raw(`,"truncated":true`)
	}
	if w.redacted {
		w.raw(`,"redacted":true`)
	}
	return append(w.dst, '}')
}

func newID() string {
	id, err := uuid.NewV7()
	if err != nil {
		return "" // no randomness, no id: the seq is one too
	}
	return id.String()
}

// compare finds out what before and after are. It is done once, before the thing
// can change any further.
func (e *entry) compare() {
	if e.compared {
		return
	}
	e.compared = true
	if e.before, e.err = normal(e.Before); e.err == nil {
		e.after, e.err = normal(e.After)
	}
}

// changes writes the diff.
func (c *encoder) changes(w *writer, e *entry) {
	e.compare()
	if e.err != nil {
		w.long("diff_error", e.err.Error(), maxText)
		return
	}
	d := differ{hide: hider{mask: c.mask, key: c.hmac}, maxChanges: c.maxChanges, maxValue: c.maxValue}
	changes := d.diff(e.before, e.after)
	left := d.left
	if len(changes) > 0 {
		w.raw(`,"changes":[`)
		for i, change := range changes {
			start := len(w.dst)
			if i > 0 {
				w.raw(",")
			}
			w.dst = appendChange(w.dst, &change)
			if len(w.dst) > MaxLine-roomForEnd {
				w.dst = w.dst[:start]
				left += len(changes) - i
				break
			}
		}
		w.raw("]")
	}
	if left > 0 {
		w.number("more_changes", uint64(left))
	}
	w.cut = w.cut || d.cut || left > 0
	w.redacted = w.redacted || d.redact
}

func appendChange(dst []byte, c *Change) []byte {
	dst = appendText(append(dst, `{"path":`...), c.Path)
	dst = append(append(append(dst, `,"op":"`...), c.Op...), '"')
	if c.Before != nil {
		dst = append(append(dst, `,"before":`...), c.Before...)
	}
	if c.After != nil {
		dst = append(append(dst, `,"after":`...), c.After...)
	}
	return append(dst, '}')
}

// writer appends members of an object, each with a comma before it.
type writer struct {
	dst           []byte
	mask          *mask.Masker
	cut, redacted bool
}

func (w *writer) raw(s string) { w.dst = append(w.dst, s...) }

func (w *writer) key(k string) {
	if last := w.dst[len(w.dst)-1]; last != '{' {
		w.raw(",")
	}
	w.raw(`"`)
	w.raw(k)
	w.raw(`":`)
}

func (w *writer) text(k, s string) { w.long(k, s, maxText) }

// long writes a text that is not empty, masked, and cut at limit bytes of JSON.
func (w *writer) long(k, s string, limit int) {
	if s == "" {
		return
	}
	w.key(k)
	masked, hid := w.mask.Mask(s)
	w.redacted = w.redacted || hid
	start := len(w.dst)
	if len(masked) <= limit {
		if w.dst = appendText(w.dst, masked); len(w.dst)-start <= limit+2 {
			return
		}
	}
	w.cut = true
	w.dst = appendText(w.dst[:start], head(masked, limit))
	if len(w.dst)-start > limit+2 {
		w.dst = appendText(w.dst[:start], head(masked, limit/6)) // each byte takes up to six
	}
}

// head is the beginning of a text, at most n bytes, not in the middle of a rune.
func head(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

func (w *writer) number(k string, n uint64) {
	w.key(k)
	w.dst = strconv.AppendUint(w.dst, n, 10)
}

func (w *writer) open(k string) {
	w.key(k)
	w.raw("{")
}

func (w *writer) close() { w.raw("}") }

func (w *writer) actor(k string, a Actor) {
	if a == (Actor{}) {
		return
	}
	w.open(k)
	w.text("id", a.ID)
	w.text("email", a.Email)
	w.text("name", a.Name)
	w.text("type", a.Type)
	w.close()
}
