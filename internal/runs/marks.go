package runs

import "encoding/binary"

// StepsAtMark is of how many steps of a run that is over each mark tells where they begin.
const StepsAtMark = 64

// marks tell where the steps of a run begin in its bytes, which many do not stand at the
// front of: who wants the last ones need not take those before. They stand behind all else:
//
//	where the ids end u32 | for each StepsAtMark-th step, the first one too:
//	where its id begins u32 | where it begins u32
type marks []byte

// newMarks returns room for the marks of so many steps; nil for few, which have none.
func newMarks(steps int) marks {
	if steps <= StepsAtMark {
		return nil
	}
	return make(marks, sizeOfMarks(steps))
}

// sizeOfMarks is how many bytes the marks of so many steps take.
func sizeOfMarks(steps int) int {
	if steps <= StepsAtMark {
		return 0
	}
	return 4 + 8*((steps+StepsAtMark-1)/StepsAtMark)
}

// setEnd says where the ids end.
func (m marks) setEnd(at int) {
	if m != nil {
		binary.LittleEndian.PutUint32(m, uint32(at))
	}
}

// setID says where the id of a step begins.
func (m marks) setID(step, at int) {
	if m != nil && step%StepsAtMark == 0 {
		binary.LittleEndian.PutUint32(m[4+step/StepsAtMark*8:], uint32(at))
	}
}

// setStep says where a step begins.
func (m marks) setStep(step, at int) {
	if m != nil && step%StepsAtMark == 0 {
		binary.LittleEndian.PutUint32(m[8+step/StepsAtMark*8:], uint32(at))
	}
}

// end returns a reader of what stands behind the ids in the bytes of a run.
func (m marks) end(of []byte) wireReader { return readAt(of, m) }

// step returns readers of the id of a step and of the step, one of those with a mark.
func (m marks) step(of []byte, step int) (id, rest wireReader) {
	at := m[4+step/StepsAtMark*8:]
	return readAt(of, at), readAt(of, at[4:])
}

// readAt returns a reader of what stands where a number says, which may be anything.
func readAt(of, number []byte) wireReader {
	w := readWire(of)
	w.Bytes(int(binary.LittleEndian.Uint32(number)))
	return w
}
