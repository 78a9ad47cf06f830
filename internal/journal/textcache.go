package journal

import "errors"

// textBlock is how much of a plain text is read and kept at a time: lines of one
// run lie some way apart, and a call of the system costs as much as reading a
// few pages.
const textBlock = 16 << 10

// errTextEnd says that a block is not yet filled by lines that stay.
var errTextEnd = errors.New("journal: the text ends before the block does")

// readText fills p from the plain text of a file, out of blocks that are kept.
func (s *Segment) readText(p []byte, off int64) error {
	for len(p) > 0 {
		block, from, err := s.textBlock(off)
		if err != nil {
			return err
		}
		k := copy(p, block[off-from:])
		p, off = p[k:], off+int64(k)
	}
	return nil
}

// textBlock returns the block of a plain text that holds an offset, and where it
// begins.
func (s *Segment) textBlock(off int64) ([]byte, int64, error) {
	rd, err := s.from.readerOf(s.Segment)
	if err != nil {
		return nil, 0, err
	}
	defer s.from.readers.release(rd)
	if !rd.plain || rd.index != nil {
		return nil, 0, errTextEnd
	}
	n := off / textBlock
	// The reader stands for the file: one that is opened again has another.
	block, err := rd.held.Block(int(n), func() ([]byte, error) {
		if (n+1)*textBlock > s.TextEnd() {
			return nil, errTextEnd
		}
		b := make([]byte, textBlock)
		if k, err := rd.text.ReadAt(b, n*textBlock); k < textBlock {
			return nil, errors.Join(errTextEnd, err)
		}
		return b, nil
	})
	return block, n * textBlock, err
}
