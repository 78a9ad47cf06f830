package rotation

import (
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/steplog/steplog/internal/vfs"
)

// listedFor is how long one listing of the folder is good for: of a folder with thousands
// of files it takes longer than to compress a small one.
const listedFor = time.Second

// listing is what a folder holds. The Files of a folder share one: if each listed it, to
// open a thousand logs would be to read a million names. The zero value is ready.
type listing struct {
	outdated atomic.Uint64 // counts the calls of outdate

	mu    sync.Mutex          // guards what follows, and is held while the folder is listed
	names map[string][]string // what may be a log's closed files and unfinished compressions, sorted
	at    time.Time           // when it was listed
	asOf  uint64              // outdated then
}

// outdate has the folder listed again for whoever asks from now on: a file got another
// name, or there is a reason to look what others did.
func (l *listing) outdate() { l.outdated.Add(1) }

// of returns what may be the closed files and unfinished compressions of a log. The
// caller must not change it.
func (l *listing) of(log string, fsys vfs.FS, dir string) ([]string, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	at, asOf := time.Now(), l.outdated.Load()
	if l.names == nil || l.asOf != asOf || at.Sub(l.at) > listedFor {
		all, err := fsys.ReadNames(dir)
		if err != nil {
			return nil, err
		}
		l.names, l.at, l.asOf = map[string][]string{}, at, asOf
		for _, file := range all {
			stem := strings.TrimSuffix(PlainName(strings.TrimSuffix(file, tempExt)), logExt)
			if cut := len(stem) - len(timeLayout) - 1; cut > 0 && stem[cut] == '-' {
				l.names[stem[:cut]] = append(l.names[stem[:cut]], file)
			}
		}
		for _, names := range l.names {
			slices.Sort(names) // as ReadDir has them: of three forms the order may say which counts
		}
	}
	return l.names[log], nil
}
