package segment

import (
	"strings"

	"github.com/steplog/steplog/internal/line"
)

// The identities of a file's rows stand in three tables. Strings: every
// identifier once. Scopes: what is the same for all of a run (or for all rows of a
// service outside runs), with the counts of its rows and where they are. Owners:
// one for each identity, a scope with a step; rows name their owner.

const scopeIDs = 12

// The fields of a scope in its packed table, after the numbers of its strings.
const (
	scopePlace       = scopeIDs + iota // its first place in the order of scopes
	scopeRows                          // how many it has
	scopeMinTime                       // the smallest and the largest time
	scopeMaxTime                       //
	scopeOrder                         // where its rows begin in section 5: a series
	scopeFirst                         // the base of that
	scopeLow                           // its low
	scopeAnchorWidth                   // its widths
	scopeWidth                         //
	scopeLines                         // rows of kind line by level
	scopeOthers      = scopeLines + levelCount
	scopeFields      = scopeOthers + levelCount // other rows by level
)

// The fields of an owner.
const (
	ownerScope      = iota
	ownerStep                                 // numbers of strings
	ownerAction                               //
	ownerActionName                           //
	ownerAttempt                              // 32 bits, signed
	ownerRows                                 //
	ownerLines                                // rows of kind line by level
	ownerLogged     = ownerLines + levelCount // bytes of lines and captures
	ownerFields     = ownerLogged + 1
)

// scopeIdentity are the identifiers of a scope, in the order of the format.
func scopeIdentity(id *line.Identity) [scopeIDs]string {
	return [...]string{id.Server, id.ServerName, id.Service, id.ServiceName, id.Project, id.Operation, id.OperationName,
		id.ParentOperation, id.Run, id.RootRun, id.ParentRun, id.ParentStep}
}

// setScope is its inverse.
func setScope(id *line.Identity, s [scopeIDs]string) {
	id.Server, id.ServerName, id.Service, id.ServiceName, id.Project, id.Operation, id.OperationName,
		id.ParentOperation, id.Run, id.RootRun, id.ParentRun, id.ParentStep = s[0], s[1], s[2], s[3], s[4], s[5], s[6], s[7], s[8], s[9], s[10], s[11]
}

// scope is one while a file is built.
type scope struct {
	ids              [scopeIDs]string
	rows             uint32
	minTime, maxTime int64
	lines, others    [levelCount]uint32
}

// owner is one while a file is built.
type owner struct {
	ownStep
	rows  uint32
	lines [levelCount]uint32
	bytes uint64
}

// ownStep is what tells an owner from others of its scope.
type ownStep struct {
	scope                    uint32
	step, action, actionName string
	attempt                  int
}

// people collects the identities of a file.
type people struct {
	owners  []owner
	scopes  []scope
	byStep  map[ownStep]uint32
	scopeOf map[[scopeIDs]string]uint32
	texts   map[string]string
	// lately holds the owners of the last rows: rows of some runs alternate.
	lately [8]uint32
	turn   int
}

func newPeople() *people {
	return &people{byStep: map[ownStep]uint32{}, scopeOf: map[[scopeIDs]string]uint32{}, texts: map[string]string{}}
}

// owner returns the number of an identity, which it does not keep.
func (p *people) owner(id *line.Identity) uint32 {
	ids, step := scopeIdentity(id), ownStep{step: id.Step, action: id.Action, actionName: id.ActionName, attempt: id.Attempt}
	for _, n := range p.lately {
		if int(n) < len(p.owners) {
			step.scope = p.owners[n].scope
			if p.owners[n].ownStep == step && p.scopes[step.scope].ids == ids {
				return n
			}
		}
	}
	s, ok := p.scopeOf[ids]
	if !ok {
		for i := range ids {
			ids[i] = p.text(ids[i])
		}
		s = uint32(len(p.scopes))
		p.scopes = append(p.scopes, scope{ids: ids})
		p.scopeOf[ids] = s
	}
	step.scope = s
	n, ok := p.byStep[step]
	if !ok {
		step.step, step.action, step.actionName = p.text(id.Step), p.text(id.Action), p.text(id.ActionName)
		n = uint32(len(p.owners))
		p.owners = append(p.owners, owner{ownStep: step})
		p.byStep[step] = n
	}
	p.lately[p.turn%len(p.lately)] = n
	p.turn++
	return n
}

// text returns the one copy of a string.
func (p *people) text(s string) string {
	if s == "" {
		return ""
	}
	if own, ok := p.texts[s]; ok {
		return own
	}
	own := strings.Clone(s)
	p.texts[own] = own
	return own
}

// count takes a row into the counts of its owner and scope.
func (p *people) count(n uint32, rec *line.Record, size int) {
	o := &p.owners[n]
	s := &p.scopes[o.scope]
	level, at := line.LevelIndex(rec.Level), line.Nanoseconds(rec.Time)
	if s.rows == 0 {
		s.minTime, s.maxTime = at, at
	}
	s.minTime, s.maxTime = min(s.minTime, at), max(s.maxTime, at)
	o.rows++
	s.rows++
	if rec.Kind == line.KindLine {
		o.lines[level]++
		s.lines[level]++
	} else {
		s.others[level]++
	}
	if rec.Kind == line.KindLine || rec.Kind == line.KindCapture {
		o.bytes += uint64(size) + 1
	}
}

// order returns the rows with these owners by scope, and in a scope by arrival.
func (p *people) order(owners []uint32) []uint32 {
	next := make([]uint32, len(p.scopes))
	at := uint32(0)
	for i := range p.scopes {
		next[i] = at
		at += p.scopes[i].rows
	}
	order := make([]uint32, len(owners))
	for row, o := range owners {
		s := p.owners[o].scope
		order[next[s]] = uint32(row)
		next[s]++
	}
	return order
}

// encode writes the tables, and the rows in the order of scopes.
func (p *people) encode(order []uint32) (strings, scopes, owners, rows []byte) {
	strings, number := p.encodeTexts()
	places := make([]int, len(p.scopes)+1)
	series := make([]series, len(p.scopes))
	starts := make([]int, len(p.scopes))
	var list []uint64
	for i := range p.scopes {
		places[i+1] = places[i] + int(p.scopes[i].rows)
		list = list[:0]
		for _, row := range order[places[i]:places[i+1]] {
			list = append(list, uint64(row))
		}
		starts[i] = len(rows)
		rows, series[i] = encodeSeries(rows, list, list[0])
	}
	scopes = encodePacked(len(p.scopes), scopeFields, func(i, field int) uint64 {
		s := &p.scopes[i]
		switch {
		case field < scopeIDs:
			return number[s.ids[field]]
		case field >= scopeOthers:
			return uint64(s.others[field-scopeOthers])
		case field >= scopeLines:
			return uint64(s.lines[field-scopeLines])
		}
		return [...]uint64{uint64(places[i]), uint64(s.rows), uint64(s.minTime), uint64(s.maxTime), uint64(starts[i]), series[i].base,
			uint64(series[i].low), uint64(series[i].anchorWidth), uint64(series[i].width)}[field-scopePlace]
	})
	owners = encodePacked(len(p.owners), ownerFields, func(i, field int) uint64 {
		o := &p.owners[i]
		if field >= ownerLines && field < ownerLogged {
			return uint64(o.lines[field-ownerLines])
		}
		switch field {
		case ownerScope:
			return uint64(o.scope)
		case ownerStep:
			return number[o.step]
		case ownerAction:
			return number[o.action]
		case ownerActionName:
			return number[o.actionName]
		case ownerAttempt:
			return uint64(uint32(int32(o.attempt)))
		case ownerRows:
			return uint64(o.rows)
		default:
			return o.bytes
		}
	})
	return strings, scopes, owners, append(rows, make([]byte, packPad)...)
}
