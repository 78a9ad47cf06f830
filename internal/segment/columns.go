package segment

import (
	"encoding/binary"
	"math/bits"
	"slices"
)

// Columns are cut in frames of 1024 rows. A frame has a header of 136 bytes:
//
//	smallest and largest time (8 each), first seq (8), place of its columns (4),
//	widths of time, seq, owner (1 each), 0 (1), smallest owner (4), 0 (4),
//	rows by level and kind (6 × 8 × 2)
//
// and four columns of packed values, each begun at a whole byte: time less the
// smallest, seq less what it would be without gaps, the class of level and kind
// (an index in the file's table of classes), owner less the smallest.
const frameBytes = 40 + 2*levelCount*kindCount

// columns collects the rows of a file.
type columns struct {
	times  []int64
	seqs   []uint64
	class  []uint8 // level*8 + kind
	owners []uint32
}

func (c *columns) add(seq uint64, at int64, level int, kind uint8, owner uint32) {
	c.times = append(c.times, at)
	c.seqs = append(c.seqs, seq)
	c.class = append(c.class, uint8(level*kindCount)+min(kind, kindCount-1))
	c.owners = append(c.owners, owner)
}

func (c *columns) counts() (n Counts) {
	for _, k := range c.class {
		n[k/kindCount][k%kindCount]++
	}
	return n
}

// classes returns the classes that occur, ascending.
func (c *columns) classes() []byte {
	var used [levelCount * kindCount]bool
	for _, k := range c.class {
		used[k] = true
	}
	list := []byte{}
	for k, is := range used {
		if is {
			list = append(list, byte(k))
		}
	}
	return list
}

func (c *columns) encode(classes []byte) (frames, values []byte) {
	var code [levelCount * kindCount]uint64
	for i, k := range classes {
		code[k] = uint64(i)
	}
	classWidth := bits.Len(uint(max(len(classes)-1, 0)))
	for from := 0; from < len(c.times); from += FrameRows {
		to := min(from+FrameRows, len(c.times))
		minTime, maxTime := slices.Min(c.times[from:to]), slices.Max(c.times[from:to])
		minOwner, maxOwner := slices.Min(c.owners[from:to]), slices.Max(c.owners[from:to])
		first := c.seqs[from]
		gaps := c.seqs[to-1] - first - uint64(to-1-from)
		timeWidth, seqWidth, ownerWidth := widthOf(uint64(maxTime)-uint64(minTime)), widthOf(gaps), widthOf(uint64(maxOwner-minOwner))

		frames = binary.LittleEndian.AppendUint64(frames, uint64(minTime))
		frames = binary.LittleEndian.AppendUint64(frames, uint64(maxTime))
		frames = binary.LittleEndian.AppendUint64(frames, first)
		frames = binary.LittleEndian.AppendUint32(frames, uint32(len(values)))
		frames = append(frames, byte(timeWidth), byte(seqWidth), byte(ownerWidth), 0)
		frames = binary.LittleEndian.AppendUint32(frames, minOwner)
		frames = binary.LittleEndian.AppendUint32(frames, 0)
		var counts [levelCount * kindCount]uint16
		for _, k := range c.class[from:to] {
			counts[k]++
		}
		for _, n := range counts {
			frames = binary.LittleEndian.AppendUint16(frames, n)
		}

		p := packer{dst: values, width: timeWidth}
		for _, t := range c.times[from:to] {
			p.put(uint64(t) - uint64(minTime))
		}
		p = packer{dst: p.finish(), width: seqWidth}
		for i, s := range c.seqs[from:to] {
			p.put(s - first - uint64(i))
		}
		p = packer{dst: p.finish(), width: classWidth}
		for _, k := range c.class[from:to] {
			p.put(code[k])
		}
		p = packer{dst: p.finish(), width: ownerWidth}
		for _, o := range c.owners[from:to] {
			p.put(uint64(o - minOwner))
		}
		values = p.finish()
	}
	return frames, append(values, make([]byte, packPad)...)
}

// encodeOrder writes the rows in the order of scopes.
func encodeOrder(order []uint32) []byte {
	p := packer{width: widthOf(uint64(max(len(order)-1, 0)))}
	for _, row := range order {
		p.put(uint64(row))
	}
	return append(p.finish(), make([]byte, packPad)...)
}

// Places are the lengths of the lines in the order of the text, with all that
// follows a line up to the next record, in groups of 64. A group has a header:
//
//	offset in the text (8), place of its lengths (4), shortest (4), width (1), 0 (7)
const groupBytes = 24

// encodePlaces writes the groups, then the lengths of all of them.
func encodePlaces(sizes []uint32) []byte {
	var groups, values []byte
	offset := uint64(0)
	for from := 0; from < len(sizes); from += groupLines {
		to := min(from+groupLines, len(sizes))
		shortest, longest := slices.Min(sizes[from:to]), slices.Max(sizes[from:to])
		width := widthOf(uint64(longest - shortest))
		groups = binary.LittleEndian.AppendUint64(groups, offset)
		groups = binary.LittleEndian.AppendUint32(groups, uint32(len(values)))
		groups = binary.LittleEndian.AppendUint32(groups, shortest)
		groups = append(groups, byte(width), 0, 0, 0, 0, 0, 0, 0)
		p := packer{dst: values, width: width}
		for _, s := range sizes[from:to] {
			p.put(uint64(s - shortest))
			offset += uint64(s)
		}
		values = p.finish()
	}
	return append(append(groups, values...), make([]byte, packPad)...)
}
