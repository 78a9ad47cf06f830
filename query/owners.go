package query

import (
	"slices"

	"github.com/steplog/steplog/internal/segment"
)

// ownerFilter is what a filter asks of the identifiers in a sealed file, by their
// numbers in it.
type ownerFilter struct {
	x            *segment.Index
	none         bool     // no row has what is asked for
	all          bool     // every scope matches, but for left
	list         []int    // else these do
	scopes       []uint64 // a bit for each, if there are more than a few
	left         []scopeTest
	step, action uint32 // 0 for any
	tests        []ownTest
}

// scopeTest is a condition on an identifier of scopes. Each scope is asked when it is
// first met: of many, few may have rows that match else.
type scopeTest struct {
	decider
	id segment.ScopeID
}

// ownTest is a condition on what owners of one scope differ in.
type ownTest struct {
	decider
	own func(step, action, actionName uint32) uint32
}

// fewScopes are found in a list as fast as in a bitmap.
const fewScopes = 4

// owners returns the filter for the file of a view, which has a sidecar.
func (v *view) owners(c *conditions) *ownerFilter {
	if v.filter == nil {
		v.filter = c.owned(v.Index())
	}
	return v.filter
}

var noOwner = &ownerFilter{none: true} // immutable

func (c *conditions) owned(x *segment.Index) *ownerFilter {
	o := ownerFilter{x: x}
	for _, w := range [...]struct {
		text string
		to   *uint32
	}{{c.filter.Step, &o.step}, {c.filter.Action, &o.action}} {
		if w.text == "" {
			continue
		}
		n, there := x.Text(w.text)
		if !there {
			return noOwner
		}
		*w.to = n
	}
	for i := range c.ownTests {
		o.tests = append(o.tests, ownTest{c.ownTests[i].of(x), identityKeys[c.ownTests[i].key].own})
	}
	for i := range c.scopeTests {
		o.left = append(o.left, scopeTest{c.scopeTests[i].of(x), identityKeys[c.scopeTests[i].key].scope})
	}
	if o.list, o.all = c.scopes(x); !o.all && len(o.list) == 0 {
		return noOwner
	}
	if len(o.list) > fewScopes {
		o.scopes = make([]uint64, (x.Scopes()+63)/64)
		for _, scope := range o.list {
			o.scopes[scope>>6] |= 1 << (scope & 63)
		}
	}
	return &o
}

// each calls yield for each scope that matches as far as [ownerFilter.holds] does not say
// that it does not.
func (o *ownerFilter) each(yield func(scope int) bool) {
	switch {
	case o.none:
	case o.all:
		for scope := range o.x.Scopes() {
			if !yield(scope) {
				return
			}
		}
	default:
		for _, scope := range o.list {
			if !yield(scope) {
				return
			}
		}
	}
}

// holds reports whether a scope for which each calls matches.
func (o *ownerFilter) holds(scope int) bool {
	for i := range o.left {
		if t := &o.left[i]; !t.has(o.x.ScopeText(scope, t.id)) {
			return false
		}
	}
	return true
}

// wide reports whether so many scopes match that to look at all owners takes less than to
// look at the rows of those.
func (o *ownerFilter) wide() bool {
	n := 0
	for scope := range o.each {
		if o.holds(scope) {
			n++
		}
		if 8*n > o.x.Scopes() {
			return true
		}
	}
	return false
}

// differ reports whether owners of one scope may differ.
func (o *ownerFilter) differ() bool { return o.step != 0 || o.action != 0 || len(o.tests) > 0 }

// has reports whether an owner matches.
func (o *ownerFilter) has(owner uint32) bool {
	if o.none {
		return false
	}
	if !o.all || len(o.left) > 0 {
		scope := o.x.ScopeOf(owner)
		if !o.all && (o.scopes == nil && !slices.Contains(o.list, scope) || o.scopes != nil && o.scopes[scope>>6]>>(scope&63)&1 == 0) {
			return false
		}
		if !o.holds(scope) {
			return false
		}
	}
	if o.step == 0 && o.action == 0 && len(o.tests) == 0 {
		return true
	}
	step, action, actionName := o.x.OwnerTexts(owner)
	if o.step != 0 && step != o.step || o.action != 0 && action != o.action {
		return false
	}
	for i := range o.tests {
		if t := &o.tests[i]; !t.has(t.own(step, action, actionName)) {
			return false
		}
	}
	return true
}

// scopeWanted is a condition on an identifier of a scope.
type scopeWanted struct {
	id   segment.ScopeID
	text uint32
}

// scopes returns the scopes that the fields of the filter select; all is true when they
// ask for none.
func (c *conditions) scopes(x *segment.Index) (list []int, all bool) {
	f := c.filter
	var wanted []scopeWanted
	for _, w := range [...]struct {
		id   segment.ScopeID
		text string
	}{{segment.Run, f.Run}, {segment.Operation, f.Operation}, {segment.Service, f.Service}, {segment.Project, f.Project},
		{segment.Server, f.Server}} {
		if w.text == "" {
			continue
		}
		n, there := x.Text(w.text)
		if !there {
			return nil, false
		}
		wanted = append(wanted, scopeWanted{w.id, n})
	}
	var projects []uint32 // one of them is wanted
	for _, text := range f.Projects {
		if n, there := x.Text(text); there {
			projects = append(projects, n)
		}
	}
	if len(f.Projects) > 0 && len(projects) == 0 {
		return nil, false
	}
	root := uint32(0)
	if f.RootRun != "" {
		n, there := x.Text(f.RootRun)
		if !there {
			return nil, false
		}
		root = n
	}
	if len(wanted) == 0 && len(projects) == 0 && root == 0 {
		return nil, true
	}
	// The first condition finds scopes, the others choose among them.
	switch {
	case len(wanted) > 0:
		list = x.AppendScopesWith(nil, wanted[0].id, wanted[0].text)
		wanted = wanted[1:]
	case root == 0:
		for _, project := range projects {
			list = x.AppendScopesWith(list, segment.Project, project)
		}
		slices.Sort(list)
		list, projects = slices.Compact(list), nil
	default:
		for scope := range x.Scopes() {
			list = append(list, scope)
		}
	}
	if len(wanted) == 0 && len(projects) == 0 && root == 0 {
		return list, false
	}
	return slices.DeleteFunc(list, func(scope int) bool {
		for _, w := range wanted {
			if x.ScopeText(scope, w.id) != w.text {
				return true
			}
		}
		if !among(projects, x.ScopeText(scope, segment.Project)) {
			return true
		}
		return root != 0 && rootRun(x, scope) != root
	}), false
}

// rootRun returns the number of the run at the top: a run that nothing started is
// its own.
func rootRun(x *segment.Index, scope int) uint32 {
	if root := x.ScopeText(scope, segment.RootRun); root != 0 {
		return root
	}
	return x.ScopeText(scope, segment.Run)
}
