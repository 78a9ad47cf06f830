package vfs

import (
	"slices"
	"time"
)

// entryChange is one entry of a folder set to a node, or removed (nil).
type entryChange struct {
	dir  *node
	name string
	to   *node
}

// entryOp is one operation on folders: its changes come to the disk together
// or not at all.
type entryOp []entryChange

// maxPending bounds what is not durable of a folder system or of one file's
// size, and with it what removed files keep of the memory of somebody who never
// syncs.
const maxPending = 4096

// change carries out an operation and notes it as not durable.
func (m *Mem) change(changes ...entryChange) {
	var removed []*node
	for _, c := range changes {
		if old := c.dir.entries[c.name]; old != nil {
			old.links--
			removed = append(removed, old)
		}
		if c.to == nil {
			delete(c.dir.entries, c.name)
		} else {
			c.dir.entries[c.name] = c.to
			c.to.links++
		}
		c.dir.modTime = time.Now()
	}
	for _, n := range removed {
		m.reclaim(n)
	}
	m.ops = append(m.ops, changes)
	if len(m.ops) >= maxPending {
		oldest := make([]bool, len(m.ops))
		for i := range len(oldest) / 2 {
			oldest[i] = true
		}
		m.commit(oldest)
	}
}

// commitFolder makes the operations on dir durable, and with each of them those
// that came before it in the other folders it touches.
func (m *Mem) commitFolder(dir *node) {
	folders := map[*node]bool{dir: true}
	durable := make([]bool, len(m.ops))
	for i, op := range slices.Backward(m.ops) {
		if durable[i] = slices.ContainsFunc(op, func(c entryChange) bool { return folders[c.dir] }); durable[i] {
			for _, c := range op {
				folders[c.dir] = true
			}
		}
	}
	m.commit(durable)
}

// commit makes the marked operations durable and keeps the others pending. The
// marked ones must hold every earlier operation of their folders.
func (m *Mem) commit(durable []bool) {
	rest := m.ops[:0]
	for i, op := range m.ops {
		if !durable[i] {
			rest = append(rest, op)
			continue
		}
		for _, c := range op {
			if c.to == nil {
				delete(c.dir.durable, c.name)
			} else {
				c.dir.durable[c.name] = c.to
			}
		}
	}
	clear(m.ops[len(rest):])
	m.ops = rest
}
