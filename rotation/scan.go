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
	name       // its ext is that of the form that counts, see Counts
	info       fs.FileInfo
	compressed []string // names of compressed forms
	bytes      int64    // of all forms
}

// file is the name of the form that counts.
func (s *stored) file() string { return s.base + s.ext }

// scan sorts what a folder holds: the files of logs, ordered by log and then as they were
// closed, the active one last; and the names of unfinished compressions.
func scan(infos []fs.FileInfo) (files []*stored, temps []string) {
	byBase := map[string]*stored{}
	for _, info := range infos {
		if !info.Mode().IsRegular() {
			continue
		}
		if plain, ok := strings.CutSuffix(info.Name(), tempExt); ok {
			if n, ok := parseName(plain); ok && !n.active() && n.ext != "" {
				temps = append(temps, info.Name())
			}
			continue
		}
		n, ok := parseName(info.Name())
		if !ok {
			continue
		}
		s := byBase[n.base]
		if s == nil {
			s = &stored{name: n, info: info}
			byBase[n.base] = s
			files = append(files, s)
		}
		s.bytes += info.Size()
		if Counts(info, s.info) {
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

// Counts reports whether one form of a closed file counts, and not the other. A plain form
// that is not younger goes before a compressed one, which was made of it. A younger one was
// made of the compressed form by somebody else, who may not have come to its end. Of
// two that are compressed the gzip one counts. It is for the other packages of this module.
func Counts(form, other fs.FileInfo) bool {
	a, b := extOf(form.Name()), extOf(other.Name())
	switch {
	case a == b:
		return true
	case a == "":
		return !form.ModTime().After(other.ModTime())
	case b == "":
		return other.ModTime().After(form.ModTime())
	}
	return a == gzipExt
}

func extOf(file string) string { return file[len(PlainName(file)):] }

// order puts the active file behind all closed ones.
func (s *stored) order() time.Time {
	if s.active() {
		return lastTime.Add(1)
	}
	return s.at
}
