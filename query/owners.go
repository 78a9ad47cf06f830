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
	all          bool     // every scope matches
	list         []int    // else these do
	scopes       []uint64 // a bit for each, if there are more than a few
	step, action uint32   // 0 for any
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

// has reports whether an owner matches.
func (o *ownerFilter) has(owner uint32) bool {
	if o.none {
		return false
	}
	if !o.all {
		scope := o.x.ScopeOf(owner)
		if o.scopes == nil && !slices.Contains(o.list, scope) || o.scopes != nil && o.scopes[scope>>6]>>(scope&63)&1 == 0 {
			return false
		}
	}
	if o.step == 0 && o.action == 0 {
		return true
	}
	step, action := o.x.OwnerTexts(owner)
	return (o.step == 0 || step == o.step) && (o.action == 0 || action == o.action)
}

// scopeWanted is a condition on an identifier of a scope.
type scopeWanted struct {
	id   segment.ScopeID
	text uint32
}

// scopes returns the scopes that the filter selects; all is true when it asks
// for none.
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
