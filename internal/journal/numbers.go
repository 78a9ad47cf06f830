package journal

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"github.com/steplog/steplog/internal/tables"
	"github.com/steplog/steplog/internal/vfs"
)

// reserveStep is how many sequence numbers are reserved at a time. It is part
// of no format: one sync per million records costs nothing, and a process that
// dies wastes at most so many of the 2^53 numbers JSON can carry.
const reserveStep = 1 << 20

const numbersName = "numbers.json"

// maxSeq is the largest number: JSON readers that keep numbers as float64 can
// tell all up to it apart. Larger ones in a text or a file are not ours.
const maxSeq = tables.MaxSeq

// numbers hands out sequence numbers. Each reservation is durable before a
// number of it is used, so none is given twice, whatever was lost.
type numbers struct {
	fs   vfs.FS
	dir  string // .journal
	boot string // the system's boot id, or ""

	next     uint64
	reserved uint64 // numbers below it may be used

	writing sync.Mutex // held while the file is written, for it must not go back
	written uint64
	barred  bool // the file is another process'; guarded by writing
}

// numbersFile is the content of .journal/numbers.json.
type numbersFile struct {
	// Version is 1; 0 means 1.
	Version int `json:"version"`
	// Next is the first number that was never given: numbers below it may
	// have been.
	Next uint64 `json:"next"`
	// Clean says that the folder was closed, and nothing of it needs to be
	// recovered.
	Clean bool `json:"clean"`
	// Boot is the boot id of the system that wrote this.
	Boot string `json:"boot,omitempty"`
}

// errNumbers is what the host is told of a file that cannot be what was written.
var errNumbers = errors.New("journal: the file of reserved numbers is damaged")

// readNumbers reads what an earlier process left; false when there is none. Next is 0 of
// a file that is damaged.
func readNumbers(fsys vfs.FS, dir string) (f numbersFile, found bool, err error) {
	raw, err := vfs.ReadWhole(fsys, filepath.Join(dir, numbersName), 1<<10)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return f, false, nil
	case errors.Is(err, vfs.ErrLong):
		return f, true, nil
	case err != nil:
		return f, false, fmt.Errorf("read reserved numbers: %w", err)
	case json.Unmarshal(raw, &f) != nil:
		return numbersFile{}, true, nil
	case f.Version > formatVersion:
		return f, true, fmt.Errorf("%s: %w", numbersName, ErrVersion)
	case f.Next > maxSeq:
		return numbersFile{}, true, nil
	}
	return f, true, nil
}

// openNumbers reserves the first numbers. newest is the largest seq in the
// text; it counts when the file is missing or older than the text, as in a
// folder restored from a copy. boot is what the file says until settle, so that
// an open that is cut short does not hide from the next that the power was lost.
func openNumbers(fsys vfs.FS, dir, boot string, f numbersFile, found bool, newest uint64) (*numbers, error) {
	n := &numbers{fs: fsys, dir: dir, boot: boot, next: f.Next}
	if n.next <= newest {
		n.next = roundUp(newest + 1)
	}
	if found && f.Next == 0 {
		// The file could not be read. Nothing tells then which numbers were
		// used and lost with their text: stay clear of what may be reserved ahead.
		n.next += 2 * reserveStep
	}
	n.next = max(n.next, 1)
	return n, n.reserve(n.next + reserveStep)
}

// pass has numbers go on behind one that was in the ring: a file that is missing, or
// a copy's, does not know of it.
func (n *numbers) pass(newest uint64) error {
	if n.next > newest {
		return nil
	}
	n.next = roundUp(newest + 1)
	return n.reserve(n.next + reserveStep)
}

// roundUp returns the first multiple of reserveStep that is not below n, and 1
// for a folder that holds nothing yet.
func roundUp(n uint64) uint64 {
	if n <= 1 {
		return 1
	}
	return (n + reserveStep - 1) / reserveStep * reserveStep
}

// settle notes which system writes from now on: nothing that another one left
// needs to be recovered any more.
func (n *numbers) settle(boot string) error {
	n.writing.Lock()
	defer n.writing.Unlock()
	if n.boot == boot {
		return nil
	}
	n.boot = boot
	return n.write(numbersFile{Next: n.written, Boot: boot})
}

// take returns the next number. It writes only when a reservation is used up.
func (n *numbers) take() (uint64, error) {
	if n.next >= n.reserved {
		if err := n.reserve(n.next + reserveStep); err != nil {
			return 0, err
		}
	}
	seq := n.next
	n.next++
	return seq, nil
}

// reserve makes the numbers below upto usable. The caller of take and reserve
// holds what guards them; extend is for another goroutine.
func (n *numbers) reserve(upto uint64) error {
	if err := n.extend(upto); err != nil {
		return err
	}
	n.reserved = max(n.reserved, upto)
	return nil
}

// extend makes a reservation durable, without the lock that guards next.
func (n *numbers) extend(upto uint64) error {
	n.writing.Lock()
	defer n.writing.Unlock()
	if upto <= n.written {
		return nil
	}
	if err := n.write(numbersFile{Next: upto, Boot: n.boot}); err != nil {
		return fmt.Errorf("reserve numbers: %w", err)
	}
	n.written = upto
	return nil
}

// release gives back what was reserved and not used. clean says that all of it
// is in the text.
func (n *numbers) release(clean bool) error {
	n.writing.Lock()
	defer n.writing.Unlock()
	n.reserved, n.written = n.next, n.next
	return n.write(numbersFile{Next: n.next, Clean: clean, Boot: n.boot})
}

// again writes the file as it was written last, because somebody removed it.
func (n *numbers) again() error {
	n.writing.Lock()
	defer n.writing.Unlock()
	return n.write(numbersFile{Next: n.written, Boot: n.boot})
}

// bar has every reservation fail from here on. The caller takes back what is reserved.
func (n *numbers) bar() {
	n.writing.Lock()
	defer n.writing.Unlock()
	n.barred, n.written = true, 0
}

// write replaces the file. The caller holds writing, or is openNumbers.
func (n *numbers) write(f numbersFile) error {
	if n.barred {
		return ErrLocked
	}
	f.Version = formatVersion
	raw, err := json.Marshal(f)
	if err != nil {
		return err
	}
	name := filepath.Join(n.dir, numbersName)
	err = vfs.WriteWhole(n.fs, name, append(raw, '\n'))
	if vfs.IsFull(err) && overwrite(n.fs, name, raw) == nil {
		return nil
	}
	return err
}

// overwrite writes a text over that of a small file, for which a full disk has room
// where it has none for another file. A power cut leaves one or the other, because
// both are in one sector.
func overwrite(fsys vfs.FS, name string, text []byte) error {
	f, err := fsys.OpenFile(name, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err == nil {
		for int64(len(text)) < info.Size()-1 {
			text = append(text, ' ')
		}
		if _, err = f.WriteAt(append(text, '\n'), 0); err == nil {
			err = f.Sync()
		}
	}
	return errors.Join(err, f.Close())
}
