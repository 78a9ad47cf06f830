package segment

import (
	"encoding/binary"
	"slices"
	"strings"

	"github.com/steplog/steplog/internal/line"
)

// The identities of a file's rows stand in three tables. Strings: every
// identifier once, sorted. Scopes: what is the same for all of a run (or for
// all rows of a service outside runs), with the counts of its rows. Owners: one
// for each identity, a scope with a step; rows name their owner.

const (
	scopeIDs = 12
	// scope: 12 strings (4 each), first place (4), rows (4), smallest and
	// largest time (8 each), lines by level and other rows by level (6 × 4 each)
	scopeBytes = 4*scopeIDs + 8 + 16 + 2*4*levelCount
	// owner: scope, step, action, action name, attempt, rows (4 each), lines by
	// level (6 × 4), bytes of lines and captures (8)
	ownerBytes = 24 + 4*levelCount + 8
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
	identity line.Identity
	scope    uint32
	rows     uint32
	lines    [levelCount]uint32
	bytes    uint64
}

// people collects the identities of a file.
type people struct {
	owners  []owner
	scopes  []scope
	byID    map[line.Identity]uint32
	scopeOf map[[scopeIDs]string]uint32
	texts   map[string]string
	// lately holds the owners of the last rows: rows of some runs alternate.
	lately [8]uint32
	turn   int
}

func newPeople() *people {
	return &people{byID: map[line.Identity]uint32{}, scopeOf: map[[scopeIDs]string]uint32{}, texts: map[string]string{}}
}

// owner returns the number of an identity, which it does not keep.
func (p *people) owner(id *line.Identity) uint32 {
	for _, n := range p.lately {
		if int(n) < len(p.owners) && p.owners[n].identity == *id {
			return n
		}
	}
	n, ok := p.byID[*id]
	if !ok {
		n = p.enter(id)
	}
	p.lately[p.turn%len(p.lately)] = n
	p.turn++
	return n
}

func (p *people) enter(id *line.Identity) uint32 {
	own := *id
	for _, s := range []*string{&own.Server, &own.ServerName, &own.Service, &own.ServiceName, &own.Project,
		&own.Operation, &own.OperationName, &own.ParentOperation, &own.Run, &own.RootRun, &own.ParentRun, &own.ParentStep,
		&own.Step, &own.Action, &own.ActionName} {
		*s = p.text(*s)
	}
	ids := scopeIdentity(&own)
	s, ok := p.scopeOf[ids]
	if !ok {
		s = uint32(len(p.scopes))
		p.scopes = append(p.scopes, scope{ids: ids})
		p.scopeOf[ids] = s
	}
	n := uint32(len(p.owners))
	p.owners = append(p.owners, owner{identity: own, scope: s})
	p.byID[own] = n
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
	level, at := line.LevelIndex(rec.Level), rec.Time.UnixNano()
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

// encode writes the three tables.
func (p *people) encode() (stringTable, scopes, owners []byte) {
	texts := make([]string, 0, len(p.texts)+1)
	texts = append(texts, "")
	for s := range p.texts {
		texts = append(texts, s)
	}
	slices.Sort(texts)
	number := make(map[string]uint32, len(texts))
	// count, ends (4 each), bytes
	stringTable = binary.LittleEndian.AppendUint32(nil, uint32(len(texts)))
	end := uint32(0)
	for i, s := range texts {
		number[s] = uint32(i)
		end += uint32(len(s))
		stringTable = binary.LittleEndian.AppendUint32(stringTable, end)
	}
	for _, s := range texts {
		stringTable = append(stringTable, s...)
	}
	u32 := binary.LittleEndian.AppendUint32
	place := uint32(0)
	for i := range p.scopes {
		s := &p.scopes[i]
		for _, id := range s.ids {
			scopes = u32(scopes, number[id])
		}
		scopes = u32(scopes, place)
		scopes = u32(scopes, s.rows)
		place += s.rows
		scopes = binary.LittleEndian.AppendUint64(scopes, uint64(s.minTime))
		scopes = binary.LittleEndian.AppendUint64(scopes, uint64(s.maxTime))
		for _, n := range s.lines {
			scopes = u32(scopes, n)
		}
		for _, n := range s.others {
			scopes = u32(scopes, n)
		}
	}
	for i := range p.owners {
		o := &p.owners[i]
		owners = u32(owners, o.scope)
		owners = u32(owners, number[o.identity.Step])
		owners = u32(owners, number[o.identity.Action])
		owners = u32(owners, number[o.identity.ActionName])
		owners = u32(owners, uint32(int32(o.identity.Attempt)))
		owners = u32(owners, o.rows)
		for _, n := range o.lines {
			owners = u32(owners, n)
		}
		owners = binary.LittleEndian.AppendUint64(owners, o.bytes)
	}
	return stringTable, scopes, owners
}
