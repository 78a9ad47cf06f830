package audit

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/steplog/steplog/audit"
	"github.com/stretchr/testify/require"
	"github.com/wI2L/jsondiff"
)

// document makes a flow of about a size, and edit changes it as people do.
func document(rng *rand.Rand, steps int) map[string]any {
	var list []any
	for i := range steps {
		list = append(list, map[string]any{"action": fmt.Sprintf("action-%d", rng.IntN(20)), "timeout": rng.IntN(60),
			"headers": map[string]any{"accept": "json", "x": rng.IntN(5)}, "tags": []any{"a", fmt.Sprint(rng.IntN(9)), i}})
	}
	return map[string]any{"name": fmt.Sprint("flow ", rng.IntN(100)), "version": rng.IntN(9), "steps": list,
		"retry": map[string]any{"times": 3, "wait": 1.5}, "schedule": nil}
}

func edit(rng *rand.Rand, d map[string]any) {
	steps := d["steps"].([]any)
	at := func() int { return rng.IntN(len(steps)) }
	switch rng.IntN(7) {
	case 0:
		d["name"] = fmt.Sprint("renamed ", rng.IntN(100))
	case 1:
		steps[at()].(map[string]any)["timeout"] = 100 + rng.IntN(60)
	case 2:
		i := at()
		d["steps"] = append(append(append([]any{}, steps[:i]...), map[string]any{"action": "new", "timeout": 1}), steps[i:]...)
	case 3:
		i := at()
		d["steps"] = append(append([]any{}, steps[:i]...), steps[i+1:]...)
	case 4:
		delete(d, "schedule")
	case 5:
		d["retry"].(map[string]any)["times"] = rng.IntN(10)
	case 6:
		h := steps[at()].(map[string]any)
		if m, ok := h["headers"].(map[string]any); ok {
			m["token-free"] = rng.IntN(10)
		}
	}
	if len(d["steps"].([]any)) == 0 {
		d["steps"] = []any{map[string]any{"action": "only"}}
	}
}

// TestRows compares the number of rows with that of wI2L/jsondiff with LCS.
func TestRows(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 5))
	ours, theirs, more := 0, 0, 0
	for n := range 3000 {
		before := document(rng, 1+rng.IntN(12))
		text, err := json.Marshal(before)
		require.NoError(t, err)
		for range 1 + rng.IntN(4) {
			edit(rng, before)
		}
		after, err := json.Marshal(before)
		require.NoError(t, err)
		changes, err := audit.Diff(json.RawMessage(text), json.RawMessage(after))
		require.NoError(t, err)
		patch, err := jsondiff.CompareJSON(text, after, jsondiff.LCS())
		require.NoError(t, err)
		require.Equal(t, len(patch) == 0, len(changes) == 0, "%d: %s %s", n, text, after)
		ours, theirs = ours+len(changes), theirs+len(patch)
		if len(changes) > len(patch) {
			more++
			if more <= 3 {
				t.Logf("%d rows instead of %d:\n%s\n%s\n%v\n%v", len(changes), len(patch), text, after, patch, changes)
			}
		}
	}
	t.Logf("3000 edits: %d rows, jsondiff with LCS %d; more in %d", ours, theirs, more)
	require.LessOrEqual(t, ours, theirs)
}
