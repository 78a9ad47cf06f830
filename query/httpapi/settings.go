package httpapi

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/steplog/steplog/internal/line"
	"github.com/steplog/steplog/levels"
	"github.com/steplog/steplog/logger"
)

// maxBody is how long the body of a request may be.
const maxBody = 64 << 10

// scopeSetting is what was set for one scope; what is nil follows the scope
// above.
type scopeSetting struct {
	Server    string  `json:"server,omitempty"`
	Service   string  `json:"service,omitempty"`
	Operation string  `json:"operation,omitempty"`
	Action    string  `json:"action,omitempty"`
	Level     *string `json:"level,omitempty"`
	Lines     *bool   `json:"lines,omitempty"`
	Capture   *bool   `json:"capture,omitempty"`
}

// settingsDocument is what holds, and the body of a change: there, without
// scopes these stay, and files that are not named stay.
type settingsDocument struct {
	Scopes *[]scopeSetting        `json:"scopes,omitempty"`
	Files  map[string]fileSetting `json:"files,omitempty"`
}

// settings serves what holds now.
func (q *request) settings() error {
	if err := q.params().done(); err != nil {
		return err
	}
	doc, tag, err := q.currentSettings()
	if err != nil {
		return err
	}
	q.w.Header().Set("ETag", tag)
	return q.success(doc)
}

// currentSettings returns what holds, and its ETag.
func (q *request) currentSettings() (settingsDocument, string, error) {
	var doc settingsDocument
	text, err := json.Marshal(q.store.Levels())
	if err != nil {
		return doc, "", err
	}
	var tree struct {
		Settings []scopeSetting `json:"settings"`
	}
	if err := json.Unmarshal(text, &tree); err != nil {
		return doc, "", err
	}
	for i := range tree.Settings {
		if l := tree.Settings[i].Level; l != nil {
			*l = strings.ToUpper(*l)
		}
	}
	doc.Scopes, doc.Files = &tree.Settings, map[string]fileSetting{}
	names, err := q.logNames()
	if err != nil {
		return doc, "", err
	}
	for _, name := range names {
		doc.Files[name] = settingOf(q.store.FileRule(name).Levels, q.store.RotationRule(name))
	}
	text, err = json.Marshal(doc)
	if err != nil {
		return doc, "", err
	}
	sum := sha256.Sum256(text)
	return doc, `"` + hex.EncodeToString(sum[:16]) + `"`, nil
}

// logNames returns the logs there are and the ready-made ones, but for the
// audit trail, which has its own rules.
func (q *request) logNames() ([]string, error) {
	infos, err := q.store.Files().List()
	if err != nil {
		return nil, err
	}
	names := []string{logger.FileApplication, logger.FileAppsObjects, logger.FileInboxChannel, logger.FileEmail, logger.FileDatabase,
		logger.FileAccessLog, logger.FileCallEvent, logger.FileScheduleJobs, logger.FileCRMData, logger.FileUser, logger.FileUsage}
	for _, info := range infos {
		names = append(names, info.Log)
	}
	slices.Sort(names)
	return slices.DeleteFunc(slices.Compact(names), func(name string) bool { return name == auditFile }), nil
}

// changeSettings changes all of what a body says, or nothing.
func (q *request) changeSettings() error {
	if err := q.params().done(); err != nil {
		return err
	}
	change, err := q.readSettings()
	if err != nil {
		return err
	}
	q.settingsMu.Lock()
	defer q.settingsMu.Unlock()
	_, tag, err := q.currentSettings()
	if err != nil {
		return err
	}
	if !matches(q.r.Header.Values("If-Match"), tag) {
		return &failure{status: http.StatusPreconditionFailed, message: "The settings were changed since they were read."}
	}
	rules := map[string]logger.FileRule{}
	for name, setting := range change.Files {
		rule, err := q.fileRule(name, setting)
		if err != nil {
			return err
		}
		if rule != q.store.FileRule(name) {
			rules[name] = rule
		}
	}
	if change.Scopes != nil {
		if err := checkScopes(*change.Scopes); err != nil {
			return err
		}
	}
	before, err := q.store.Files().List()
	if err != nil {
		return err
	}
	if err := q.setRules(rules); err != nil {
		return err
	}
	if change.Scopes != nil {
		if err := q.setScopes(*change.Scopes); err != nil {
			return err
		}
	}
	removed, err := q.removed(before, rules)
	if err != nil {
		return err
	}
	doc, tag, err := q.currentSettings()
	if err != nil {
		return err
	}
	q.w.Header().Set("ETag", tag)
	return q.success(struct {
		settingsDocument
		Removed []string `json:"removed"`
	}{doc, removed})
}

// matches reports whether If-Match, which may be on several lines, names a tag of this
// API. There is no comma in these.
//
// RFC 9110 §13.1.1 has a weak tag match nothing, for bytes may have changed under it. All
// that this API gives are strong and stand for the settings themselves: what makes one
// weak is a proxy that compresses the answer, as nginx does, and who is behind it would
// never get a change through.
func matches(lines []string, tag string) bool {
	list := strings.Join(lines, ",")
	return list == "" || list == "*" || slices.ContainsFunc(strings.Split(list, ","), func(one string) bool {
		return strings.TrimPrefix(strings.Trim(one, " \t"), "W/") == tag
	})
}

// readSettings reads the body.
func (q *request) readSettings() (settingsDocument, error) {
	var change settingsDocument
	if kind, _, err := mime.ParseMediaType(q.r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		return change, &failure{status: http.StatusUnsupportedMediaType, message: "The body must be application/json."}
	}
	// Who sends half a body and no more has a place no longer than a question has. What is
	// not read of it net/http reads before the answer goes out: that has an end then, too.
	control := http.NewResponseController(q.w)
	deadline, _ := q.ctx.Deadline()
	_ = control.SetReadDeadline(deadline)
	text, err := io.ReadAll(http.MaxBytesReader(q.w, q.r.Body, maxBody))
	if err == nil {
		_ = control.SetReadDeadline(time.Time{})
	}
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		return change, &failure{status: http.StatusRequestEntityTooLarge, message: fmt.Sprintf("The body is longer than %d bytes.", maxBody)}
	}
	if err != nil {
		return change, bad("", "The body cannot be read.")
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&change); err != nil {
		return change, notSettings(err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return change, bad("", "The body has something after the settings.")
	}
	if f := strange(json.NewDecoder(bytes.NewReader(text)), ""); f != nil {
		return change, f
	}
	return change, nil
}

// strange refuses what Go would take for something else in the body of d: null, to it a
// scope without a name or a setting that is left out, and a key that is there twice, of
// which it would mix what both say.
func strange(d *json.Decoder, at string) *failure {
	token, err := d.Token()
	switch token {
	case nil:
		if err != nil {
			return notSettings(err)
		}
		if at == "" {
			return bad("", "The body must be an object and not: null.")
		}
		return bad(at, "'%.80s' must not be null: leave it out.", at)
	case json.Delim('['):
		for i := 0; d.More(); i++ {
			if f := strange(d, at+"."+strconv.Itoa(i)); f != nil {
				return f
			}
		}
		_, _ = d.Token() // the end: the body was read before
	case json.Delim('{'):
		seen := map[string]bool{}
		for d.More() {
			token, _ := d.Token()
			key, _ := token.(string)
			place := strings.TrimPrefix(at+"."+key, ".")
			name := line.Fold(key) // Go takes names in any case
			if seen[name] {
				return bad(place, "'%.80s' is there more than once.", place)
			}
			seen[name] = true
			if f := strange(d, place); f != nil {
				return f
			}
		}
		_, _ = d.Token()
	}
	return nil
}

// notSettings says why a body is not the settings, in its own words and not in Go's.
func notSettings(err error) *failure {
	var kind *json.UnmarshalTypeError
	switch {
	case errors.Is(err, io.EOF):
		return bad("", "The body is empty.")
	case errors.As(err, &kind) && kind.Field == "":
		return bad("", "The body must be an object and not: %.80s.", kind.Value)
	case errors.As(err, &kind):
		return bad(kind.Field, "'%.80s' has the wrong type: %.80s.", kind.Field, kind.Value)
	}
	return bad("", "The body is not the settings: %v.", strings.TrimPrefix(err.Error(), "json: "))
}

func (s *scopeSetting) scope() levels.Scope {
	return levels.Scope{Server: s.Server, Service: s.Service, Operation: s.Operation, Action: s.Action}
}

// checkScopes refuses what the tree would not take.
func checkScopes(list []scopeSetting) error {
	seen := map[levels.Scope]bool{}
	for i := range list {
		s := &list[i]
		if seen[s.scope()] {
			return bad("scopes", "A scope is there more than once.")
		}
		seen[s.scope()] = true
		if s.Level != nil {
			if _, ok := parseLevel(*s.Level); !ok {
				return bad("scopes", "'level' must be one of TRACE, DEBUG, INFO, WARN, ERROR and FATAL.")
			}
		}
	}
	return nil
}

// setScopes makes the explicit settings of the tree those of the list, changing
// no more than that takes, so that whoever hears of changes hears of these.
func (q *request) setScopes(list []scopeSetting) error {
	doc, _, err := q.currentSettings()
	if err != nil {
		return err
	}
	tree, old := q.store.Levels(), map[levels.Scope]scopeSetting{}
	for _, s := range *doc.Scopes {
		old[s.scope()] = s
	}
	for _, s := range list {
		was := old[s.scope()]
		delete(old, s.scope())
		if was.Level != nil && s.Level == nil || was.Lines != nil && s.Lines == nil || was.Capture != nil && s.Capture == nil {
			tree.Reset(q.ctx, s.scope())
		}
		if s.Level != nil {
			l, _ := parseLevel(*s.Level) // it was checked
			tree.SetLevel(q.ctx, s.scope(), l)
		}
		if s.Lines != nil {
			tree.SetLines(q.ctx, s.scope(), *s.Lines)
		}
		if s.Capture != nil {
			tree.SetCapture(q.ctx, s.scope(), *s.Capture)
		}
	}
	for scope := range old {
		tree.Reset(q.ctx, scope)
	}
	return nil
}
