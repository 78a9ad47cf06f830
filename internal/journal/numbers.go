package journal

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/steplog/steplog/internal/vfs"
)

// reserveStep is how many sequence numbers are reserved at a time. It is part
// of no format: one sync per million records costs nothing, and a process that
// dies wastes at most so many of the 2^53 numbers JSON can carry.
const reserveStep = 1 << 20

const numbersName = "numbers.json"

// numbers hands out sequence numbers. Each reservation is durable before a
// number of it is used, so none is given twice, whatever was lost.
type numbers struct {
	fs       vfs.FS
	dir      string // .journal
	next     uint64
	reserved uint64 // numbers below it may be used
}

// numbersFile is the content of .journal/numbers.json.
type numbersFile struct {
	// Next is the first number that was never given: numbers below it may
	// have been.
	Next uint64 `json:"next"`
}

// openNumbers reads the reservation. newest is the largest seq found in the
// text; it counts when the file is missing or older than the text, as in a
// folder restored from a copy.
func openNumbers(fsys vfs.FS, dir string, newest uint64) (*numbers, error) {
	n := &numbers{fs: fsys, dir: dir}
	raw, err := readFile(fsys, filepath.Join(dir, numbersName), 1<<10)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		n.next = roundUp(newest + 1)
	case err != nil:
		return nil, fmt.Errorf("read reserved numbers: %w", err)
	default:
		var f numbersFile
		if json.Unmarshal(raw, &f) != nil {
			// Without the file nothing tells which numbers were used and
			// lost with their text: stay clear of one whole reservation.
			f.Next = roundUp(newest+1) + reserveStep
		}
		n.next = f.Next
		if n.next <= newest {
			n.next = roundUp(newest + 1)
		}
	}
	n.next = max(n.next, 1)
	return n, n.reserve()
}

// roundUp returns the first multiple of reserveStep that is not below n, and 1
// for a folder that holds nothing yet.
func roundUp(n uint64) uint64 {
	if n <= 1 {
		return 1
	}
	return (n + reserveStep - 1) / reserveStep * reserveStep
}

// take returns the next number. It writes only when a reservation is used up.
func (n *numbers) take() (uint64, error) {
	if n.next >= n.reserved {
		if err := n.reserve(); err != nil {
			return 0, err
		}
	}
	seq := n.next
	n.next++
	return seq, nil
}

func (n *numbers) reserve() error {
	upto := n.next + reserveStep
	if err := n.write(upto); err != nil {
		return fmt.Errorf("reserve numbers: %w", err)
	}
	n.reserved = upto
	return nil
}

// release gives back what was reserved and not used, at a clean close.
func (n *numbers) release() error {
	n.reserved = n.next
	return n.write(n.next)
}

func (n *numbers) write(next uint64) error {
	raw, err := json.Marshal(numbersFile{Next: next})
	if err != nil {
		return err
	}
	return writeFile(n.fs, filepath.Join(n.dir, numbersName), append(raw, '\n'))
}

// readFile reads a small file of at most limit bytes.
func readFile(fsys vfs.FS, name string, limit int64) ([]byte, error) {
	f, err := fsys.OpenFile(name, os.O_RDONLY, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, limit))
}

// writeFile replaces a small file so that it appears whole or not at all, and
// durably: temporary, sync, rename, sync of the folder.
func writeFile(fsys vfs.FS, name string, content []byte) error {
	temporary := name + ".tmp"
	f, err := fsys.OpenFile(temporary, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	if _, err = f.Write(content); err == nil {
		err = f.Sync()
	}
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = fsys.Rename(temporary, name)
	}
	if err != nil {
		return errors.Join(err, ignoreNotExist(fsys.Remove(temporary)))
	}
	return fsys.SyncDir(filepath.Dir(name))
}

func ignoreNotExist(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
