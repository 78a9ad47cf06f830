package levels_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"
	"time"
	"weak"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap/zapcore"

	"github.com/steplog/steplog/levels"
)

// path is a scope with all its parents, root first.
var path = [...]levels.Scope{
	{},
	{Server: "edge-1"},
	{Server: "edge-1", Service: "orders"},
	{Server: "edge-1", Service: "orders", Operation: "sync-prices"},
	{Server: "edge-1", Service: "orders", Operation: "sync-prices", Action: "fetch"},
}

func TestTreeSwitches(t *testing.T) {
	t.Parallel()

	t.Run("R1.8 library: everything is on at first", func(t *testing.T) {
		t.Parallel()
		var tree levels.Tree
		for _, scope := range path {
			require.Equal(t, levels.Setting{Level: levels.Info, Lines: true, Capture: true}, tree.Effective(scope))
		}
	})

	t.Run("R1.8 library: a switch at any point silences what is below and nothing else", func(t *testing.T) {
		t.Parallel()
		for off, scope := range path {
			tree := levels.NewTree(levels.Info, nil)
			gates := gatesOf(tree)
			other := tree.At(levels.Scope{Server: "edge-2", Service: "orders", Operation: "sync-prices", Action: "fetch"})
			tree.SetLines(t.Context(), scope, false)
			for i, g := range gates {
				on := i < off
				require.Equal(t, on, g.Lines())
				require.Equal(t, on, g.Capture(), "captures follow lines")
				require.Equal(t, on, g.Enabled(levels.Fatal))
				require.False(t, !on && g.Enabled(127), "off lets no level through")
				require.Equal(t, levels.Info, g.Level(), "the minimum level is a setting of its own")
			}
			require.Equal(t, off != 0, other.Lines())
			tree.SetLines(t.Context(), scope, true)
			for _, g := range gates {
				require.True(t, g.Lines())
				require.True(t, g.Enabled(levels.Info))
			}
		}
	})

	t.Run("R1.8 library: the nearest explicit setting wins", func(t *testing.T) {
		t.Parallel()
		for off := range path {
			for on := off + 1; on < len(path); on++ {
				tree := levels.NewTree(levels.Info, nil)
				tree.SetLines(t.Context(), path[on], true)
				tree.SetLines(t.Context(), path[off], false)
				for i, g := range gatesOf(tree) {
					require.Equal(t, i < off || i >= on, g.Lines(), "off at %d, on at %d, asked at %d", off, on, i)
				}
				tree.Reset(t.Context(), path[on])
				for i, g := range gatesOf(tree) {
					require.Equal(t, i < off, g.Lines(), "without a setting the parent's holds")
				}
			}
		}
	})

	t.Run("R1.8 library: captures have a switch of their own", func(t *testing.T) {
		t.Parallel()
		tree := levels.NewTree(levels.Info, nil)
		gates := gatesOf(tree)
		tree.SetCapture(t.Context(), path[2], false)
		tree.SetCapture(t.Context(), path[4], true)
		for i, g := range gates {
			require.Equal(t, i != 2 && i != 3, g.Capture())
			require.True(t, g.Lines())
		}
		tree.SetLines(t.Context(), path[1], false)
		require.False(t, gates[4].Capture())
	})

	t.Run("a scope with an empty part in the middle is no wildcard", func(t *testing.T) {
		t.Parallel()
		tree := levels.NewTree(levels.Info, nil)
		tree.SetLines(t.Context(), levels.Scope{Service: "orders"}, false)
		require.True(t, tree.Effective(path[2]).Lines)
		require.False(t, tree.Effective(levels.Scope{Service: "orders", Action: "fetch"}).Lines)
	})
}

func TestTreeLevels(t *testing.T) {
	t.Parallel()

	t.Run("R1.10 library: the minimum level is set globally and per scope", func(t *testing.T) {
		t.Parallel()
		for at, scope := range path {
			for _, min := range ascending {
				tree := levels.NewTree(levels.Warn, nil)
				tree.SetLevel(t.Context(), scope, min)
				for i, g := range gatesOf(tree) {
					want := levels.Warn
					if i >= at {
						want = min
					}
					require.Equal(t, want, g.Level())
					require.Equal(t, want, tree.Effective(path[i]).Level)
					for _, l := range ascending {
						require.Equal(t, l >= want, g.Enabled(l))
					}
				}
			}
		}
	})

	t.Run("R1.10 library: it reaches gates handed out earlier", func(t *testing.T) {
		t.Parallel()
		tree := levels.NewTree(levels.Info, nil)
		gates := gatesOf(tree)
		tree.SetLevel(t.Context(), levels.Scope{}, levels.Error)
		for _, g := range gates {
			require.False(t, g.Enabled(levels.Warn))
		}
		tree.SetLevel(t.Context(), path[3], levels.Trace)
		require.True(t, gates[4].Enabled(levels.Trace))
		require.False(t, gates[2].Enabled(levels.Warn))
		tree.Reset(t.Context(), path[3])
		require.False(t, gates[4].Enabled(levels.Warn))
		tree.Reset(t.Context(), levels.Scope{})
		require.True(t, gates[4].Enabled(levels.Info))
		require.False(t, gates[4].Enabled(levels.Debug))
	})

	t.Run("levels outside the six count as one of them", func(t *testing.T) {
		t.Parallel()
		tree := levels.NewTree(100, nil)
		require.Equal(t, levels.Fatal, tree.Effective(levels.Scope{}).Level)
		g := tree.At(levels.Scope{})
		tree.SetLevel(t.Context(), levels.Scope{}, zapcore.PanicLevel)
		require.Equal(t, levels.Error, g.Level())
		require.True(t, g.Enabled(zapcore.DPanicLevel))
		tree.SetLevel(t.Context(), levels.Scope{}, -50)
		require.Equal(t, levels.Trace, g.Level())
		require.True(t, g.Enabled(-128))
	})

	t.Run("a gate is zap's enabler", func(t *testing.T) {
		t.Parallel()
		var enabler zapcore.LevelEnabler = new(levels.Tree).At(levels.Scope{})
		require.Equal(t, levels.Info, zapcore.LevelOf(enabler))
	})
}

func TestTreeAll(t *testing.T) {
	t.Parallel()
	tree := levels.NewTree(levels.Warn, nil)
	tree.SetCapture(t.Context(), path[4], false)
	tree.SetLevel(t.Context(), path[1], levels.Debug)
	tree.SetLines(t.Context(), levels.Scope{Server: "a"}, false)
	tree.SetLevel(t.Context(), path[3], levels.Error)
	tree.Reset(t.Context(), path[3])

	type item struct {
		levels.Scope
		levels.Setting
	}
	var got []item
	for scope, setting := range tree.All() {
		got = append(got, item{scope, setting})
		tree.Reset(t.Context(), scope) // the sequence is of one moment
	}
	require.Equal(t, []item{
		{levels.Scope{Server: "a"}, levels.Setting{Level: levels.Warn}},
		{path[1], levels.Setting{Level: levels.Debug, Lines: true, Capture: true}},
		{path[4], levels.Setting{Level: levels.Debug, Lines: true}},
	}, got)
	for range tree.All() {
		require.Fail(t, "everything was reset")
	}
	tree.SetLines(t.Context(), path[1], true)
	tree.SetLines(t.Context(), path[2], true)
	for scope := range tree.All() {
		require.Equal(t, path[1], scope)
		break
	}
}

func TestTreeReportsChanges(t *testing.T) {
	t.Parallel()
	type key struct{}
	ctx := context.WithValue(t.Context(), key{}, "who")
	var got []levels.Change
	var tree *levels.Tree
	tree = levels.NewTree(levels.Info, func(ctx context.Context, c levels.Change) {
		require.Equal(t, "who", ctx.Value(key{}))
		if c.Level != nil {
			require.Equal(t, *c.Level, tree.Effective(c.Scope).Level, "in force before it is reported")
			*c.Level = levels.Fatal // the tree does not share it
		}
		got = append(got, c)
	})
	tree.SetLevel(ctx, path[1], levels.Warn)
	tree.SetLevel(ctx, path[1], levels.Warn) // changes nothing
	tree.SetLines(ctx, path[1], true)        // as inherited, but now explicit
	tree.SetCapture(ctx, path[2], false)
	tree.Reset(ctx, path[2])
	tree.Reset(ctx, path[2]) // changes nothing
	require.Equal(t, levels.Warn, tree.Effective(path[1]).Level)
	require.Equal(t, []levels.Change{
		{Scope: path[1], Level: new(levels.Fatal)},
		{Scope: path[1], Lines: new(true)},
		{Scope: path[2], Capture: new(false)},
		{Scope: path[2], Reset: true},
	}, got)
}

func TestTreeSharesGates(t *testing.T) {
	t.Parallel()
	var tree levels.Tree
	for _, scope := range path {
		g := tree.At(scope)
		runtime.GC()
		require.Same(t, g, tree.At(scope))
		runtime.KeepAlive(g)
	}
}

func TestTreeKeepsExplicitSettings(t *testing.T) {
	t.Parallel()
	var tree levels.Tree
	tree.At(path[4])
	tree.SetLevel(t.Context(), path[4], levels.Trace)
	for range 3 { // the gate is garbage, the setting is not
		runtime.GC()
	}
	require.True(t, tree.At(path[4]).Enabled(levels.Trace))
}

// A logger per step must not leak, whether the scopes come one by one or many
// live at once.
func TestTreeForgetsScopes(t *testing.T) {
	heap := func() int64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	scope := func(i int) levels.Scope {
		return levels.Scope{Server: "edge-1", Service: "orders", Operation: "sync-prices", Action: fmt.Sprint("step-", i)}
	}
	f := func(name string, use func(tree *levels.Tree)) {
		t.Run(name, func(t *testing.T) {
			tree := levels.NewTree(levels.Info, nil)
			tree.SetLevel(t.Context(), scope(7), levels.Debug)
			held := tree.At(levels.Scope{Server: "edge-1"})
			before := heap()
			use(tree)
			require.Eventually(t, func() bool { return heap()-before < 1<<20 }, 30*time.Second, 20*time.Millisecond)
			tree.SetLevel(t.Context(), levels.Scope{}, levels.Warn)
			require.Equal(t, levels.Warn, held.Level())
			require.Equal(t, levels.Debug, tree.At(scope(7)).Level())
		})
	}
	f("one by one", func(tree *levels.Tree) {
		for i := range 1_000_000 {
			tree.At(scope(i))
		}
	})
	f("at once", func(tree *levels.Tree) {
		gates := make([]*levels.Gate, 100_000)
		for i := range gates {
			gates[i] = tree.At(scope(i))
		}
		tree.SetLevel(t.Context(), levels.Scope{}, levels.Error)
		for i, g := range gates {
			if l := g.Level(); i != 7 && l != levels.Error {
				require.Equal(t, levels.Error, l, "gate %d", i)
			}
		}
	})
}

// While settings change and gates come and go, every gate held at the end has
// what the tree says.
func TestTreeConcurrently(t *testing.T) {
	t.Parallel()
	var tree levels.Tree
	scope := func(r *rand.Rand) levels.Scope {
		s := path[r.IntN(len(path))]
		if s.Action != "" {
			s.Action = fmt.Sprint("action-", r.IntN(50))
		}
		return s
	}
	held := make([]map[levels.Scope]*levels.Gate, 4)
	var wg sync.WaitGroup
	for n := range held {
		held[n] = make(map[levels.Scope]*levels.Gate)
		wg.Go(func() {
			r := rand.New(rand.NewPCG(1, uint64(n)))
			for i := range 5000 {
				s := scope(r)
				g := tree.At(s)
				g.Enabled(levels.Warn)
				switch r.IntN(8) {
				case 0:
					tree.SetLevel(t.Context(), s, ascending[r.IntN(len(ascending))])
				case 1:
					tree.SetLines(t.Context(), s, r.IntN(2) == 0)
				case 2:
					tree.SetCapture(t.Context(), s, r.IntN(2) == 0)
				case 3:
					tree.Reset(t.Context(), s)
				case 4:
					held[n][s] = g
				case 5:
					delete(held[n], s)
				}
				if i%1000 == 0 {
					runtime.GC()
				}
			}
		})
	}
	wg.Wait()
	for _, gates := range held {
		for s, g := range gates {
			require.Same(t, g, tree.At(s))
			require.Equal(t, tree.Effective(s), levels.Setting{Level: g.Level(), Lines: g.Lines(), Capture: g.Capture()})
		}
	}
}

// Who hears of changes may hold gates of the tree: all of them are garbage together.
func TestTreeIsGarbage(t *testing.T) {
	t.Parallel()
	type host struct {
		tree *levels.Tree
		gate *levels.Gate
	}
	left := func() weak.Pointer[host] {
		h := new(host)
		h.tree = levels.NewTree(levels.Info, func(context.Context, levels.Change) { h.gate.Level() })
		h.gate = h.tree.At(path[2])
		return weak.Make(h)
	}()
	for range 3 {
		runtime.GC()
	}
	require.True(t, left.Value() == nil, "it is still there")
}

func TestGateAllocates(t *testing.T) {
	tree := levels.NewTree(levels.Info, nil)
	g := tree.At(path[4])
	require.Zero(t, testing.AllocsPerRun(100, func() {
		g.Enabled(levels.Debug)
		tree.At(path[4])
		tree.Effective(path[4])
	}))
}

func gatesOf(tree *levels.Tree) []*levels.Gate {
	gates := make([]*levels.Gate, len(path))
	for i, scope := range path {
		gates[i] = tree.At(scope)
	}
	return gates
}
