package runs_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap/zapcore"

	"github.com/steplog/steplog/internal/line"
	"github.com/steplog/steplog/internal/runs"
	"github.com/steplog/steplog/internal/wire"
)

// inProject is a run of a project, and a step of it that another service runs.
func inProject(project, id string) (of, in line.Identity) {
	of, in = run(id), step(id, id+"/s")
	of.Project, in.Project, in.Service = project, project, "worker of "+project
	return of, in
}

// recordProject has a project run something, in a file.
func (f *fed) recordProject(file uint32, project, id string) {
	of, in := inProject(project, id)
	f.record(file, of, start)
	f.record(file, in, start)
	f.record(file, in, end)
	f.record(file, of, end)
}

// dropOwners drops the rows that recordProject made.
func (f *fed) dropOwners(project, id string) {
	of, in := inProject(project, id)
	f.do(func() {
		for _, id := range []line.Identity{of, of, in, in} {
			f.DropRow(f.Owner(&id).Code())
		}
	})
}

// A project of which nothing is left takes no memory, and what it was told of is not told
// of the one that has its code then.
func TestScopesGo(t *testing.T) {
	const n = 300
	f := newFed()
	name := func(day, i int) string { return fmt.Sprintf("p-%d-%d", day, i) }
	type owner struct {
		view *runs.View
		code uint32
		want line.Identity
	}
	var told []owner
	for day := range 20 {
		for i := range n {
			f.recordProject(uint32(day), name(day, i), name(day, i))
		}
		of, _ := inProject(name(day, 7), name(day, 7))
		code := f.line(of, zapcore.InfoLevel)
		f.Settle(true)
		told = append(told, owner{f.view(), code, of})
		f.do(func() { f.DropRow(code) })
		for i := range n {
			f.dropOwners(name(day, i), name(day, i))
		}
		if day >= 2 {
			f.do(func() {
				f.Expire(uint32(day - 2))
				f.SweepScopes()
			})
		}
	}
	// Two for each project: of the run and of its step.
	scopes, codes, lists := f.Scopes()
	require.Less(t, scopes, 3*2*2*n)
	require.Less(t, codes, 4*2*2*n)
	require.Less(t, lists, scopes+10)
	v := f.view()
	gone, left := v.List(runs.ByProject, name(0, 1)), v.List(runs.ByProject, name(19, 1))
	require.Zero(t, gone.Len())
	require.Equal(t, 1, left.Len())
	for day := range 20 {
		require.Equal(t, told[day].want, *told[day].view.Owner(told[day].code))
		for i := range n {
			r := f.Run(name(day, i))
			require.Equal(t, day >= 18, r != nil)
			if r != nil {
				of, in := inProject(name(day, i), name(day, i))
				require.Equal(t, of, *r.Identity)
				require.Equal(t, in, *r.Steps()[0].Identity)
			}
		}
	}
}

// A table that gives codes to other scopes all the time tells what one tells that never
// does, also when it is saved and loaded, and what views tell stays.
func TestScopesAlike(t *testing.T) {
	for seed := range uint64(8) {
		rnd := rand.New(rand.NewPCG(seed, 9))
		a, b := newFed(), newFed()
		var ids, projects []string
		var views [][2]*runs.View
		both := func(fn func(f *fed)) {
			fn(a)
			fn(b)
		}
		for i := range 600 {
			switch n := rnd.IntN(20); {
			case n < 12 || len(ids) == 0:
				id, project := fmt.Sprint("r-", i), fmt.Sprint("p-", rnd.IntN(400))
				ids, projects = append(ids, id), append(projects, project)
				file := uint32(rnd.IntN(5))
				both(func(f *fed) { f.recordProject(file, project, id) })
			case n < 14:
				k := rnd.IntN(len(ids))
				both(func(f *fed) { f.dropOwners(projects[k], ids[k]) })
				ids, projects = append(ids[:k], ids[k+1:]...), append(projects[:k], projects[k+1:]...)
			case n < 16:
				both(func(f *fed) { f.Settle(true) })
			case n < 17:
				views = append(views, [2]*runs.View{a.view(), b.view()})
			case n < 19:
				file := uint32(rnd.IntN(5))
				both(func(f *fed) { f.do(func() { f.Expire(file) }) })
				b.do(b.SweepFewScopes)
			default:
				both(func(f *fed) { f.do(f.Restart) })
			}
		}
		_, kept, _ := a.Scopes()
		_, given, _ := b.Scopes()
		require.Less(t, given, kept)
		requireAlike(t, a, b, views)
		for k := range len(ids) / 2 {
			both(func(f *fed) { f.dropOwners(projects[k], ids[k]) })
		}
		both(func(f *fed) { f.do(func() { f.Expire(0) }) })
		b.do(b.SweepFewScopes)
		requireAlike(t, a, b, views)
		scopes, codes, lists := b.Scopes()
		require.Less(t, scopes, codes)
		require.LessOrEqual(t, lists, scopes+5)
		saved := b.saved(t)
		saved.do(saved.Loaded)
		requireAlike(t, a, saved, nil)
		for file := range uint32(3) {
			saved.do(func() { saved.Expire(file) })
			saved.do(saved.SweepFewScopes)
			a.do(func() { a.Expire(file) })
		}
		saved.recordProject(1, "fresh", "fresh")
		a.recordProject(1, "fresh", "fresh")
		requireAlike(t, a, saved, nil)
		both(func(f *fed) {
			f.do(f.Restart)
			for i := range 100 {
				f.recordProject(1, fmt.Sprint("later-", i), fmt.Sprint("later-", i))
			}
		})
		requireAlike(t, a, b, views)
		_, after, _ := b.Scopes()
		require.LessOrEqual(t, after, max(codes, scopes+200), "codes that were free are given again")
	}
}

// requireAlike compares what two tables, and views of them, tell of runs, lists and owners.
func requireAlike(t *testing.T, a, b *fed, views [][2]*runs.View) {
	t.Helper()
	v := [2]*runs.View{a.view(), b.view()}
	require.Equal(t, tellAll(v[0]), tellAll(v[1]))
	for p := range 400 {
		for by, value := range map[runs.Dimension]string{runs.ByProject: fmt.Sprint("p-", p), runs.ByService: "v"} {
			require.Equal(t, v[0].List(by, value).Len(), v[1].List(by, value).Len(), value)
		}
	}
	for _, v := range views {
		require.Equal(t, v[0].Owners(), v[1].Owners())
		for code := range uint32(v[0].Owners()) {
			require.Equal(t, *v[0].Owner(code), *v[1].Owner(code))
		}
	}
}

// tellAll returns what a view tells of all runs, in three ways.
func tellAll(v *runs.View) (all []string) {
	var teller runs.Teller
	v.AllRuns().Each(true, 0, 0, runs.AnyClass(), func(row *runs.Row) bool {
		r := v.Of(row.Ref())
		all = append(all, fmt.Sprint(row.Scope.Project, *r.Identity))
		for _, s := range r.Steps() {
			all = append(all, fmt.Sprint(*s.Identity))
		}
		if v.Tell(row.Ref(), &teller) {
			all = append(all, teller.Run(math.MaxInt).Scope.Project)
			for s := teller.Step(); s != nil; s = teller.Step() {
				all = append(all, s.Step+s.Scope.Service)
			}
		}
		return true
	})
	return all
}

// saved saves the table and loads it into another one.
func (f *fed) saved(t *testing.T) *fed {
	t.Helper()
	f.Settle(true)
	cut, ok := f.NewCut(1 << 20)
	require.True(t, ok)
	f.do(func() { ok = cut.Take(1 << 20) })
	require.True(t, ok)
	return written(t, cut, f.view())
}

// written loads what a cut writes, with the owners of a view, and ends the cut.
func written(t *testing.T, cut *runs.Cut, v *runs.View) *fed {
	t.Helper()
	defer cut.Done()
	var codes []uint32
	for code := range uint32(cut.Owners()) {
		if *v.Owner(code) != (line.Identity{}) {
			codes = append(codes, code)
		}
	}
	var s sections
	require.NoError(t, cut.WriteRuns(&s))
	require.NoError(t, cut.WriteOwners(&s, codes))
	again := load(t, cut.AppendAside(cut.AppendNames(cut.AppendSeed(nil))), s.done, len(codes))
	require.NotNil(t, again)
	return again
}

// What a cut names keeps its codes until it is written.
func TestScopesOfACut(t *testing.T) {
	f := newFed()
	for i := range 50 {
		f.recordProject(1, fmt.Sprint("p-", i), fmt.Sprint("r-", i))
	}
	f.Settle(true)
	for i := range 50 {
		f.dropOwners(fmt.Sprint("p-", i), fmt.Sprint("r-", i))
	}
	before := tellAll(f.view())
	cut, ok := f.NewCut(1 << 20)
	require.True(t, ok)
	f.do(func() { ok = cut.Take(1 << 20) })
	require.True(t, ok)
	v := f.view()
	f.do(func() { f.Expire(1) })
	f.do(f.SweepFewScopes)
	for i := range 50 {
		f.recordProject(2, fmt.Sprint("q-", i), fmt.Sprint("r-", i))
	}
	again := written(t, cut, v)
	require.Equal(t, before, tellAll(again.view()))
	f.do(f.SweepFewScopes)
	scopes, _, _ := f.Scopes()
	require.Equal(t, 100, scopes)
}

// What a long run names while it is packed keeps its codes, although others have the mutex
// meanwhile.
func TestScopesOfALongRun(t *testing.T) {
	const steps = 2_000
	f := newFed()
	id := func(n int) line.Identity {
		of := step("over", fmt.Sprint("over/", n))
		of.Service = fmt.Sprint("service ", n)
		return of
	}
	var codes []uint32
	for n := range steps {
		codes = append(codes, f.record(1, id(n), start).Code(), f.record(1, id(n), end).Code())
	}
	codes = append(codes, f.record(1, run("over"), start).Code(), f.record(1, run("over"), end).Code())
	f.do(func() {
		for _, code := range codes {
			f.DropRow(code)
		}
	})
	var over atomic.Bool
	go func() {
		f.Settle(true)
		over.Store(true)
	}()
	for !over.Load() {
		f.do(f.SweepFewScopes)
		runtime.Gosched()
	}
	for n, s := range f.Run("over").Steps() {
		require.Equal(t, id(n), *s.Identity)
	}
}

// Names of which one has two codes are damaged.
func TestScopesOfTwoCodes(t *testing.T) {
	names := func(f *fed) []byte {
		cut, ok := f.NewCut(1)
		require.True(t, ok)
		f.do(func() { ok = cut.Take(1) })
		require.True(t, ok)
		defer cut.Done()
		require.NoError(t, cut.WriteOwners(new(sections), nil))
		return cut.AppendNames(nil)
	}
	loads := func(b []byte) bool {
		w := wire.Reader{B: b}
		return newFed().LoadNames(&w) && len(w.B) == 0
	}
	f := newFed()
	none := names(f)
	f.record(1, run("r"), line.Lifecycle{Phase: line.PhaseStart})
	one := names(f)
	require.True(t, loads(none))
	require.True(t, loads(one))
	head, scope := len(none)-1, one[len(none):]
	require.False(t, loads(slices.Concat(none[:head], []byte{2}, scope, scope)))
	require.True(t, loads(slices.Concat(none[:head], []byte{3, 0}, scope, []byte{0})))
}
