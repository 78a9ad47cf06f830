package httpapi

import (
	"context"
	"errors"
	"math"
	"slices"
	"strings"
	"time"

	"go.uber.org/zap/zapcore"

	"github.com/steplog/steplog/levels"
	"github.com/steplog/steplog/logger"
	"github.com/steplog/steplog/rotation"
)

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

// says reports whether a change says what holds already: whoever puts back all that
// was read, to change one thing, has not made the rules of other files explicit.
func (s *fileSetting) says(now fileSetting) bool {
	return stays(s.Level, now.Level) && stays(s.MaxSizeMB, now.MaxSizeMB) && stays(s.Copies, now.Copies) &&
		stays(s.MaxAgeDays, now.MaxAgeDays) && stays(s.MaxTotalMB, now.MaxTotalMB) && stays(s.Compress, now.Compress) &&
		(s.Levels == nil || now.Levels != nil && slices.Equal(*s.Levels, *now.Levels))
}

func stays[T comparable](change, now *T) bool { return change == nil || now != nil && *change == *now }

// fileRule returns the rule of a log with a change made to it.
func (q *request) fileRule(name string, s fileSetting) (rule logger.FileRule, err error) {
	if !rotation.ValidName(name) || name == auditFile {
		return rule, bad("files", "%.80q is not a log whose rules can be set.", name)
	}
	rule = q.store.FileRule(name)
	in := "files." + name // what parameters are called in
	if s.Level != nil && s.Levels != nil {
		return rule, bad(in+".level", "'level' and 'levels' exclude each other.")
	}
	if s.says(settingOf(rule.Levels, q.store.RotationRule(name))) {
		return rule, nil
	}
	if rule.Levels, err = s.levels(rule.Levels, in); err != nil {
		return rule, err
	}
	if s.MaxSizeMB == nil && s.Copies == nil && s.MaxAgeDays == nil && s.MaxTotalMB == nil && s.Compress == nil {
		return rule, nil
	}
	rule.Rotation, err = s.rotation(q.store.RotationRule(name), in)
	return rule, err
}

// levels returns the levels that a file takes after a change.
func (s *fileSetting) levels(now levels.Set, in string) (levels.Set, error) {
	if s.Level != nil {
		l, ok := parseLevel(*s.Level)
		if !ok {
			return now, bad(in+".level", "'level' must be one of TRACE, DEBUG, INFO, WARN, ERROR and FATAL.")
		}
		return levels.AtLeast(l), nil
	}
	if s.Levels == nil {
		return now, nil
	}
	taken := make([]zapcore.Level, 0, len(*s.Levels))
	for _, name := range *s.Levels {
		l, ok := parseLevel(name)
		if !ok {
			return now, bad(in+".levels", "'levels' must be of TRACE, DEBUG, INFO, WARN, ERROR and FATAL.")
		}
		taken = append(taken, l)
	}
	return levels.Of(taken...), nil
}

// rotation returns how a file rotates after a change. What holds already stays as it
// is, also where the host set what cannot be asked for here.
func (s *fileSetting) rotation(r rotation.Rule, in string) (rotation.Rule, error) {
	now := settingOf(0, r)
	for _, n := range []struct {
		field       string
		value, now  *float64
		least, most float64
		set         func(float64)
	}{
		{"maxSizeMB", s.MaxSizeMB, now.MaxSizeMB, 1, 1024, func(v float64) { r.MaxBytes = int64(v * megabyte) }},
		{"maxAgeDays", s.MaxAgeDays, now.MaxAgeDays, 0, 100_000, func(v float64) { r.MaxAge = time.Duration(v * float64(day)) }},
		{"maxTotalMB", s.MaxTotalMB, now.MaxTotalMB, 0, 1 << 30, func(v float64) { r.MaxTotalBytes = int64(v * megabyte) }},
	} {
		if stays(n.value, n.now) {
			continue
		}
		if !(*n.value >= n.least && *n.value <= n.most) {
			return r, bad(in+"."+n.field, "'%s' must be from %.0f to %.0f.", n.field, n.least, n.most)
		}
		n.set(*n.value)
	}
	if !stays(s.Copies, now.Copies) {
		if *s.Copies < 0 || *s.Copies > math.MaxInt32 {
			return r, bad(in+".copies", "'copies' must not be below 0; 0 keeps all.")
		}
		r.MaxFiles = *s.Copies
	}
	if s.Compress != nil {
		if err := r.Compression.UnmarshalText([]byte(*s.Compress)); err != nil {
			return r, bad(in+".compress", "'compress' must be gzip, zstd or none.")
		}
	}
	if r.MaxBytes == 0 {
		r.MaxBytes = rotation.DefaultMaxBytes // a rule that says nothing would inherit another
	}
	if err := r.Validate(); err != nil {
		return r, bad(in, "The rule cannot be used.")
	}
	return r, nil
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
			if q.store.FileRule(name) == rule {
				continue // it was refused, and the trail would say that it was changed
			}
			err = errors.Join(err, q.store.SetFileRule(context.WithoutCancel(q.ctx), name, rule))
		}
		return err
	}
	return nil
}

// Deleting what a rule does not keep is the work of another goroutine.
const (
	removalWait  = 2 * time.Second
	removalEvery = 5 * time.Millisecond
)

// removed waits until the folder is as the rules want it, as long as there is time, and
// returns which files went.
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
			continue
		case <-q.ctx.Done(): // the rules hold all the same
		case <-deadline.C:
		}
		return missing(before, now), nil
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
