package logger

import "github.com/steplog/steplog/internal/vfs"

// OpenFS opens a store on any file system, for tests that need disks which
// fail, fill up or crash.
func OpenFS(fs vfs.FS, dir string, options *Options) (*Store, error) {
	o, err := options.complete()
	if err != nil {
		return nil, err
	}
	return open(fs, dir, o)
}
