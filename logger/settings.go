package logger

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/steplog/steplog/internal/vfs"
	"github.com/steplog/steplog/levels"
	"github.com/steplog/steplog/rotation"
	"go.uber.org/zap/zapcore"
)

// FileRule returns what was set for a file, by SetFileRule or in Options.Files;
// the zero rule when nothing was.
func (s *Store) FileRule(name string) FileRule {
	if s.none() {
		return FileRule{}
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.rules[name]
}

// RotationRule returns how a file rotates and what is retained of it: its own
// rule, or Options.Rule when it has none, as it was given.
func (s *Store) RotationRule(name string) rotation.Rule {
	if s.none() {
		return rotation.Rule{}
	}
	if rule := s.FileRule(name).Rotation; rule != (rotation.Rule{}) {
		return rule
	}
	return s.options.Rule
}

// SetFileRule changes what holds for a file. It is in force for every logger
// when the call returns; files beyond the new limits are deleted soon after. A
// file that does not exist yet is made. With Options.KeepSettings the rule is on
// the disk, too, when the call returns nil.
//
// It returns [ErrName] for a name that is none, and [ErrRule] for a rule that
// cannot be used; the old one then stays. When the rule is in force but could
// not be kept, or the audit trail has no record of it, it returns the reason.
func (s *Store) SetFileRule(ctx context.Context, name string, rule FileRule) error {
	if s.none() || s.closed.Load() {
		return ErrClosed
	}
	if err := orBackground(ctx).Err(); err != nil {
		return err
	}
	if err := checkName(name); err != nil {
		return err
	}
	if err := rule.Rotation.Validate(); err != nil {
		return fmt.Errorf("%w: %s: %w", ErrRule, name, err)
	}
	s.ruleMu.Lock()
	defer s.ruleMu.Unlock()
	rotate := rule.Rotation
	if rotate == (rotation.Rule{}) {
		rotate = s.options.Rule
	}
	before := s.FileRule(name)
	f := s.file(name)
	if err := s.journal.SetRule(name, rotate); err != nil {
		return fmt.Errorf("set rule of %s: %w", name, translate(err))
	}
	s.mu.Lock()
	s.rules[name], s.set[name] = rule, rule
	f.levels.Store(uint32(rule.Levels))
	s.mu.Unlock()
	return errors.Join(s.keepSettings(nil), s.auditRule(ctx, name, before, rule))
}

// Rotate closes the active text of a file and starts a new one. An empty one
// stays, and a file that does not exist yet is made. It returns [ErrName] for a
// name that is none, and for that of the audit trail, see audit.Recorder.Rotate.
func (s *Store) Rotate(ctx context.Context, name string) error {
	if s.none() || s.closed.Load() {
		return ErrClosed
	}
	if err := orBackground(ctx).Err(); err != nil {
		return err
	}
	if err := checkName(name); err != nil {
		return err
	}
	return translate(s.journal.Rotate(name))
}

// checkName returns an error that wraps ErrName for what is no file of the store.
func checkName(name string) error {
	switch {
	case !rotation.ValidName(name):
		return fmt.Errorf("%w: %.80q", ErrName, name)
	case name == fileAudit:
		return fmt.Errorf("%w: %q is the trail's: Store.Audit has its rule, and rotates it", ErrName, name)
	}
	return nil
}

// settings is the JSON form of what Options.KeepSettings keeps, in
// .journal/settings.json. Behind it stands a line for each setting that was changed since.
type settings struct {
	Version int                     `json:"version"`
	Levels  *levels.Tree            `json:"levels"`
	Files   map[string]fileSettings `json:"files"`
}

// settingsVersion changes when an older program could misread the file. Version 1 had no
// lines of changes.
const settingsVersion = 2

// maxSettings is how long the file may be: a hundred thousand scopes fit, and as
// much again of changes.
const maxSettings = 128 << 20

// changedSetting is the JSON form of a levels.Change.
type changedSetting struct {
	Server    string `json:"server,omitempty"`
	Service   string `json:"service,omitempty"`
	Operation string `json:"operation,omitempty"`
	Action    string `json:"action,omitempty"`
	Level     string `json:"level,omitempty"`
	Lines     *bool  `json:"lines,omitempty"`
	Capture   *bool  `json:"capture,omitempty"`
	Reset     bool   `json:"reset,omitempty"`
}

type fileSettings struct {
	// Levels are the names of the levels taken; absent means every level.
	Levels   *[]string     `json:"levels,omitempty"`
	Rotation rotation.Rule `json:"rotation,omitzero"`
}

func (s *Store) settingsPath() string { return filepath.Join(s.dir, ".journal", "settings.json") }

// settingChanged is called by the tree after each change.
func (s *Store) settingChanged(ctx context.Context, c levels.Change) {
	if s.journal == nil {
		return // it is being restored
	}
	if err := s.keepSettings(&c); err != nil {
		s.problem(err)
	}
	s.auditSetting(ctx, c)
}

// keepSettings adds a change to the file of settings, or writes all of them, as after
// any other change: to a temporary file, synced, that then takes the name.
func (s *Store) keepSettings(c *levels.Change) error {
	if !s.kept {
		return nil
	}
	s.settingsMu.Lock()
	defer s.settingsMu.Unlock()
	if c != nil && s.addSetting(c) {
		return nil
	}
	s.keptSize = 0
	doc := settings{Version: settingsVersion, Levels: s.tree, Files: map[string]fileSettings{}}
	s.mu.RLock()
	for name, rule := range s.set {
		fs := fileSettings{Rotation: rule.Rotation}
		if rule.Levels != 0 {
			fs.Levels = new(namesOf(rule.Levels))
		}
		doc.Files[name] = fs
	}
	s.mu.RUnlock()
	text, err := json.MarshalIndent(doc, "", "  ")
	if err == nil {
		err = vfs.WriteWhole(s.fs, s.settingsPath(), append(text, '\n'))
	}
	if err != nil {
		return fmt.Errorf("keep settings: %w", err)
	}
	s.keptSize, s.keptWhole = int64(len(text))+1, int64(len(text))+1
	return nil
}

// addSetting adds a line to the file and syncs it: to write thousands of settings takes
// long. It reports false where all must be written: the file is not as it was left, or
// twice as long as it was once, or nobody knows what became of the line. The caller holds
// settingsMu.
func (s *Store) addSetting(c *levels.Change) bool {
	form := changedSetting{c.Scope.Server, c.Scope.Service, c.Scope.Operation, c.Scope.Action, "", c.Lines, c.Capture, c.Reset}
	if c.Level != nil {
		form.Level = levels.Name(*c.Level)
	}
	text, err := json.Marshal(form)
	if err != nil || s.keptSize == 0 || s.keptSize+int64(len(text)) >= 2*s.keptWhole {
		return false
	}
	f, err := s.fs.OpenFile(s.settingsPath(), os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return false
	}
	defer f.Close() // synced
	info, err := f.Stat()
	if err != nil || info.Size() != s.keptSize {
		return false
	}
	if _, err = f.Write(append(text, '\n')); err == nil {
		err = f.Sync()
	}
	s.keptSize += int64(len(text)) + 1
	return err == nil
}

func namesOf(set levels.Set) []string {
	names := []string{}
	for _, l := range sixLevels {
		if set.Has(l) {
			names = append(names, levels.Name(l))
		}
	}
	return names
}

// restoreSettings puts kept settings in force. A folder without any is fine.
func (s *Store) restoreSettings() error {
	text, err := vfs.ReadWhole(s.fs, s.settingsPath(), maxSettings)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		err = s.applySettings(text)
	}
	if err != nil {
		return fmt.Errorf("logger: kept settings: %s: %w", s.settingsPath(), err)
	}
	return nil
}

// restoreSetting puts a change in force that was kept.
func (s *Store) restoreSetting(line []byte) error {
	var c changedSetting
	if err := json.Unmarshal(line, &c); err != nil {
		return err
	}
	ctx, scope := context.Background(), levels.Scope{Server: c.Server, Service: c.Service, Operation: c.Operation, Action: c.Action}
	switch {
	case c.Reset:
		s.tree.Reset(ctx, scope)
	case c.Lines != nil:
		s.tree.SetLines(ctx, scope, *c.Lines)
	case c.Capture != nil:
		s.tree.SetCapture(ctx, scope, *c.Capture)
	default:
		level, err := levels.Parse(c.Level)
		if err != nil {
			return err
		}
		s.tree.SetLevel(ctx, scope, level)
	}
	return nil
}

// applySettings takes over what was kept. On an error nothing is changed but,
// at most, the tree, and the store does not open.
func (s *Store) applySettings(text []byte) error {
	var form struct {
		Version int `json:"version"`
	}
	if err := json.NewDecoder(bytes.NewReader(text)).Decode(&form); err != nil {
		return err
	}
	switch { // before the rest, which a newer version may write otherwise
	case form.Version > settingsVersion:
		return ErrVersion
	case form.Version < 1:
		return fmt.Errorf("there is no version %d", form.Version)
	}
	doc := settings{Levels: s.tree}
	d := json.NewDecoder(bytes.NewReader(text))
	if err := d.Decode(&doc); err != nil {
		return err
	}
	lines := slices.Collect(bytes.Lines(bytes.TrimSpace(text[d.InputOffset():])))
	for i, line := range lines {
		err := s.restoreSetting(line)
		if err != nil && i < len(lines)-1 { // the last may be torn: that call did not return
			return err
		}
	}
	rules, set := maps.Clone(s.rules), map[string]FileRule{}
	for name, kept := range doc.Files {
		if !rotation.ValidName(name) {
			return fmt.Errorf("%w: %.80q", ErrName, name)
		}
		if err := kept.Rotation.Validate(); err != nil {
			return fmt.Errorf("%w: %s: %w", ErrRule, name, err)
		}
		rule := FileRule{Rotation: kept.Rotation}
		if kept.Levels != nil {
			taken := make([]zapcore.Level, len(*kept.Levels))
			for i, l := range *kept.Levels {
				level, err := levels.Parse(l)
				if err != nil {
					return err
				}
				taken[i] = level
			}
			rule.Levels = levels.Of(taken...)
		}
		rules[name], set[name] = rule, rule
	}
	s.rules, s.set = rules, set
	return nil
}
