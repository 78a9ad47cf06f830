package segment

import "encoding/binary"

// filterSet collects the keys of one frame after the other and makes a Bloom
// filter of each: 10 bits a key, 6 of them set, which lets 1 % through. Keys of
// the message are its trigrams, so that any substring of three bytes can be
// asked for; those of a field are its values.
//
// The column is
//
//	2 | number of frames | size of each filter | filters
type filterSet struct {
	sizes, data []byte
	frames      int
	keys        map[uint64]struct{} // of this frame
}

const (
	filterBits   = 10
	filterProbes = 6
)

func (f *filterSet) add(key []byte) {
	if f.keys == nil {
		f.keys = map[uint64]struct{}{}
	}
	f.keys[hashBytes(key)] = struct{}{}
}

// addTrigrams adds every trigram of a text; one that is shorter has none, and
// matches nothing that has some.
func (f *filterSet) addTrigrams(text []byte) {
	for i := 0; i+3 <= len(text); i++ {
		f.add(text[i : i+3])
	}
}

// endFrame makes the filter of the frame.
func (f *filterSet) endFrame() {
	size := (len(f.keys)*filterBits + 7) / 8
	b := make([]byte, size)
	for h := range f.keys {
		for i := range filterProbes {
			bit := probe(h, i, size)
			b[bit>>3] |= 1 << (bit & 7)
		}
	}
	f.sizes = binary.AppendUvarint(f.sizes, uint64(size))
	f.data = append(f.data, b...)
	f.frames++
	clear(f.keys)
}

func (f *filterSet) encode() []byte {
	out := []byte{formFilters}
	out = binary.AppendUvarint(out, uint64(f.frames))
	out = append(out, f.sizes...)
	return append(out, f.data...)
}

// probe returns bit i of a key in a filter of size bytes.
func probe(h uint64, i, size int) uint64 {
	step := h>>32 | 1
	return (h + uint64(i)*step) % uint64(8*size)
}

// filterHas reports whether a key may be in a filter.
func filterHas(b []byte, key []byte) bool {
	if len(b) == 0 {
		return false
	}
	h := hashBytes(key)
	for i := range filterProbes {
		bit := probe(h, i, len(b))
		if b[bit>>3]&(1<<(bit&7)) == 0 {
			return false
		}
	}
	return true
}

func filterHasTrigrams(b []byte, text string) bool {
	for i := 0; i+3 <= len(text); i++ {
		if !filterHas(b, []byte(text[i:i+3])) {
			return false
		}
	}
	return true
}
