package segment

import (
	"encoding/binary"
	"math/bits"
	"slices"
)

// Columns are cut in frames of 1024 rows. A frame has a header:
//
//	smallest and largest time (8 each), first seq (8), place of its columns (4),
//	smallest owner (4), low of the times, of the seqs (8 each),
//	widths of the times' anchors and distances, of the seqs' (1 each),
//	width of owner, 1 if no time is smaller than the one before, how times are
//	told, 0 (1 each),
//	rows of each class that occurs in the file (2 each)
//
// and four columns, each begun at a whole byte: time (a series with the smallest
// as its base), seq (a series with the first), the class of level and kind (an
// index in the file's table of classes), owner less the smallest. The last two
// are packed.
const frameHead = 56

// frameBytes is how much of section 2 a frame takes, in a file with so many
// classes.
func frameBytes(classes int) int { return frameHead + 2*classes }

// columns collects the rows of a file.
type columns struct {
	times  []int64
	seqs   []uint64
	class  []uint8 // level*8 + kind
	owners []uint32
}

func newColumns(rows int) columns {
	return columns{times: make([]int64, 0, rows), seqs: make([]uint64, 0, rows), class: make([]uint8, 0, rows), owners: make([]uint32, 0, rows)}
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
	list := make([]uint64, 0, FrameRows)
	for from := 0; from < len(c.times); from += FrameRows {
		to := min(from+FrameRows, len(c.times))
		minTime, maxTime := slices.Min(c.times[from:to]), slices.Max(c.times[from:to])
		minOwner, maxOwner := slices.Min(c.owners[from:to]), slices.Max(c.owners[from:to])
		first := c.seqs[from]
		ownerWidth := widthOf(uint64(maxOwner - minOwner))
		at := len(values)
		list = list[:0]
		told := c.toldAs(from, to, minTime)
		for _, t := range c.times[from:to] {
			list = append(list, told.value(t))
		}
		var times, seqs series
		values, times = encodeSeries(values, list, told.value(minTime))
		values, seqs = encodeSeries(values, c.seqs[from:to], first)

		u32, u64 := binary.LittleEndian.AppendUint32, binary.LittleEndian.AppendUint64
		frames = u64(u64(u64(frames, uint64(minTime)), uint64(maxTime)), first)
		frames = u32(u32(frames, uint32(at)), minOwner)
		frames = u64(u64(frames, uint64(times.low)), uint64(seqs.low))
		ascending := byte(0)
		if slices.IsSorted(c.times[from:to]) {
			ascending = 1
		}
		frames = append(frames, byte(times.anchorWidth), byte(times.width), byte(seqs.anchorWidth), byte(seqs.width), byte(ownerWidth), ascending, byte(told), 0)
		counts := make([]uint16, len(classes))
		for _, k := range c.class[from:to] {
			counts[code[k]]++
		}
		for _, n := range counts {
			frames = binary.LittleEndian.AppendUint16(frames, n)
		}

		p := packer{dst: values, width: classWidth}
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
