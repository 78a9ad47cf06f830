package rotation

import (
	"cmp"
	"io/fs"
	"slices"
	"strings"
	"time"
)

// stored is one file of a log as it lies in the folder: plain, compressed, or
// both while a compression ends.
type stored struct {
	name       // its ext is that of the form that counts: the plain one, if there is one
	info       fs.FileInfo
	compressed []string // names of compressed forms
	bytes      int64    // of all forms
}

// file is the name of the form that counts.
func (s *stored) file() string { return s.base + s.ext }

// stray is a leftover that belongs to a log.
type stray struct{ log, name string }

// scan sorts what a folder holds: the files of the log, or of all logs when it
// is "", ordered by log and then as they were closed, the active one last; and
// unfinished compressions.
func scan(infos []fs.FileInfo, log string) (files []*stored, temps []stray) {
	byBase := map[string]*stored{}
	for _, info := range infos {
		if !info.Mode().IsRegular() {
			continue
		}
		if plain, ok := strings.CutSuffix(info.Name(), tempExt); ok {
			if n, ok := parseName(plain); ok && !n.active() && n.ext != "" && (log == "" || n.log == log) {
				temps = append(temps, stray{n.log, info.Name()})
			}
			continue
		}
		n, ok := parseName(info.Name())
		if !ok || log != "" && n.log != log {
			continue
		}
		s := byBase[n.base]
		if s == nil {
			s = &stored{name: n, info: info}
			byBase[n.base] = s
			files = append(files, s)
		}
		s.bytes += info.Size()
		if n.ext == "" || s.ext == zstdExt && n.ext == gzipExt {
			s.ext, s.info = n.ext, info
		}
		if n.ext != "" {
			s.compressed = append(s.compressed, info.Name())
		}
	}
	slices.SortFunc(files, func(a, b *stored) int {
		return cmp.Or(strings.Compare(a.log, b.log), a.order().Compare(b.order()))
	})
	return files, temps
}

// order puts the active file behind all closed ones.
func (s *stored) order() time.Time {
	if s.active() {
		return lastTime.Add(1)
	}
	return s.at
}
