package journal

import (
	"bytes"
	"fmt"
)

// overtaken are records, by file, that stand in the ring of a process that died and in no
// text, and that no text can take: somebody has added younger ones, and texts are in
// order of seq.
type overtaken map[*File]*overtakenLines

type overtakenLines struct {
	text    bytes.Buffer
	records int
	first   uint64
}

// add takes in a frame whose record is not younger than the last of its file.
func (o overtaken) add(f *File, fr *leftFrame) error {
	raw, _, err := fr.read(f.j.ring)
	if err != nil {
		return fmt.Errorf("replay the ring: %w", err)
	}
	lines := o[f]
	if lines == nil {
		lines = &overtakenLines{first: fr.seq}
		o[f] = lines
	}
	lines.text.Write(raw)
	lines.records++
	return nil
}

// keepOvertaken puts them aside, so that nothing that was accepted is lost, and tells.
func (j *Journal) keepOvertaken(o overtaken) {
	for _, f := range *j.fileTable.Load() {
		lines := o[f]
		if lines == nil {
			continue
		}
		size := int64(lines.text.Len())
		told := fmt.Errorf("replay the ring: %d records from %d on would come after %d in %s.log",
			lines.records, lines.first, f.seg.Last(), f.name)
		if err := j.keepAside(f.name, &lines.text); err != nil {
			j.recovery.LostBytes += size
			j.problem(fmt.Errorf("%w, and are lost: %w", told, err))
			continue
		}
		j.recovery.PutAside += size
		j.problem(fmt.Errorf("%w: they are put aside in %s%s", told, f.name, brokenExt))
	}
}
