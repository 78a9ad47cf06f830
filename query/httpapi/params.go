package httpapi

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"go.uber.org/zap/zapcore"

	"github.com/steplog/steplog/levels"
	"github.com/steplog/steplog/query"
)

// Limits of parameters.
const (
	maxQuery = 64 << 10 // bytes of a whole query string
	maxText  = 1024     // bytes of one value
	// maxConditions is how long the text of conditions may be, in bytes.
	maxConditions = 4096
	maxFields     = 32 // pairs of search_field and field
	maxID         = 1<<53 - 1
	maxPosition   = 1_000_000_000 // of pages, offsets and lines: beyond any log
)

// params reads the parameters of a request. The first thing that is wrong is
// kept, and everything after it reads as not given.
type params struct {
	values url.Values
	err    *failure
}

// params takes the query string apart. Names that are not known, and names
// given more than once, are refused; several are what may be.
func (q *request) params(known ...string) *params {
	p := &params{}
	if len(q.r.URL.RawQuery) > maxQuery {
		p.err = bad("", "The query string is longer than %d bytes.", maxQuery)
		return p
	}
	values, err := url.ParseQuery(q.r.URL.RawQuery)
	if err != nil {
		p.err = bad("", "The query string cannot be read: %v.", err)
		return p
	}
	p.values = values
	for _, name := range sortedNames(values) {
		family, _, numbered := strings.Cut(name, ".")
		if strings.HasSuffix(name, "...") || !slices.Contains(known, name) && !(numbered && slices.Contains(known, family+".N")) {
			p.err = bad(name, "There is no parameter '%.80s' here.", name)
			return p
		}
		if len(values[name]) > 1 && !slices.Contains(known, name+"...") {
			p.err = bad(name, "'%.80s' is given more than once.", name)
			return p
		}
		for _, v := range values[name] {
			most := maxText
			if name == "q" {
				most = maxConditions
			}
			if len(v) > most {
				p.err = bad(name, "'%.80s' is longer than %d bytes.", name, most)
				return p
			}
			if !utf8.ValidString(v) || strings.ContainsRune(v, 0) {
				p.err = bad(name, "'%.80s' is not text in UTF-8, or has a NUL.", name)
				return p
			}
		}
	}
	return p
}

func sortedNames(values url.Values) []string {
	names := make([]string, 0, len(values))
	for name := range values {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// wrong keeps the first failure.
func (p *params) wrong(f *failure) {
	if p.err == nil {
		p.err = f
	}
}

// done returns what is wrong.
func (p *params) done() error {
	if p.err != nil {
		return p.err
	}
	return nil
}

func (p *params) has(name string) bool { return p.err == nil && p.values.Has(name) }

// text returns a value; an empty one is as good as none.
func (p *params) text(name string) string {
	if p.err != nil {
		return ""
	}
	return p.values.Get(name)
}

// required returns a value that must not be empty.
func (p *params) required(name string) string {
	v := p.text(name)
	if v == "" {
		p.wrong(bad(name, "'%s' is required.", name))
	}
	return v
}

// number returns a whole number in decimal digits.
func (p *params) number(name string, missing, least, most int) int {
	if !p.has(name) {
		return missing
	}
	text := p.values.Get(name)
	n, err := strconv.Atoi(text)
	if err != nil || n < least || n > most || text[0] == '+' {
		p.wrong(bad(name, "'%s' must be a whole number from %d to %d.", name, least, most))
		return missing
	}
	return n
}

// id returns the number of a record; 0 when it is not given.
func (p *params) id(name string) uint64 {
	if !p.has(name) {
		return 0
	}
	id, ok := parseID(p.values.Get(name))
	if !ok {
		p.wrong(bad(name, "'%s' must be the id of a record: a whole number from 1 to %d.", name, uint64(maxID)))
	}
	return id
}

// parseID reads the number of a record.
func parseID(text string) (uint64, bool) {
	id, err := strconv.ParseUint(text, 10, 64)
	return id, err == nil && id >= 1 && id <= maxID
}

// snapshot returns the parameter that keeps pages from shifting; 0 when it is
// not given.
func (p *params) snapshot() uint64 {
	if !p.has("snapshot") {
		return 0
	}
	n, err := strconv.ParseUint(p.values.Get("snapshot"), 10, 64)
	if err != nil || n > maxID {
		p.wrong(bad("snapshot", "'snapshot' must be the number that an earlier page gave."))
	}
	return n
}

// date returns a time, zero when it is not given. A + that was decoded to a
// blank is accepted, because so many clients forget to escape it.
func (p *params) date(name string) time.Time {
	if !p.has(name) {
		return time.Time{}
	}
	text := p.values.Get(name)
	t, err := time.Parse(time.RFC3339Nano, text)
	if i := strings.LastIndexByte(text, ' '); err != nil && i > 0 {
		t, err = time.Parse(time.RFC3339Nano, text[:i]+"+"+text[i+1:])
	}
	if err != nil {
		p.wrong(bad(name, "Invalid date format for '%s'. Please use ISO 8601 format (YYYY-MM-DDTHH:MM:SSZ).", name))
	} else if t.IsZero() {
		t = t.Add(1) // a filter takes the zero time for none
	}
	return t
}

// dates returns the range of startDate and endDate.
func (p *params) dates() (from, to time.Time) {
	from, to = p.date("startDate"), p.date("endDate")
	if !from.IsZero() && !to.IsZero() && from.After(to) {
		p.wrong(bad("startDate", "'startDate' is after 'endDate'."))
	}
	return from, to
}

// levelSet returns the levels of a list such as "ERROR,FATAL".
func (p *params) levelSet(name string) levels.Set {
	if p.text(name) == "" {
		return 0
	}
	var list []zapcore.Level
	for part := range strings.SplitSeq(p.text(name), ",") {
		l, ok := parseLevel(part)
		if !ok {
			p.wrong(bad(name, "'%s' must be one of TRACE, DEBUG, INFO, WARN, ERROR and FATAL, or several with commas between.", name))
			return 0
		}
		list = append(list, l)
	}
	return levels.Of(list...)
}

// parseLevel takes the six names and "warning"; zap's own two are no levels of
// a log.
func parseLevel(name string) (zapcore.Level, bool) {
	l, err := levels.Parse(name)
	return l, err == nil && (strings.EqualFold(levels.Name(l), name) || strings.EqualFold(name, "warning"))
}

// oneOf returns one of several words, the first when it is not given.
func (p *params) oneOf(name string, words ...string) string {
	v := p.text(name)
	if v == "" {
		return words[0]
	}
	if !slices.Contains(words, v) {
		p.wrong(bad(name, "'%s' must be one of: %s.", name, strings.Join(words, ", ")))
	}
	return v
}

// project returns the project, under any of its names.
func (p *params) project(names ...string) string {
	given, project := "", ""
	for _, name := range names {
		switch v := p.text(name); {
		case v == "":
		case project == "":
			given, project = name, v
		case v != project:
			p.wrong(bad(name, "'%s' and '%s' are different.", given, name))
		}
	}
	return project
}

// pairs returns the conditions of numbered pairs of parameters, such as
// search_field.1 and search_value.1: from 1 on, none left out. A path may be as /facets
// takes it, and as it stands in the line, with "details." before it.
func (p *params) pairs(field, value string) query.Expr {
	if p.err != nil {
		return query.Expr{}
	}
	count := 0
	for _, name := range sortedNames(p.values) {
		family, number, numbered := strings.Cut(name, ".")
		if !numbered || family != field && family != value {
			continue
		}
		n, err := strconv.Atoi(number)
		if err != nil || n < 1 || n > maxFields || strconv.Itoa(n) != number {
			p.wrong(bad(name, "'%.80s' must end in a number from 1 to %d.", name, maxFields))
			return query.Expr{}
		}
		count = max(count, n)
	}
	var all []query.Expr
	for n := 1; n <= count; n++ {
		f, v := field+"."+strconv.Itoa(n), value+"."+strconv.Itoa(n)
		path := strings.TrimPrefix(p.values.Get(f), "details.")
		switch {
		case path == "":
			p.wrong(bad(f, "'%s' is missing: numbers go from 1 without a gap, and each field needs its value.", f))
		case !p.values.Has(v):
			p.wrong(bad(v, "'%s' is missing: numbers go from 1 without a gap, and each field needs its value.", v))
		}
		if p.err != nil {
			return query.Expr{}
		}
		all = append(all, query.Eq(path, p.values.Get(v)))
	}
	if len(all) == 0 {
		return query.Expr{}
	}
	return query.And(all...)
}

// pathID returns the number in a path; what is none names nothing.
func (q *request) pathID() (uint64, error) {
	id, ok := parseID(q.r.PathValue("id"))
	if !ok {
		return 0, &failure{status: http.StatusNotFound, message: "There is no record with this id."}
	}
	return id, nil
}
