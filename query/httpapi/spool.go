package httpapi

import (
	"bytes"
	"errors"
	"io"
	"os"
)

// spoolMemory is how much of an answer is held in memory; more goes to a
// temporary file.
const spoolMemory = 1 << 20

// spool holds an answer until it is whole.
type spool struct {
	memory bytes.Buffer
	file   *os.File // nil while memory is enough
	size   int64
}

// Write adds to what is held.
func (s *spool) Write(p []byte) (int, error) {
	if s.file == nil && s.memory.Len()+len(p) > spoolMemory {
		file, err := os.CreateTemp("", "steplog-*")
		if err != nil {
			return 0, err
		}
		s.file = file
	}
	var n int
	var err error
	if s.file != nil {
		n, err = s.file.Write(p)
	} else {
		n, err = s.memory.Write(p)
	}
	s.size += int64(n)
	return n, err
}

// Size is how many bytes are held.
func (s *spool) Size() int64 { return s.size }

// Reader returns what is held; nothing must be written after it.
func (s *spool) Reader() (io.Reader, error) {
	if s.file == nil {
		return &s.memory, nil
	}
	if _, err := s.file.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	return io.MultiReader(&s.memory, s.file), nil
}

// Close removes the temporary file.
func (s *spool) Close() error {
	if s.file == nil {
		return nil
	}
	return errors.Join(s.file.Close(), os.Remove(s.file.Name()))
}
