package query

import (
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/steplog/steplog/levels"
	"github.com/steplog/steplog/rotation"
)

// MaxSearchBytes is how long the Search of a filter may be, in bytes.
const MaxSearchBytes = 4096

// MaxFilterValues is how many values a list in a filter may have.
const MaxFilterValues = 100

// Filter chooses records. Its conditions are combined with and; a field left at
// its zero value is no condition, so that the zero Filter matches every record
// but audit records.
type Filter struct {
	// Kinds are the kinds wanted. [KindAudit] is refused: the audit trail
	// counts its own numbers and has queries of its own.
	Kinds []Kind
	// Levels is the set of levels wanted: levels.Of for exact ones,
	// levels.AtLeast for a minimum.
	Levels levels.Set
	// From and To are the times wanted, both inclusive. Those before 1677 are all
	// the same, and so are those behind 2262.
	From, To time.Time
	// Files are the logs wanted, by name: "user" or "user.log".
	Files []string
	// Projects are the projects wanted, for somebody who may see only those: a
	// record without a project is in none but "". It is combined with Project.
	Projects []string

	// Project to Action must be equal to what the record says, case and all.
	Project   string
	Server    string
	Service   string
	Operation string
	Run       string
	// RootRun selects a run and everything that was started below it.
	RootRun string
	Step    string
	Action  string
	// Topic is what the record is about: "application", "system", "security",
	// "performance" or the host's own word. Events and requests have one, lines
	// only where the host gave it.
	Topic string

	// Search is one or more keywords, quoted phrases among them, that the
	// message must hold; see "Keywords" in the package comment. At most
	// [MaxSearchBytes], in UTF-8.
	Search string
	// Where is a condition on the details, and by [OnKey] on fixed keys.
	Where Expr
}

// complete checks f and gives it its final form: files without ".log", lists of
// its own, so that the caller may go on using its slices.
func (f Filter) complete() (Filter, error) {
	if err := checkTimes(f.From, f.To); err != nil {
		return f, err
	}
	if len(f.Kinds) > MaxFilterValues {
		return f, invalid("Kinds", "has more than %d values", MaxFilterValues)
	}
	f.Kinds = slices.Clone(f.Kinds)
	for _, k := range f.Kinds {
		if k == KindAudit {
			return f, invalid("Kinds", "asks for audit records, which are not among the others")
		}
		if !k.known() {
			return f, invalid("Kinds", "has the unknown kind %q", string(k))
		}
	}
	if len(f.Files) > MaxFilterValues {
		return f, invalid("Files", "has more than %d values", MaxFilterValues)
	}
	f.Files = slices.Clone(f.Files)
	for i, name := range f.Files {
		name = strings.TrimSuffix(name, ".log")
		if !rotation.ValidName(name) {
			return f, invalid("Files", "has %q, which is no name of a log", f.Files[i])
		}
		f.Files[i] = name
	}
	if len(f.Projects) > MaxFilterValues {
		return f, invalid("Projects", "has more than %d values", MaxFilterValues)
	}
	f.Projects = slices.Clone(f.Projects)
	if len(f.Search) > MaxSearchBytes {
		return f, invalid("Search", "is longer than %d bytes", MaxSearchBytes)
	}
	if !utf8.ValidString(f.Search) {
		return f, invalid("Search", "is not UTF-8")
	}
	if err := f.Where.validate(); err != nil {
		return f, err
	}
	f.hoist()
	return f, nil
}

// hoist moves conditions of Where that a field of the filter says as well to that
// field, where an index is asked first.
func (f *Filter) hoist() {
	args := []Expr{f.Where}
	if f.Where.Op == OpAnd {
		args = f.Where.Args
	}
	var left []Expr
	for _, arg := range args {
		if !f.takes(arg) {
			left = append(left, arg)
		}
	}
	if len(left) == len(args) {
		return
	}
	f.Where = And(left...)
}

// takes moves one condition.
func (f *Filter) takes(e Expr) bool {
	if !e.Key || e.Op != OpEq || e.Fold || e.Value == "" {
		return false
	}
	if e.Field == "level" {
		l, err := levels.Parse(e.Value)
		if f.Levels != 0 || err != nil || levels.Name(l) != e.Value {
			return false
		}
		f.Levels = levels.Of(l)
		return true
	}
	to := map[string]*string{"project": &f.Project, "server": &f.Server, "service": &f.Service, "operation": &f.Operation,
		"run": &f.Run, "step": &f.Step, "action": &f.Action, "topic": &f.Topic}[e.Field]
	if to == nil || *to != "" {
		return false
	}
	*to = e.Value
	return true
}

// checkTimes refuses a range that ends before it begins.
func checkTimes(from, to time.Time) error {
	if !from.IsZero() && !to.IsZero() && from.After(to) {
		return invalid("From", "is after To")
	}
	return nil
}

// Keywords splits a search into the parts that a message must hold: at blanks
// outside double quotes, the quotes removed, empty parts left out. A quote that
// is not closed reaches to the end. It is for backends, which get [Filter.Search]
// as it was given.
func Keywords(search string) []string {
	var parts []string
	var part strings.Builder
	quoted := false
	flush := func() {
		if part.Len() > 0 {
			parts = append(parts, part.String())
			part.Reset()
		}
	}
	for _, r := range search {
		switch {
		case r == '"':
			quoted = !quoted
		case !quoted && unicode.IsSpace(r):
			flush()
		default:
			part.WriteRune(r)
		}
	}
	flush()
	return parts
}
