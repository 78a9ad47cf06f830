package levels_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/steplog/steplog/levels"
)

// A change for one scope costs what is below it, however many scopes there are beside:
// somebody who sets each of many would wait for minutes otherwise.
func TestTreeOfMany(t *testing.T) {
	tree := levels.NewTree(levels.Info, nil)
	scope := func(i int) levels.Scope {
		return levels.Scope{Server: "edge-1", Service: "orders", Operation: fmt.Sprint("flow-", i)}
	}
	const scopes = 100_000
	gates, below := make([]*levels.Gate, scopes), make([]*levels.Gate, scopes)
	for i := range gates {
		s := scope(i)
		gates[i] = tree.At(s)
		s.Action = "fetch"
		below[i] = tree.At(s)
	}
	began := time.Now()
	for i := range gates {
		tree.SetLevel(t.Context(), scope(i), ascending[i%len(ascending)])
	}
	require.Less(t, time.Since(began), time.Minute)
	for i := range gates {
		if want := ascending[i%len(ascending)]; gates[i].Level() != want || below[i].Level() != want {
			require.Equal(t, want, gates[i].Level(), "gate %d", i)
			require.Equal(t, want, below[i].Level(), "the action below %d", i)
		}
	}
}
