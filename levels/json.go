package levels

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
)

// ErrSettings is returned when JSON is not the settings of a tree. An unknown
// level in it gives an error that wraps [ErrUnknown] too.
var ErrSettings = errors.New("levels: not the settings of a tree")

// document is the JSON form of a tree.
type document struct {
	Settings []entry `json:"settings"`
}

// entry is the JSON form of what was set for one scope.
type entry struct {
	Server    string  `json:"server,omitempty"`
	Service   string  `json:"service,omitempty"`
	Operation string  `json:"operation,omitempty"`
	Action    string  `json:"action,omitempty"`
	Level     *string `json:"level,omitempty"`
	Lines     *bool   `json:"lines,omitempty"`
	Capture   *bool   `json:"capture,omitempty"`
}

// MarshalJSON returns the explicit settings, sorted by server, service,
// operation and action, so that equal trees have equal JSON:
//
//	{"settings":[{"level":"warn"},{"server":"edge-1","service":"orders","lines":false}]}
//
// An entry without scope keys is that of the root. What was not set for a
// scope itself is left out, and so is the level given to [NewTree].
func (t *Tree) MarshalJSON() ([]byte, error) {
	settings := t.copy()
	doc := document{Settings: make([]entry, 0, len(settings))}
	for _, s := range sorted(settings) {
		set := settings[s]
		e := entry{Server: s.Server, Service: s.Service, Operation: s.Operation, Action: s.Action, Lines: set.lines, Capture: set.capture}
		if set.level != nil {
			e.Level = new(Name(*set.level))
		}
		doc.Settings = append(doc.Settings, e)
	}
	return json.Marshal(doc)
}

// UnmarshalJSON replaces all explicit settings by those in data, which has the
// form that [Tree.MarshalJSON] writes. Gates handed out earlier follow before
// it returns. The level given to [NewTree] stays, and the change is not
// reported to the tree's hook.
//
// Settings with an unknown key, an unknown level, or a scope that occurs twice
// are refused with an error that wraps [ErrSettings]; the tree is then
// unchanged. As for other types, JSON null changes nothing.
func (t *Tree) UnmarshalJSON(data []byte) error {
	if string(bytes.TrimSpace(data)) == "null" {
		return nil
	}
	settings, err := parse(data)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrSettings, err)
	}
	t.changing.Lock()
	defer t.changing.Unlock()
	t.mu.Lock()
	defer t.mu.Unlock()
	t.settings = settings
	t.update(Scope{})
	return nil
}

func parse(data []byte) (map[Scope]explicit, error) {
	var doc document
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&doc); err != nil {
		return nil, err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("data after the settings")
	}
	settings := make(map[Scope]explicit, len(doc.Settings))
	for i, e := range doc.Settings {
		scope := Scope{e.Server, e.Service, e.Operation, e.Action}
		if _, ok := settings[scope]; ok {
			return nil, fmt.Errorf("setting %d is for the scope of an earlier one", i)
		}
		set := explicit{lines: e.Lines, capture: e.Capture}
		if e.Level != nil {
			l, err := Parse(*e.Level)
			if err != nil {
				return nil, fmt.Errorf("setting %d: %w", i, err)
			}
			set.level = &l
		}
		settings[scope] = set
	}
	maps.DeleteFunc(settings, func(_ Scope, set explicit) bool { return set == (explicit{}) })
	return settings, nil
}
