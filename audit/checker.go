package audit

import (
	"errors"
	"fmt"
	"slices"

	"golang.org/x/mod/sumdb/tlog"
)

// checker follows the lines of a trail in order and finds the first that does
// not belong there.
type checker struct {
	file    string
	begun   bool // the first line of the file was seen
	started bool // the first line of the trail was seen
	origin  string

	first    int64      // the seq of the file's first record
	start    frontier   // what stood before that
	head     frontier   // of all records seen
	good     frontier   // of those that the last checkpoint covers
	goodEnd  int64      // where that checkpoint's line ends in the file
	last     Checkpoint // that checkpoint
	points   int64
	deleted  []deletion
	anchors  []Checkpoint // to be met, by size
	met      int          // how many of them were
	forked   error        // what the comparison found, said at the next checkpoint
	afterMet int64        // where in the file the checkpoint of the last one met ends, 0 when it is not there
	onLeaves func([]tlog.Hash)
}

// open begins a file.
func (c *checker) open(file string) {
	c.file, c.begun, c.goodEnd, c.afterMet = file, false, 0, 0
}

// resume goes on behind a checkpoint of the file that was opened.
func (c *checker) resume(first int64, start, head *frontier, point Checkpoint, end int64) {
	c.begun, c.started, c.origin, c.first = true, true, point.Origin, first
	c.start.set(start)
	c.head.set(head)
	c.good.set(head)
	c.last, c.goodEnd = point, end
}

// expect has the trail compared with checkpoints of other places.
func (c *checker) expect(anchors []Checkpoint) {
	c.anchors = slices.Clone(anchors)
	slices.SortStableFunc(c.anchors, func(a, b Checkpoint) int {
		switch {
		case a.Size < b.Size:
			return -1
		case a.Size > b.Size:
			return 1
		}
		return 0
	})
}

func (c *checker) damage(it *item, err error) error {
	return &DamageError{File: c.file, Offset: it.offset, Seq: uint64(c.good.size), Err: err}
}

// take follows what was found in some lines.
func (c *checker) take(f *found) error {
	for i := range f.items {
		if err := c.item(f, &f.items[i]); err != nil {
			return err
		}
	}
	return nil
}

// item follows one line, or some records.
func (c *checker) item(f *found, it *item) error {
	if it.err != nil {
		return c.damage(it, it.err)
	}
	if !c.begun {
		return c.begin(it)
	}
	if it.count > 0 {
		return c.records(f, it)
	}
	switch {
	case it.frontier != nil:
		return c.damage(it, fmt.Errorf("%w: the first line of a file in the middle of one", ErrSequence))
	case it.checkpoint.Size == uint64(c.good.size):
		return c.damage(it, fmt.Errorf("%w: a checkpoint is repeated", ErrSequence))
	}
	return c.point(it)
}

// records follows records. Where an anchor lies among them, each is looked at.
func (c *checker) records(f *found, it *item) error {
	if it.seq != c.head.size {
		return c.damage(it, fmt.Errorf("%w: %d stands where %d belongs", ErrSequence, it.seq, c.head.size))
	}
	leaves := f.leaves[it.leaf : it.leaf+it.count]
	if c.onLeaves != nil {
		c.onLeaves(leaves)
	}
	if end := uint64(c.head.size) + uint64(it.count); c.met < len(c.anchors) && c.anchors[c.met].Size < end {
		for _, leaf := range leaves {
			c.head.add(leaf)
			c.meet()
		}
	} else {
		for i := range f.trees[it.from:it.to] {
			c.head.join(&f.trees[it.from+i])
		}
		c.meet()
	}
	if it.deleted != nil {
		c.deleted = append(c.deleted, *it.deleted)
	}
	return nil
}

// begin follows the first line of a file.
func (c *checker) begin(it *item) error {
	switch {
	case it.frontier == nil:
		return c.damage(it, fmt.Errorf("%w: the file does not begin with a checkpoint", ErrLine))
	case it.frontier.root() != it.checkpoint.Root:
		return c.damage(it, fmt.Errorf("%w: the frontier", ErrRoot))
	case c.started && it.frontier.size != c.head.size:
		return c.damage(it, elsewhere(c.head.size, it.frontier.size))
	case c.started && c.good.size != c.head.size:
		return c.damage(it, ErrUncovered)
	case c.started && it.frontier.root() != c.head.root():
		return c.damage(it, fmt.Errorf("%w: the file goes on from other records", ErrRoot))
	}
	if !c.started {
		c.started, c.origin = true, it.checkpoint.Origin
		c.head.set(it.frontier)
	}
	c.begun, c.first = true, it.frontier.size
	c.start.set(it.frontier)
	for c.met < len(c.anchors) && c.anchors[c.met].Size < uint64(c.head.size) {
		c.met++ // it lies in what retention deleted, or in an earlier file
	}
	c.meet()
	return c.point(it)
}

// elsewhere returns what to say of a file that begins with a record that is not the next
// one: a file before it is missing, or it is an older copy of one that was rotated since.
func elsewhere(next, first int64) error {
	if first < next {
		return fmt.Errorf("%w: a file that begins with %d stands where %d belongs", ErrSequence, first, next)
	}
	return fmt.Errorf("%w: records %d to %d", ErrMissing, next, first-1)
}

// point follows a checkpoint.
func (c *checker) point(it *item) error {
	p := &it.checkpoint
	if p.Origin != c.origin {
		return c.damage(it, fmt.Errorf("%w: the origin %.80q instead of %.80q", ErrFork, p.Origin, c.origin))
	}
	if p.Size != uint64(c.head.size) || p.Root != c.head.root() {
		return c.damage(it, ErrRoot)
	}
	if c.forked != nil {
		return c.damage(it, c.forked)
	}
	c.good.set(&c.head)
	c.goodEnd = it.offset + int64(it.length)
	c.last = *p
	c.points++
	if c.met > 0 && c.anchors[c.met-1].Size == p.Size {
		c.afterMet = c.goodEnd
	}
	return nil
}

// meet compares the trail with the anchors of its present size. What it finds is
// said at the next checkpoint: when that does not fit either, the records were
// changed, and nobody signed them.
func (c *checker) meet() {
	for c.met < len(c.anchors) && c.anchors[c.met].Size == uint64(c.head.size) {
		a := &c.anchors[c.met]
		if c.forked == nil && (a.Root != c.head.root() || a.Origin != c.origin) {
			c.forked = fmt.Errorf("%w: at %d records", ErrFork, a.Size)
		}
		c.met++
	}
}

// unmet returns what to say of anchors that the trail is too short for.
func (c *checker) unmet() error {
	if c.met == len(c.anchors) {
		return nil
	}
	last := c.anchors[len(c.anchors)-1]
	return &DamageError{File: c.file, Offset: c.goodEnd, Seq: uint64(c.good.size),
		Err: fmt.Errorf("%w: %d records instead of %d", ErrRollback, c.good.size, last.Size)}
}

// damaged reports whether an error is a finding, and not one of the system.
func damaged(err error) bool { return errors.Is(err, ErrDamaged) }
