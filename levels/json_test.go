package levels_test

import (
	"context"
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/steplog/steplog/levels"
)

const settingsJSON = `{"settings":[` +
	`{"level":"warn"},` +
	`{"server":"edge-1","lines":false},` +
	`{"server":"edge-1","service":"orders","level":"trace","lines":true,"capture":false},` +
	`{"server":"edge-1","service":"orders","operation":"sync-prices","action":"fetch","capture":true}` +
	`]}`

func TestTreeJSON(t *testing.T) {
	t.Parallel()

	t.Run("a tree writes its explicit settings in a stable order", func(t *testing.T) {
		t.Parallel()
		tree := levels.NewTree(levels.Error, nil)
		ctx := t.Context()
		tree.SetCapture(ctx, path[4], true)
		tree.SetCapture(ctx, path[2], false)
		tree.SetLines(ctx, path[2], true)
		tree.SetLines(ctx, path[1], false)
		tree.SetLevel(ctx, path[0], levels.Warn)
		tree.SetLevel(ctx, path[2], levels.Trace)
		got, err := json.Marshal(tree)
		require.NoError(t, err)
		require.Equal(t, settingsJSON, string(got))
	})

	t.Run("a tree without settings is an empty list", func(t *testing.T) {
		t.Parallel()
		got, err := json.Marshal(new(levels.Tree))
		require.NoError(t, err)
		require.Equal(t, `{"settings":[]}`, string(got))
	})

	t.Run("R1.10 library: restoring replaces all settings and reaches gates handed out earlier", func(t *testing.T) {
		t.Parallel()
		tree := levels.NewTree(levels.Info, func(context.Context, levels.Change) {})
		other := levels.Scope{Server: "edge-2"}
		tree.SetLines(t.Context(), other, false)
		gates, gate := gatesOf(tree), tree.At(other)
		require.NoError(t, json.Unmarshal([]byte(settingsJSON), tree))
		require.Equal(t, levels.Warn, gates[0].Level())
		require.False(t, gates[1].Lines())
		require.True(t, gates[2].Enabled(levels.Trace))
		require.False(t, gates[3].Capture())
		require.True(t, gates[4].Capture())
		require.True(t, gate.Lines(), "its setting is gone")

		again, err := json.Marshal(tree)
		require.NoError(t, err)
		require.Equal(t, settingsJSON, string(again))

		require.NoError(t, json.Unmarshal([]byte(`{}`), tree))
		require.Equal(t, levels.Info, gates[4].Level(), "what NewTree was given holds again")
		require.True(t, gates[1].Lines())
	})

	t.Run("what is not a tree's settings changes nothing", func(t *testing.T) {
		t.Parallel()
		tree := new(levels.Tree)
		require.NoError(t, json.Unmarshal([]byte(settingsJSON), tree))
		g := tree.At(path[2])
		f := func(in string, want error) {
			t.Helper()
			err := tree.UnmarshalJSON([]byte(in))
			require.ErrorIs(t, err, levels.ErrSettings, in)
			require.ErrorIs(t, err, want, in)
			now, err := json.Marshal(tree)
			require.NoError(t, err)
			require.Equal(t, settingsJSON, string(now))
			require.Equal(t, levels.Trace, g.Level())
		}
		f(`{"settings":[{"level":"loud"}]}`, levels.ErrUnknown)
		f(`{"settings":[{"level":""}]}`, levels.ErrUnknown)
		f(`{"settings":[{"server":"a","level":"info"},{"server":"a","lines":true}]}`, levels.ErrSettings)
		f(`{"settings":[{"server":"a"},{"server":"a","lines":true}]}`, levels.ErrSettings)
		f(`{"settings":[{"server":"a","lines":true},{"server":"a","level":null}]}`, levels.ErrSettings)
		f(`{"settings":[{},{}]}`, levels.ErrSettings)
		f(`{"settings":[{"level":3}]}`, levels.ErrSettings)
		f(`{"settings":[{"lines":"yes"}]}`, levels.ErrSettings)
		f(`{"settings":[{"sever":"a","lines":true}]}`, levels.ErrSettings)
		f(`{"rules":[]}`, levels.ErrSettings)
		f(`{"settings":[]} {}`, levels.ErrSettings)
		f(`[]`, levels.ErrSettings)
		f(`{"settings":[`, levels.ErrSettings)
		f(``, levels.ErrSettings)
		require.NoError(t, tree.UnmarshalJSON([]byte(" null\n")))
		require.Equal(t, levels.Trace, g.Level())
	})

	t.Run("other spellings are read", func(t *testing.T) {
		t.Parallel()
		tree := new(levels.Tree)
		require.NoError(t, json.Unmarshal([]byte(`{"settings":[{"level":"WARNING","lines":null},{"server":"a"}]}`), tree))
		got, err := json.Marshal(tree)
		require.NoError(t, err)
		require.Equal(t, `{"settings":[{"level":"warn"}]}`, string(got))
	})
}

// What is read and written reads as the same again, and nothing panics.
func FuzzTreeJSON(f *testing.F) {
	f.Add([]byte(settingsJSON))
	f.Add([]byte(`{"settings":[{"server":"\ud800","level":"panic"}]}`))
	f.Add([]byte(`null`))
	f.Fuzz(func(t *testing.T, data []byte) {
		tree := new(levels.Tree)
		if tree.UnmarshalJSON(data) != nil {
			return
		}
		first, err := json.Marshal(tree)
		require.NoError(t, err)
		again := new(levels.Tree)
		require.NoError(t, json.Unmarshal(first, again))
		second, err := json.Marshal(again)
		require.NoError(t, err)
		require.Equal(t, string(first), string(second))
	})
}
