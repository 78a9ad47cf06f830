package levels_test

import (
	"fmt"
	"testing"

	"github.com/steplog/steplog/levels"
)

// What does a disabled call pay for asking?
func BenchmarkGateEnabled(b *testing.B) {
	g := levels.NewTree(levels.Info, nil).At(path[4])
	b.ReportAllocs()
	for b.Loop() {
		if g.Enabled(levels.Debug) {
			b.Fatal("debug is below info")
		}
	}
}

// What does starting a step pay for the gate of an action that ran before?
func BenchmarkTreeAt(b *testing.B) {
	tree := levels.NewTree(levels.Info, nil)
	g := tree.At(path[4])
	b.ReportAllocs()
	for b.Loop() {
		if tree.At(path[4]) != g {
			b.Fatal("another gate")
		}
	}
}

// What does a scope cost that was never seen before, its end as garbage
// included? Making the name is part of it.
func BenchmarkTreeAtNew(b *testing.B) {
	tree := levels.NewTree(levels.Info, nil)
	b.ReportAllocs()
	scope := path[4]
	for i := 0; b.Loop(); i++ {
		scope.Action = fmt.Sprint("action-", i)
		tree.At(scope)
	}
}

// How long does a change at the root take with 10,000 live scopes?
func BenchmarkTreeSetLevel(b *testing.B) {
	tree := levels.NewTree(levels.Info, nil)
	gates := make([]*levels.Gate, 10_000)
	scope := path[4]
	for i := range gates {
		scope.Action = fmt.Sprint("action-", i)
		gates[i] = tree.At(scope)
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		tree.SetLevel(b.Context(), levels.Scope{}, ascending[i%2])
	}
	if gates[0].Level() > levels.Debug {
		b.Fatal("the gate did not follow")
	}
}
