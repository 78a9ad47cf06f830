package rotation

import (
	"fmt"
	"path/filepath"
	"time"

	"github.com/steplog/steplog/internal/age"
	"github.com/steplog/steplog/internal/vfs"
)

// retain deletes the closed files that the rule does not keep, in the order of
// their names.
func (f *File) retain() {
	rule := f.Rule()
	if rule.MaxFiles == 0 && rule.MaxAge == 0 && rule.MaxTotalBytes == 0 {
		return
	}
	files, err := f.closedFiles()
	if err != nil {
		f.problem(fmt.Errorf("retain %s: %w", f.path, err))
		return
	}
	total := f.size.Load()
	for _, s := range files {
		total += s.bytes
	}
	var now time.Time
	if rule.MaxAge > 0 {
		var leapt time.Duration
		if now, leapt = f.age.Now(f.opts.Clock()); leapt > 0 {
			f.problem(fmt.Errorf("retain %s: %w", f.path, age.LeapError(leapt)))
		}
	}
	left := len(files)
	for _, s := range files {
		many := rule.MaxFiles > 0 && left > rule.MaxFiles
		large := rule.MaxTotalBytes > 0 && total > rule.MaxTotalBytes
		if !many && !large && (rule.MaxAge == 0 || now.Sub(f.endOf(s, now)) <= rule.MaxAge) {
			continue
		}
		if err := f.remove(s); err != nil {
			f.problem(fmt.Errorf("retain %s: %w", f.path, err))
			continue
		}
		left--
		total -= s.bytes
	}
}

// endOf tells from when on a closed file ages.
func (f *File) endOf(s *stored, now time.Time) time.Time {
	if !s.at.After(now) {
		return s.at
	}
	folder, err := OpenFolderFS(f.fs, f.dir)
	if err != nil {
		return s.at
	}
	defer folder.Close()
	_, last := folder.times(s)
	if last.IsZero() || last.After(s.at) {
		return s.at
	}
	return last
}

// remove deletes a closed file in all its forms, and its sidecar.
func (f *File) remove(s *stored) error {
	if err := f.removeForms(s.base); err != nil {
		return err
	}
	if f.opts.OnRemove != nil {
		f.opts.OnRemove(s.base)
	}
	return nil
}

func (f *File) removeForms(base string) error {
	return removeForms(func(name string) error { return f.fs.Remove(filepath.Join(f.dir, name)) }, base)
}

// removeForms deletes the plain form first: a compression that ends meanwhile
// sees that it is gone and takes its own file back.
func removeForms(remove func(name string) error, base string) error {
	for _, ext := range []string{"", gzipExt, zstdExt, indexExt} {
		if err := vfs.IgnoreNotExist(remove(base + ext)); err != nil {
			return err
		}
	}
	return nil
}
