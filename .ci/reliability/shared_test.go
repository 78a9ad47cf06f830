//go:build linux

package reliability

import (
	"os"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// shared is what a process says while it runs and what outlives it: a page of
// a file that is mapped by it and by the test. It is apart from the log.
type shared struct{ mem []byte }

// sharedSize is one page: 16 words, then one word for each caller.
const (
	sharedSize = 4096
	maxCallers = 64

	wordPhase    = 0
	wordDropped  = 1
	wordProblems = 2
	wordCallers  = 16
)

// Phases of a process.
const (
	phaseStarting = iota
	phaseOpening  // it is in logger.Open
	phaseRunning  // it logs
)

// openShared maps a file, making it when it is absent.
func openShared(path string) (*shared, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if err := f.Truncate(sharedSize); err != nil {
		return nil, err
	}
	mem, err := unix.Mmap(int(f.Fd()), 0, sharedSize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return nil, err
	}
	return &shared{mem}, nil
}

func (s *shared) close() error { return unix.Munmap(s.mem) }

func (s *shared) word(i int) *atomic.Uint64 { return (*atomic.Uint64)(unsafe.Pointer(&s.mem[8*i])) }

// acked is how many calls of one caller have returned.
func (s *shared) acked(caller int) *atomic.Uint64 { return s.word(wordCallers + caller) }
