package levels

import (
	"cmp"
	"context"
	"iter"
	"maps"
	"runtime"
	"slices"
	"strings"
	"sync"
	"weak"

	"go.uber.org/zap/zapcore"
)

// Scope names where a setting applies. The scopes form a tree: the parent of a
// scope is the scope without its last part that is not empty, so that
//
//	{edge-1 orders sync-prices fetch} → {edge-1 orders sync-prices} → {edge-1 orders} → {edge-1} → {}
//
// The zero Scope is the root, which everything is below. An empty part in the
// middle is a part like any other: {"" orders} is not above {edge-1 orders}.
type Scope struct{ Server, Service, Operation, Action string }

// parent returns the scope above s, and false for the root.
func (s Scope) parent() (Scope, bool) {
	switch {
	case s.Action != "":
		s.Action = ""
	case s.Operation != "":
		s.Operation = ""
	case s.Service != "":
		s.Service = ""
	case s.Server != "":
		s.Server = ""
	default:
		return s, false
	}
	return s, true
}

func (s Scope) compare(t Scope) int {
	return cmp.Or(
		strings.Compare(s.Server, t.Server),
		strings.Compare(s.Service, t.Service),
		strings.Compare(s.Operation, t.Operation),
		strings.Compare(s.Action, t.Action),
	)
}

// clone keeps the tree from holding on to longer strings of the caller's that
// the names are parts of.
func (s Scope) clone() Scope {
	return Scope{strings.Clone(s.Server), strings.Clone(s.Service), strings.Clone(s.Operation), strings.Clone(s.Action)}
}

// Setting is what holds for a scope after its own settings and those above it
// are taken together.
type Setting struct {
	Level   zapcore.Level // the minimum level; one of the six
	Lines   bool          // lines are recorded
	Capture bool          // inputs and outputs of actions are captured; false while Lines is
}

// Change is one change of a tree's settings.
type Change struct {
	Scope   Scope
	Level   *zapcore.Level // the new minimum level, nil when it did not change
	Lines   *bool          // the new switch for lines, nil when it did not change
	Capture *bool          // the new switch for captures, nil when it did not change
	Reset   bool           // the scope's own settings were removed; the three above are nil
}

// Tree holds the settings of all scopes: the minimum level, the switch for
// lines and the switch for captures. Each of the three is decided on its own:
// the nearest explicit setting from a scope upwards wins. Where there is none
// lines and captures are on, and the minimum level is the one given to
// [NewTree].
//
// The zero Tree is ready to use, with Info as the minimum level. A Tree is safe
// for concurrent use and must not be copied. As JSON it is the list of its
// explicit settings, see [Tree.MarshalJSON].
type Tree struct {
	level    zapcore.Level                 // what holds at the root without a setting; immutable
	onChange func(context.Context, Change) // may be nil; immutable

	changing sync.Mutex // held over a change and its report, so that reports come in order; taken before mu

	mu       sync.RWMutex // guards the rest; held for memory operations only
	settings map[Scope]explicit
	nodes    map[Scope]*node // of the gates, and of what is above them
	peak     int             // the most nodes since the map was made
}

// explicit is what was set for one scope itself; nil means not set.
type explicit struct {
	level          *zapcore.Level
	lines, capture *bool
}

// NewTree returns a tree without explicit settings, whose minimum level is
// level.
//
// onChange, when it is not nil, is called once for each call that changed a
// setting, with that call's context, after the change is in force and before
// the call returns, one at a time and in order. It may read the tree but must
// not change it. Restoring a tree from JSON is not reported.
func NewTree(level zapcore.Level, onChange func(ctx context.Context, c Change)) *Tree {
	return &Tree{level: normal(level), onChange: onChange}
}

// SetLevel makes l the minimum level of a scope and of what is below it without
// a level of its own. Loggers handed out earlier follow before the call
// returns.
func (t *Tree) SetLevel(ctx context.Context, scope Scope, l zapcore.Level) {
	l = normal(l)
	t.change(ctx, Change{Scope: scope, Level: &l})
}

// SetLines switches lines, and with them captures, on or off for a scope and
// for what is below it without a switch of its own. Run and step records and
// audit records are not lines; they stay. Loggers handed out earlier follow
// before the call returns.
func (t *Tree) SetLines(ctx context.Context, scope Scope, on bool) {
	t.change(ctx, Change{Scope: scope, Lines: &on})
}

// SetCapture switches the capture of actions' input and output on or off for a
// scope and for what is below it without a switch of its own. Where lines are
// off nothing is captured.
func (t *Tree) SetCapture(ctx context.Context, scope Scope, on bool) {
	t.change(ctx, Change{Scope: scope, Capture: &on})
}

// Reset removes what was set for the scope itself, so that it follows its
// parent again. Settings of scopes below it stay.
func (t *Tree) Reset(ctx context.Context, scope Scope) {
	t.change(ctx, Change{Scope: scope, Reset: true})
}

func (t *Tree) change(ctx context.Context, c Change) {
	c.Scope = c.Scope.clone()
	t.changing.Lock()
	defer t.changing.Unlock()
	if t.apply(c) && t.onChange != nil {
		t.onChange(ctx, c)
	}
}

// apply puts c in force and reports whether it changed an explicit setting.
func (t *Tree) apply(c Change) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	e, found := t.settings[c.Scope]
	switch {
	case c.Reset:
		if !found {
			return false
		}
		delete(t.settings, c.Scope)
	case equal(c.Level, e.level) && equal(c.Lines, e.lines) && equal(c.Capture, e.capture):
		return false
	default:
		// The pointers in c go to onChange, which may write through them.
		if c.Level != nil {
			e.level = new(*c.Level)
		}
		if c.Lines != nil {
			e.lines = new(*c.Lines)
		}
		if c.Capture != nil {
			e.capture = new(*c.Capture)
		}
		if t.settings == nil {
			t.settings = make(map[Scope]explicit)
		}
		t.settings[c.Scope] = e
	}
	t.update(c.Scope)
	return true
}

// equal reports whether the wanted value, nil when nothing is wanted, is the
// one that is set.
func equal[T comparable](want, set *T) bool {
	return want == nil || set != nil && *want == *set
}

// update brings the gates of a scope and of everything below it up to date.
// The caller holds mu.
func (t *Tree) update(top Scope) {
	if n := t.nodes[top]; n != nil {
		n.each(func(n *node) {
			if g := n.gate.Value(); g != nil {
				g.set(resolve(t.settings, n.scope, t.level))
			}
		})
	}
}

// Effective returns what holds for a scope now.
func (t *Tree) Effective(scope Scope) Setting {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return resolve(t.settings, scope, t.level)
}

// resolve takes the settings from scope upwards together; level is the minimum level
// where there is none.
func resolve(settings map[Scope]explicit, scope Scope, level zapcore.Level) Setting {
	var near explicit
	if len(settings) > 0 {
		for ok := true; ok; scope, ok = scope.parent() {
			e := settings[scope]
			near.level = cmp.Or(near.level, e.level)
			near.lines = cmp.Or(near.lines, e.lines)
			near.capture = cmp.Or(near.capture, e.capture)
		}
	}
	s := Setting{Level: level, Lines: true, Capture: true}
	if near.level != nil {
		s.Level = *near.level
	}
	if near.lines != nil {
		s.Lines = *near.lines
	}
	if near.capture != nil {
		s.Capture = *near.capture
	}
	s.Capture = s.Capture && s.Lines
	return s
}

// All yields the scopes that have explicit settings, sorted by server, service,
// operation and action, each with what holds for it, [Tree.Effective]. The
// sequence is of one moment, when the loop starts; the tree may be used and
// changed meanwhile.
func (t *Tree) All() iter.Seq2[Scope, Setting] {
	return func(yield func(Scope, Setting) bool) {
		settings := t.copy()
		for _, scope := range sorted(settings) {
			if !yield(scope, resolve(settings, scope, t.level)) {
				return
			}
		}
	}
}

// copy returns the explicit settings: to sort them and more takes long when there are
// many, and who asks for a new gate meanwhile would wait for it.
func (t *Tree) copy() map[Scope]explicit {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return maps.Clone(t.settings)
}

// sorted returns the scopes with explicit settings.
func sorted(settings map[Scope]explicit) []Scope {
	return slices.SortedFunc(maps.Keys(settings), Scope.compare)
}

// At returns the gate of a scope. Calls for one scope return the same gate for
// as long as somebody holds it. The tree does not hold it: a scope that is
// asked for once leaves nothing behind after its gate is garbage, while its
// explicit settings stay in the tree.
func (t *Tree) At(scope Scope) *Gate {
	t.mu.RLock()
	g := t.nodes[scope].held()
	t.mu.RUnlock()
	if g != nil {
		return g
	}

	t.mu.Lock()
	defer t.mu.Unlock()
	if g := t.nodes[scope].held(); g != nil {
		return g
	}
	g = new(Gate)
	g.set(resolve(t.settings, scope, t.level))
	n := t.node(scope)
	n.gate = weak.Make(g)
	runtime.AddCleanup(g, garbage.forget, garbage{weak.Make(t), n, n.gate})
	return g
}
