package levels

import (
	"maps"
	"weak"
)

// node is a scope that has a gate, or is above one that has: a change for a scope looks at
// what is below it, and not at every gate there is. Tree.mu guards it.
type node struct {
	scope      Scope              // immutable
	gate       weak.Pointer[Gate] // of nothing where the scope has none
	above      *node              // nil for the root
	below      *node              // the first of those right below
	prev, next *node              // of those right below the same one
}

// held returns the gate, nil where nobody holds it. n may be nil.
func (n *node) held() *Gate {
	if n == nil {
		return nil
	}
	return n.gate.Value()
}

// each calls f for n and everything below it.
func (n *node) each(f func(*node)) {
	f(n)
	for child := n.below; child != nil; child = child.next {
		child.each(f)
	}
}

// node returns the node of a scope, making it when it is new. The caller holds mu.
func (t *Tree) node(scope Scope) *node {
	if n := t.nodes[scope]; n != nil {
		return n
	}
	n := &node{scope: scope.clone()}
	if t.nodes == nil {
		t.nodes = make(map[Scope]*node)
	}
	t.nodes[n.scope] = n
	t.peak = max(t.peak, len(t.nodes))
	if up, ok := n.scope.parent(); ok {
		n.above = t.node(up)
		if n.next = n.above.below; n.next != nil {
			n.next.prev = n
		}
		n.above.below = n
	}
	return n
}

// Below this many nodes the map's size is not worth looking at.
const keepMap = 1024

// prune removes a node, and those above it, that have neither a gate nor anything below.
// The caller holds mu.
func (t *Tree) prune(n *node) {
	for ; n != nil && n.gate == (weak.Pointer[Gate]{}) && n.below == nil; n = n.above {
		delete(t.nodes, n.scope)
		if n.next != nil {
			n.next.prev = n.prev
		}
		switch {
		case n.prev != nil:
			n.prev.next = n.next
		case n.above != nil:
			n.above.below = n.next
		}
	}
	// Maps do not shrink: after a burst of scopes start a new one. Doing so at
	// an eighth makes the copying cheaper than the deletions were.
	if t.peak > keepMap && len(t.nodes) < t.peak/8 {
		t.nodes = maps.Collect(maps.All(t.nodes))
		t.peak = len(t.nodes)
	}
}

// garbage is a gate that nobody holds any more. It does not hold the tree: what onChange
// belongs to may have gates of its own, and would stay with them for ever.
type garbage struct {
	tree weak.Pointer[Tree]
	node *node
	gate weak.Pointer[Gate]
}

// forget removes a gate that is garbage from its tree, if that is still there.
func (old garbage) forget() {
	t := old.tree.Value()
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	// The scope may have a new gate by now.
	if old.node.gate == old.gate {
		old.node.gate = weak.Pointer[Gate]{}
		t.prune(old.node)
	}
}
