package httpapi

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"mime"
	"net/http"
	"slices"
	"strings"
	"time"

	"go.uber.org/zap/zapcore"

	"github.com/steplog/steplog/levels"
	"github.com/steplog/steplog/logger"
	"github.com/steplog/steplog/rotation"
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

// fileSetting is the rule of one log. In a change, what is nil stays.
type fileSetting struct {
	Level      *string   `json:"level,omitempty"`  // the lowest level that the file takes
	Levels     *[]string `json:"levels,omitempty"` // exactly these, where it is not all from one on
	MaxSizeMB  *float64  `json:"maxSizeMB,omitempty"`
	Copies     *int      `json:"copies,omitempty"`
	MaxAgeDays *float64  `json:"maxAgeDays,omitempty"`
	MaxTotalMB *float64  `json:"maxTotalMB,omitempty"`
	Compress   *string   `json:"compress,omitempty"`
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
	if err := q.everything(); err != nil {
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

const megabyte = 1 << 20

// sixLevels are all levels, lowest first. immutable.
var sixLevels = []zapcore.Level{levels.Trace, levels.Debug, levels.Info, levels.Warn, levels.Error, levels.Fatal}

// settingOf returns a rule in the form of the document.
func settingOf(set levels.Set, rule rotation.Rule) fileSetting {
	if rule.MaxBytes == 0 {
		rule.MaxBytes = rotation.DefaultMaxBytes
	}
	f := fileSetting{
		MaxSizeMB: new(float64(rule.MaxBytes) / megabyte), Copies: new(rule.MaxFiles),
		MaxAgeDays: new(rule.MaxAge.Hours() / 24), MaxTotalMB: new(float64(rule.MaxTotalBytes) / megabyte),
		Compress: new(rule.Compression.String()),
	}
	var taken []string
	lowest := levels.Trace
	for _, l := range slices.Backward(sixLevels) {
		if set.Has(l) {
			lowest = l
			taken = append([]string{strings.ToUpper(levels.Name(l))}, taken...)
		}
	}
	if len(taken) > 0 && (set == 0 || set == levels.AtLeast(lowest)) {
		f.Level = &taken[0]
	} else {
		f.Levels = new(append([]string{}, taken...))
	}
	return f
}

// changeSettings changes all of what a body says, or nothing.
func (q *request) changeSettings() error {
	if err := q.params().done(); err != nil {
		return err
	}
	if err := q.everything(); err != nil {
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
	if match := q.r.Header.Get("If-Match"); match != "" && match != "*" && match != tag {
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

// readSettings reads the body.
func (q *request) readSettings() (settingsDocument, error) {
	var change settingsDocument
	if kind, _, err := mime.ParseMediaType(q.r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		return change, &failure{status: http.StatusUnsupportedMediaType, message: "The body must be application/json."}
	}
	text, err := io.ReadAll(http.MaxBytesReader(q.w, q.r.Body, maxBody))
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
		return change, bad("", "The body is not the settings: %v.", strings.TrimPrefix(err.Error(), "json: "))
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return change, bad("", "The body has something after the settings.")
	}
	return change, nil
}

// says reports whether a change says what holds already: whoever puts back all that
// was read, to change one thing, has not made the rules of other files explicit.
func (s *fileSetting) says(now fileSetting) bool {
	return stays(s.Level, now.Level) && stays(s.MaxSizeMB, now.MaxSizeMB) && stays(s.Copies, now.Copies) &&
		stays(s.MaxAgeDays, now.MaxAgeDays) && stays(s.MaxTotalMB, now.MaxTotalMB) && stays(s.Compress, now.Compress) &&
		(s.Levels == nil || now.Levels != nil && slices.Equal(*s.Levels, *now.Levels))
}

func stays[T comparable](change, now *T) bool { return change == nil || now != nil && *change == *now }

// fileRule returns the rule of a log with a change made to it.
func (q *request) fileRule(name string, s fileSetting) (logger.FileRule, error) {
	at := func(field string) string { return "files." + name + "." + field }
	if !rotation.ValidName(name) || name == auditFile {
		return logger.FileRule{}, bad("files", "%.80q is not a log whose rules can be set.", name)
	}
	rule := q.store.FileRule(name)
	if s.Level != nil && s.Levels != nil {
		return rule, bad(at("level"), "'level' and 'levels' exclude each other.")
	}
	if s.says(settingOf(rule.Levels, q.store.RotationRule(name))) {
		return rule, nil
	}
	if s.Level != nil {
		l, ok := parseLevel(*s.Level)
		if !ok {
			return rule, bad(at("level"), "'level' must be one of TRACE, DEBUG, INFO, WARN, ERROR and FATAL.")
		}
		rule.Levels = levels.AtLeast(l)
	}
	if s.Levels != nil {
		taken := make([]zapcore.Level, 0, len(*s.Levels))
		for _, name := range *s.Levels {
			l, ok := parseLevel(name)
			if !ok {
				return rule, bad(at("levels"), "'levels' must be of TRACE, DEBUG, INFO, WARN, ERROR and FATAL.")
			}
			taken = append(taken, l)
		}
		rule.Levels = levels.Of(taken...)
	}
	if s.MaxSizeMB == nil && s.Copies == nil && s.MaxAgeDays == nil && s.MaxTotalMB == nil && s.Compress == nil {
		return rule, nil
	}
	r := q.store.RotationRule(name)
	for _, n := range []struct {
		field       string
		value       *float64
		least, most float64
		set         func(float64)
	}{
		{"maxSizeMB", s.MaxSizeMB, 1, 1024, func(v float64) { r.MaxBytes = int64(v * megabyte) }},
		{"maxAgeDays", s.MaxAgeDays, 0, 100_000, func(v float64) { r.MaxAge = time.Duration(v * float64(day)) }},
		{"maxTotalMB", s.MaxTotalMB, 0, 1 << 30, func(v float64) { r.MaxTotalBytes = int64(v * megabyte) }},
	} {
		if n.value == nil {
			continue
		}
		if !(*n.value >= n.least && *n.value <= n.most) {
			return rule, bad(at(n.field), "'%s' must be from %v to %v.", n.field, n.least, n.most)
		}
		n.set(*n.value)
	}
	if s.Copies != nil {
		if *s.Copies < 0 || *s.Copies > math.MaxInt32 {
			return rule, bad(at("copies"), "'copies' must not be below 0; 0 keeps all.")
		}
		r.MaxFiles = *s.Copies
	}
	if s.Compress != nil {
		if err := r.Compression.UnmarshalText([]byte(*s.Compress)); err != nil {
			return rule, bad(at("compress"), "'compress' must be gzip, zstd or none.")
		}
	}
	if r.MaxBytes == 0 {
		r.MaxBytes = rotation.DefaultMaxBytes // a rule that says nothing would inherit another
	}
	if err := r.Validate(); err != nil {
		return rule, bad("files."+name, "The rule cannot be used.")
	}
	rule.Rotation = r
	return rule, nil
}

// setRules sets all rules, or puts back those that were set when one cannot be.
func (q *request) setRules(rules map[string]logger.FileRule) error {
	old := map[string]logger.FileRule{}
	for name, rule := range rules {
		old[name] = q.store.FileRule(name)
		err := q.store.SetFileRule(q.ctx, name, rule)
		if err == nil {
			continue
		}
		for name, rule := range old {
			err = errors.Join(err, q.store.SetFileRule(context.WithoutCancel(q.ctx), name, rule))
		}
		return err
	}
	return nil
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

// Deleting what a rule does not keep is the work of another goroutine.
const (
	removalWait  = 2 * time.Second
	removalEvery = 5 * time.Millisecond
)

// removed waits until the folder is as the rules want it and returns which
// files went.
func (q *request) removed(before []rotation.Info, rules map[string]logger.FileRule) ([]string, error) {
	deadline := time.NewTimer(removalWait)
	defer deadline.Stop()
	for {
		now, err := q.store.Files().List()
		if err != nil {
			return nil, err
		}
		if q.kept(now, rules) {
			return missing(before, now), nil
		}
		select {
		case <-time.After(removalEvery):
		case <-q.ctx.Done():
			return nil, q.ctx.Err()
		case <-deadline.C:
			return missing(before, now), nil
		}
	}
}

// kept reports whether the rules have nothing to delete by count and size.
func (q *request) kept(now []rotation.Info, rules map[string]logger.FileRule) bool {
	for name := range rules {
		rule := q.store.RotationRule(name)
		closed, total := 0, int64(0)
		for _, info := range now {
			if info.Log != name {
				continue
			}
			total += info.Bytes
			if !info.Active {
				closed++
				if rule.MaxAge > 0 && !info.Last.IsZero() && time.Since(info.Last) > rule.MaxAge {
					return false
				}
			}
		}
		if rule.MaxFiles > 0 && closed > rule.MaxFiles || rule.MaxTotalBytes > 0 && total > rule.MaxTotalBytes && closed > 0 {
			return false
		}
	}
	return true
}

// missing returns the files that are in one list and not in the other.
func missing(before, now []rotation.Info) []string {
	gone := []string{}
	for _, b := range before {
		if !slices.ContainsFunc(now, func(n rotation.Info) bool { return rotation.PlainName(n.Name) == rotation.PlainName(b.Name) }) {
			gone = append(gone, b.Name)
		}
	}
	return gone
}
