package journal

import (
	"github.com/steplog/steplog/internal/vfs"
	"github.com/steplog/steplog/rotation"
)

// fileAudit is the log that has a writer, numbers and readers of its own: the
// audit trail. It lies in the folder and is no part of the journal.
const fileAudit = "audit"

// logOf is rotation.LogOf for the journal's own logs.
func logOf(file string) (log string, ok bool) {
	log, ok = rotation.LogOf(file)
	return log, ok && log != fileAudit
}

// Place returns where the folder lies.
func (j *Journal) Place() (fsys vfs.FS, dir string) { return j.fs, j.dir }

// fileRetained is called when a rule deleted a file.
func (j *Journal) fileRetained(name string) {
	j.fileDeleted(name)
	if j.opts.OnRetain != nil {
		j.opts.OnRetain(name)
	}
}
