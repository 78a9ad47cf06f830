package journal

import "fmt"

// leftover is what stays in the ring of an earlier process because the full disk did
// not take it when the folder was opened. It is there as if it had been logged since.
type leftover struct {
	at    uint64 // position of the first of it
	seq   uint64 // of that
	files map[*File]bool
}

// keepLeft leaves frames in the ring, from one on that the text did not take because
// of cause, and publishes those that are not in the text. written and over are as in
// replay.
func (j *Journal) keepLeft(frames []leftFrame, from int, written map[uint16]int, over overtaken, cause error) error {
	left := &leftover{at: frames[from].at, seq: frames[from].seq, files: map[*File]bool{}}
	for i := from; i < len(frames); i++ {
		fr := &frames[i]
		f, err := j.fileOfCode(fr.file)
		if err != nil {
			return err
		}
		end := fr.at + frameSize(int(fr.length))
		switch {
		case i < written[fr.file]:
			f.writtenTo = end
			continue
		case fr.seq <= f.seg.Last():
			f.writtenTo = end
			if err := over.add(f, fr); err != nil {
				return err
			}
			continue
		}
		raw, rec, err := fr.read(j.ring)
		if err != nil {
			return fmt.Errorf("replay the ring: %w", err)
		}
		if !left.files[f] {
			left.files[f] = true
			f.size = f.text.Size()
			f.seg.InText.Store(fr.seq - 1)
		}
		f.publishLeft(rec, f.size, len(raw))
		f.size += int64(len(raw))
		if fr.seq%markEvery == 0 {
			j.marks = append(j.marks, mark{fr.seq, fr.at})
		}
		j.recovery.Replayed++
	}
	j.keepOvertaken(over)
	if j.rebooted {
		// What it said of texts was said before something of them was lost.
		clear(j.ring.mem[offSynced:ringHeader])
	}
	last := &frames[len(frames)-1]
	j.ring.head().Store(last.at + frameSize(int(last.length))) // nothing that is damaged is behind it
	j.ring.tail().Store(left.at)
	j.left = left
	j.failing.Store(true)
	j.problem(fmt.Errorf("replay the ring: %w", cause))
	return nil
}
