package journal

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/steplog/steplog/internal/line"
	"github.com/steplog/steplog/internal/vfs"
	"github.com/steplog/steplog/rotation"
)

// doubt is what is known of a text of which a sync failed: the records above after, up to
// upto, may not be on the disk.
type doubt struct{ after, upto uint64 }

// errNotOnDisk is what the host is told of such a text.
var errNotOnDisk = errors.New("journal: a sync failed, and the disk does not have what the text shows, which may be lost with the power")

// closeSick closes the active texts, after a process that did not end cleanly, that the
// disk does not have as they are shown, although a sync succeeds: an earlier one failed,
// and the process was killed before it had closed that text. What the system could not
// write once it may never write, whatever is added to that page and synced. So what comes
// goes to another text, as it would have in that process.
func (j *Journal) closeSick() error {
	infos, err := j.fs.ReadDir(j.dir)
	if err != nil {
		return err
	}
	for _, info := range infos {
		log, ok := logOf(info.Name())
		if !ok || info.Name() != log+logExt || !info.Mode().IsRegular() || info.Size() == 0 {
			continue
		}
		path := filepath.Join(j.dir, info.Name())
		d, sick, err := j.doubtful(log, path, info.Size())
		if err != nil {
			return err
		}
		if sick == nil {
			continue
		}
		if err := j.closeText(path); err != nil {
			sick = fmt.Errorf("%w; closing it: %w", sick, err)
		}
		j.problem(sick)
		j.doubts[log] = d
	}
	return nil
}

// doubtful syncs the active text of a log and compares what was not known to be durable
// with what the disk has. sick says why it cannot be gone on with.
func (j *Journal) doubtful(log, path string, size int64) (d doubt, sick, err error) {
	f, err := j.fs.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return d, nil, err
	}
	defer f.Close() // synced
	upto := j.durable(log, f, size)
	if sick = f.Sync(); sick == nil {
		if upto, _ = vfs.OnDisk(f, upto, size); upto == size {
			return d, nil, nil
		}
		sick = fmt.Errorf("%s: %w", path, errNotOnDisk)
	}
	d, err = doubtAbout(f, upto)
	return d, sick, err
}

// doubtAbout tells which records of a text are not below an offset.
func doubtAbout(f vfs.File, upto int64) (d doubt, err error) {
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return d, err
	}
	scan := lineScanner{r: bufio.NewReaderSize(f, 256<<10)}
	for at := int64(0); ; {
		raw, size, err := scan.next()
		if errors.Is(err, io.EOF) {
			return d, nil
		}
		if err != nil {
			return d, err
		}
		at += size
		seq, ok := line.SeqOf(raw)
		if !ok {
			continue
		}
		if d.upto == 0 {
			d.after = seq - 1
		}
		if d.upto = seq; at <= upto {
			d.after = seq
		}
	}
}

// closeText gives a text its final name.
func (j *Journal) closeText(path string) error {
	text, err := rotation.OpenFS(j.fs, path, &rotation.Options{Rule: rotation.Rule{Compression: rotation.None}, Clock: j.opts.Clock})
	if err != nil {
		return err
	}
	j.recovery.TornBytes += text.Torn()
	return errors.Join(text.Rotate(), text.Close())
}
