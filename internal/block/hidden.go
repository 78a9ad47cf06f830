package block

// NothingHidden returns a *CorruptError where the file has text that is in no block.
// A Reader passes over what says of itself that it has no text: an empty block, and
// the index. Other programs, zcat among them, print what is in there. Damage of the
// blocks themselves shows when they are read.
func (r *Reader) NothingHidden() error {
	if r.stream != nil {
		return nil // it was decoded as others do
	}
	var dec decoder
	empty := func(from, to int64) error {
		if dec == nil {
			dec = r.newDecoder()
		}
		data := make([]byte, to-from)
		if err := readFull(r.r, data, from); err != nil {
			return err
		}
		if err := dec.decode(nil, data); err != nil {
			return &CorruptError{from, err}
		}
		return nil
	}
	for block := range r.Blocks() {
		if from, to := r.Span(block); from < to {
			continue
		}
		if err := empty(r.data[block], r.data[block+1]); err != nil {
			return err
		}
	}
	if r.format == Zstd {
		return nil // the table is in a frame that everybody skips
	}
	for at := r.data[len(r.data)-1]; at < r.size; {
		var h [gzipHeader]byte
		if r.size-at < gzipHeader {
			return &CorruptError{at, errCut}
		}
		if err := readFull(r.r, h[:], at); err != nil {
			return err
		}
		n, _, ok := memberSize(h[:])
		if !ok || int64(n) > r.size-at {
			return &CorruptError{at, errHeader}
		}
		if err := empty(at, at+int64(n)); err != nil {
			return err
		}
		at += int64(n)
	}
	return nil
}
