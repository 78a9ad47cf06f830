package main

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestDefaultFlows(t *testing.T) {
	t.Parallel()
	flows, err := loadFlows("", builtin(http.DefaultClient))
	require.NoError(t, err)
	require.Len(t, flows, 3)
	require.Equal(t, "repeat", flows["price-sync"].Start)
	require.Equal(t, "once", flows["dependency-report"].Start)
	require.Empty(t, flows["dependency"].Start)
	for _, flow := range flows {
		require.NotEmpty(t, flow.Name, flow.ID)
		require.NotEmpty(t, flow.Project, flow.ID)
		for _, action := range flow.Actions {
			require.NotEmpty(t, action.Name, "%s, %s", flow.ID, action.ID)
		}
	}
}

func TestFlowsOfAFolder(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(name, text string) {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	write("mine.json", `{"id": "mine", "start": "once"}`)
	write("other.json", `{"id": "price-sync", "name": "replaced"}`)
	write("notes.txt", "not a flow")
	flows, err := loadFlows(dir, builtin(http.DefaultClient))
	require.NoError(t, err)
	require.Len(t, flows, 4)
	require.Equal(t, "replaced", flows["price-sync"].Name)

	write("twice.json", `{"id": "mine"}`)
	_, err = loadFlows(dir, builtin(http.DefaultClient))
	require.ErrorContains(t, err, `another file has the id "mine"`)

	_, err = loadFlows(filepath.Join(dir, "nowhere"), builtin(http.DefaultClient))
	require.ErrorIs(t, err, os.ErrNotExist)
}

func TestFlowsThatCannotRun(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ name, flow, want string }{
		{"not JSON", `{`, "unexpected EOF"},
		{"more than one value", `{"id": "f"} {}`, "something follows"},
		{"a brace too many", `{"id": "f"}}`, "something follows"},
		{"no id", `{}`, "no id"},
		{"unknown key", `{"id": "f", "step": []}`, `unknown field "step"`},
		{"start", `{"id": "f", "start": "often"}`, "start is"},
		{"no action id", `{"id": "f", "actions": [{"use": "transform"}]}`, "needs an id"},
		{"reserved id", `{"id": "f", "actions": [{"id": "item", "use": "transform"}]}`, "needs an id"},
		{"id with a dot", `{"id": "f", "actions": [{"id": "a.b", "use": "transform"}]}`, "needs an id"},
		{"id twice", `{"id": "f", "actions": [{"id": "a", "use": "transform"}, {"id": "a", "use": "transform"}]}`, "has this id"},
		{"unknown action", `{"id": "f", "actions": [{"id": "a", "use": "coffee/make"}]}`, `"coffee/make"`},
		{"on_error", `{"id": "f", "actions": [{"id": "a", "use": "transform", "on_error": "cry"}]}`, "on_error"},
		{"no such sub-flow", `{"id": "f", "actions": [{"id": "a", "use": "flow/run", "with": {"flow": "g"}}]}`, `no flow "g"`},
		{"reference to later", `{"id": "f", "actions": [{"id": "a", "use": "transform", "with": {"from": {"$": "b.rows"}}}, {"id": "b", "use": "transform"}]}`, "leads nowhere"},
		{"item outside a loop", `{"id": "f", "actions": [{"id": "a", "use": "transform", "with": {"from": [{"$": "item"}]}}]}`, "leads nowhere"},
		{"item in for_each", `{"id": "f", "actions": [{"id": "a", "use": "transform", "for_each": {"$": "item"}}]}`, "leads nowhere"},
		{"output", `{"id": "f", "output": {"$": "x"}}`, "leads nowhere"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			require.NoError(t, os.WriteFile(filepath.Join(dir, "f.json"), []byte(test.flow), 0o600))
			_, err := loadFlows(dir, builtin(http.DefaultClient))
			require.ErrorContains(t, err, test.want)
		})
	}
}

// FuzzFlow checks that no text makes the parser panic, and that a flow which
// was read says the same after it was written and read again.
func FuzzFlow(f *testing.F) {
	// Short ones: minimizing what is found takes the square of their length.
	f.Add([]byte(`{"id": "f", "start": "once", "actions": [{"id": "a", "use": "transform", "with": {"from": [{"$": "input"}]}}]}`))
	f.Add([]byte(`{"id": "f", "actions": [{"id": "a", "for_each": {"$": "env.x"}, "retry": {"attempts": 2, "on": ["X"]}}], "output": {"$": "a"}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		flow, err := parseFlow(text)
		if err != nil {
			return
		}
		_ = flow.check(nil, builtin(nil))
		written, err := json.Marshal(flow)
		require.NoError(t, err)
		again, err := parseFlow(written)
		require.NoError(t, err)
		require.Equal(t, flow, again)
	})
}
