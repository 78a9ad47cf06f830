package main

import (
	"bytes"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"slices"
	"strings"
)

// defaults are the flows that come with the program, and the files they read.
//
//go:embed flows
var defaults embed.FS

// Flow is a workflow as its JSON file describes it: a list of actions that run
// one after the other.
type Flow struct {
	ID      string   `json:"id"`
	Name    string   `json:"name"`
	Project string   `json:"project"`
	Start   string   `json:"start"`   // "repeat": -runs times; "once": once a start; empty: only by flow/run
	Actions []Action `json:"actions"` // in the order they run
	Output  any      `json:"output"`  // what flow/run gives to the flow that started this one; may hold references

	files fs.FS // where the file was found; "flow:NAME" paths are looked up there
}

// Action is one node of a flow. What it does is named by Use; the rest is how
// the engine runs it, the same for every kind of action.
type Action struct {
	ID        string         `json:"id"` // later actions find the output under this name
	Name      string         `json:"name"`
	Use       string         `json:"use"`        // "http/request", "csv/read", ...
	With      map[string]any `json:"with"`       // the input; {"$": "path"} stands for a value
	ForEach   any            `json:"for_each"`   // a list: the action runs once for each element, {"$": "item"}
	OnError   string         `json:"on_error"`   // "fail" (default) ends the run; "continue" leaves the element out
	Counts    bool           `json:"counts"`     // an element that comes through is done: processed and succeeded
	Retry     Retry          `json:"retry"`      // the zero value: one attempt
	TimeoutMS int            `json:"timeout_ms"` // for each attempt; 0: none
	Hint      string         `json:"hint"`       // what a person can do when the action fails; logged with the error
}

// Retry says how often an action is tried, and after which errors.
type Retry struct {
	Attempts  int      `json:"attempts"`   // 0 and 1: no second attempt
	BackoffMS int      `json:"backoff_ms"` // wait before the second attempt, twice as long before the third
	On        []string `json:"on"`         // error codes; empty: every error
}

// reserved are the names that references may begin with and no action may have.
func reserved() []string { return []string{"input", "item", "env"} }

// loadFlows reads the flows that come with the program and then those of dir,
// unless it is empty. A flow of dir replaces the one with the same id.
func loadFlows(dir string, known map[string]Do) (map[string]*Flow, error) {
	own, err := fs.Sub(defaults, "flows")
	if err != nil {
		return nil, err
	}
	flows, err := readFlows(own)
	if err != nil {
		return nil, err
	}
	if dir != "" {
		more, err := readFlows(os.DirFS(dir))
		if err != nil {
			return nil, fmt.Errorf("flows of %s: %w", dir, err)
		}
		maps.Copy(flows, more)
	}
	for _, flow := range flows {
		if err := flow.check(flows, known); err != nil {
			return nil, err
		}
	}
	return flows, nil
}

// readFlows parses every *.json file of files.
func readFlows(files fs.FS) (map[string]*Flow, error) {
	entries, err := fs.ReadDir(files, ".")
	if err != nil {
		return nil, err
	}
	flows := make(map[string]*Flow)
	for _, entry := range entries {
		if entry.IsDir() || path.Ext(entry.Name()) != ".json" {
			continue
		}
		text, err := fs.ReadFile(files, entry.Name())
		if err != nil {
			return nil, err
		}
		flow, err := parseFlow(text)
		if err != nil {
			return nil, fmt.Errorf("flow %s: %w", entry.Name(), err)
		}
		if _, twice := flows[flow.ID]; twice {
			return nil, fmt.Errorf("flow %s: another file has the id %q", entry.Name(), flow.ID)
		}
		flow.files = files
		flows[flow.ID] = flow
	}
	return flows, nil
}

// parseFlow reads one flow. Keys it does not know are errors, so that a typing
// error in a flow is found at the start and not in the middle of a run.
func parseFlow(text []byte) (*Flow, error) {
	flow := &Flow{}
	if err := decodeStrict(text, flow); err != nil {
		return nil, err
	}
	if flow.ID == "" {
		return nil, errors.New("it has no id")
	}
	return flow, nil
}

// decodeStrict decodes one JSON value and refuses unknown keys and anything
// that follows the value.
func decodeStrict(text []byte, into any) error {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		return err
	}
	if _, err := decoder.Token(); err != io.EOF {
		return errors.New("something follows the JSON value")
	}
	return nil
}

// check finds what would make a run fail in any case: actions nobody knows,
// references to what does not exist yet, sub-flows that are not there.
func (f *Flow) check(flows map[string]*Flow, known map[string]Do) error {
	if !slices.Contains([]string{"", "repeat", "once"}, f.Start) {
		return fmt.Errorf("flow %s: start is %q, not repeat, once or nothing", f.ID, f.Start)
	}
	visible := map[string]bool{"input": true, "env": true}
	for i := range f.Actions {
		action := &f.Actions[i]
		if err := action.check(visible, flows, known); err != nil {
			return fmt.Errorf("flow %s, action %q: %w", f.ID, action.ID, err)
		}
		visible[action.ID] = true
	}
	if err := checkReferences(f.Output, visible); err != nil {
		return fmt.Errorf("flow %s, output: %w", f.ID, err)
	}
	return nil
}

func (a *Action) check(visible map[string]bool, flows map[string]*Flow, known map[string]Do) error {
	switch {
	case a.ID == "" || strings.Contains(a.ID, ".") || slices.Contains(reserved(), a.ID):
		return errors.New("an action needs an id without dots that is not input, item or env")
	case visible[a.ID]:
		return errors.New("an earlier action has this id")
	case known[a.Use] == nil:
		return fmt.Errorf("nobody knows how to do %q", a.Use)
	case a.OnError != "" && a.OnError != "fail" && a.OnError != "continue":
		return fmt.Errorf("on_error is %q, not fail or continue", a.OnError)
	}
	if id, ok := a.With["flow"].(string); ok && a.Use == "flow/run" && flows[id] == nil {
		return fmt.Errorf("there is no flow %q", id)
	}
	if err := checkReferences(a.ForEach, visible); err != nil {
		return err
	}
	if a.ForEach != nil {
		visible = maps.Clone(visible)
		visible["item"] = true
	}
	return checkReferences(a.With, visible)
}
