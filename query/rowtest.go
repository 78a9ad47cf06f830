package query

import (
	"slices"

	"github.com/steplog/steplog/internal/line"
	"github.com/steplog/steplog/internal/segment"
	"github.com/steplog/steplog/levels"

	"go.uber.org/zap/zapcore"
)

// A condition of Where on one fixed key that rows tell is decided by them, for each text
// once: -level:debug, service:(orders prices), -action:poll. No line is read for it.

// rowTest is such a condition. It is safe for concurrent use.
type rowTest struct {
	key  string
	test *test // on that key alone, without patterns
}

// splitWhere takes the conditions that rows decide from those that all must hold.
func splitWhere(f *Filter) (rows []rowTest) {
	args := []Expr{f.Where}
	if f.Where.Op == OpAnd {
		args = f.Where.Args
	}
	var left []Expr
	for _, arg := range args {
		if key, ok := arg.onRows(); ok && key != "" {
			rows = append(rows, rowTest{key, newTest(arg)})
		} else {
			left = append(left, arg)
		}
	}
	if len(rows) > 0 {
		f.Where = And(left...)
	}
	return rows
}

// indexing returns what is asked of rows without an index.
func (f Filter) indexing() indexing {
	if splitWhere(&f); f.Topic != "" || f.Search != "" || !f.Where.every() {
		return indexFirst
	}
	return indexBehind
}

// onRows returns the only key that e is about, "" for none; ok is false where e is about
// more than that, or about more than rows tell. Patterns end with the context of one
// query, and the texts that they are asked about may be long.
func (e Expr) onRows() (key string, ok bool) {
	if e.Op.compares() {
		return e.Field, e.Key && e.Op != OpMatch && toldByRows(e.Field)
	}
	for _, arg := range e.Args {
		k, ok := arg.onRows()
		if !ok || key != "" && k != "" && k != key {
			return "", false
		}
		if k != "" {
			key = k
		}
	}
	return key, true
}

// onKey decides about the text of the key, "" where the record lacks it.
func (t *test) onKey(text string) bool {
	switch t.Op {
	case OpEvery:
		return true
	case OpAnd:
		for _, arg := range t.args {
			if !arg.onKey(text) {
				return false
			}
		}
		return true
	case OpOr:
		for _, arg := range t.args {
			if arg.onKey(text) {
				return true
			}
		}
		return false
	case OpNot:
		return !t.args[0].onKey(text)
	case OpExists:
		return text != ""
	default:
		return t.text(text)
	}
}

// leavesOut reports whether no record of a file matches.
func leavesOut(tests []rowTest, file string) bool {
	return slices.ContainsFunc(tests, func(r rowTest) bool { return r.key == "file" && !r.test.onKey(file) })
}

// take has the matcher decide about conditions by rows.
func (m *matcher) take(tests []rowTest) {
	for _, r := range tests {
		switch r.key {
		case "file": // see leavesOut
		case "level":
			for l := range m.levels {
				m.levels[l] = m.levels[l] && r.test.onKey(levels.Name(zapcore.Level(l-128)))
			}
		case "kind":
			for k := range m.kinds {
				m.kinds[k] = m.kinds[k] && r.test.onKey(line.Kind(k).String())
			}
		default:
			before, text := m.identity, identityKeys[r.key].of
			m.identity = func(id *line.Identity) bool {
				return (before == nil || before(id)) && r.test.onKey(text(id))
			}
			if !identityKeys[r.key].flow {
				m.ownAll = false
				continue
			}
			m.own = m.own.And(func(id *line.Identity) bool { return r.test.onKey(text(id)) })
		}
	}
}

// take has sidecars be asked for those conditions that owners tell.
func (c *conditions) take(tests []rowTest) {
	for _, r := range tests {
		key, ok := identityKeys[r.key]
		switch {
		case !ok:
		case key.own != nil:
			c.ownTests, c.owners = append(c.ownTests, r), true
		default:
			c.scopeTests = append(c.scopeTests, r)
		}
	}
}

// byRows answers a condition that rows decide and that is not one of those that all must
// hold.
func (a *asking) byRows(r rowTest) answer {
	set := answer{bounded: true, exact: true}
	if r.key == "file" {
		if r.test.onKey(a.v.File()) {
			set.rows = a.left()
		}
		return set
	}
	matches := a.classes(r)
	if key, ok := identityKeys[r.key]; ok {
		matches = a.ownersOf(r, key)
	}
	var f segment.Frame
	end := 0 // of the rows of the frame looked at
	for _, row := range a.left() {
		if int(row) >= end {
			n := int(row) / segment.FrameRows
			f, end = a.x.Frame(n), (n+1)*segment.FrameRows
		}
		if matches(&f, int(row)%segment.FrameRows) {
			set.rows = append(set.rows, row)
		}
	}
	return set
}

// classes returns what decides about rows by a test on level or kind.
func (a *asking) classes(r rowTest) func(f *segment.Frame, k int) bool {
	var wanted uint64 // a bit for each class
	for class, c := range a.x.Classes {
		text := levels.Name(zapcore.Level(levelOf(c.Level)))
		if r.key == "kind" {
			text = c.Kind.String()
		}
		if r.test.onKey(text) {
			wanted |= 1 << class
		}
	}
	return func(f *segment.Frame, k int) bool { return wanted>>f.ClassOf(k)&1 != 0 }
}

// ownersOf returns what decides about rows by a test on an identifier.
func (a *asking) ownersOf(r rowTest, key identityKey) func(f *segment.Frame, k int) bool {
	d := r.of(a.x)
	known := make([]ownerMatch, a.x.Owners())
	return func(f *segment.Frame, k int) bool {
		owner := f.Owner(k)
		if known[owner] == ownerUndecided {
			known[owner] = ownerOut
			if d.has(key.number(a.x, owner)) {
				known[owner] = ownerIn
			}
		}
		return known[owner] == ownerIn
	}
}

// decider decides about texts of a sidecar by their numbers, about each once. It is for
// one goroutine at a time.
type decider struct {
	x     *segment.Index
	test  *test
	known map[uint32]bool
}

func (r *rowTest) of(x *segment.Index) decider { return decider{x, r.test, map[uint32]bool{}} }

func (d *decider) has(number uint32) bool {
	in, ok := d.known[number]
	if !ok {
		in = d.test.onKey(d.x.TextOf(number))
		d.known[number] = in
	}
	return in
}

// toldByRows reports whether a fixed key is known of a record without its line.
func toldByRows(key string) bool {
	_, identity := identityKeys[key]
	return identity || key == "level" || key == "kind" || key == "file"
}

// identityKey is one of the keys that tell whose a record is.
type identityKey struct {
	of    func(*line.Identity) string
	scope segment.ScopeID
	flow  bool // all runs of a flow have it in common
	// own returns it where owners of one scope differ in it; nil else.
	own func(step, action, actionName uint32) uint32
}

// number returns the number of its text that an owner has.
func (k *identityKey) number(x *segment.Index, owner uint32) uint32 {
	if k.own == nil {
		return x.ScopeText(x.ScopeOf(owner), k.scope)
	}
	return k.own(x.OwnerTexts(owner))
}

// identityKeys are those keys. It is immutable.
var identityKeys = map[string]identityKey{
	"server":           {of: func(id *line.Identity) string { return id.Server }, scope: segment.Server, flow: true},
	"server_name":      {of: func(id *line.Identity) string { return id.ServerName }, scope: segment.ServerName, flow: true},
	"service":          {of: func(id *line.Identity) string { return id.Service }, scope: segment.Service, flow: true},
	"service_name":     {of: func(id *line.Identity) string { return id.ServiceName }, scope: segment.ServiceName, flow: true},
	"project":          {of: func(id *line.Identity) string { return id.Project }, scope: segment.Project, flow: true},
	"operation":        {of: func(id *line.Identity) string { return id.Operation }, scope: segment.Operation, flow: true},
	"operation_name":   {of: func(id *line.Identity) string { return id.OperationName }, scope: segment.OperationName, flow: true},
	"parent_operation": {of: func(id *line.Identity) string { return id.ParentOperation }, scope: segment.ParentOperation, flow: true},
	"run":              {of: func(id *line.Identity) string { return id.Run }, scope: segment.Run},
	"root_run":         {of: func(id *line.Identity) string { return id.RootRun }, scope: segment.RootRun},
	"parent_run":       {of: func(id *line.Identity) string { return id.ParentRun }, scope: segment.ParentRun},
	"parent_step":      {of: func(id *line.Identity) string { return id.ParentStep }, scope: segment.ParentStep},
	"step": {of: func(id *line.Identity) string { return id.Step },
		own: func(step, _, _ uint32) uint32 { return step }},
	"action": {of: func(id *line.Identity) string { return id.Action },
		own: func(_, action, _ uint32) uint32 { return action }},
	"action_name": {of: func(id *line.Identity) string { return id.ActionName },
		own: func(_, _, actionName uint32) uint32 { return actionName }},
}
