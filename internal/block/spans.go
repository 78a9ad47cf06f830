package block

// Spans are where the blocks of a file lie in its text. They are immutable.
type Spans struct {
	text []int64 // where each block begins, and the end
}

// Blocks returns how many blocks there are, 0 for a file that is not cut.
func (s *Spans) Blocks() int { return len(s.text) - 1 }

// end returns how many bytes of text there are.
func (s *Spans) end() int64 { return s.text[len(s.text)-1] }

// Find returns the block that holds the text at an offset, [Spans.Blocks] when
// none does.
func (s *Spans) Find(off int64) int {
	// Blocks are about as long as each other: it is one of a few.
	n := s.Blocks()
	lo, hi := 0, n
	if n > 0 && off > 0 && off < s.text[n] {
		guess := int(float64(off) / float64(s.text[n]) * float64(n))
		lo, hi = max(min(guess, n)-fewBlocks, 0), min(guess+fewBlocks, n)
		if off < s.text[lo] || off >= s.text[hi] {
			lo, hi = 0, n
		}
	}
	for lo < hi {
		if i := int(uint(lo+hi) >> 1); s.text[i+1] > off {
			hi = i
		} else {
			lo = i + 1
		}
	}
	return lo
}

// fewBlocks is how far from where it should be a block is looked for first.
const fewBlocks = 2

// Span returns where the text of a block begins and ends.
func (s *Spans) Span(block int) (from, to int64) { return s.text[block], s.text[block+1] }
