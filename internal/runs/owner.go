package runs

import (
	"bytes"
	"sync/atomic"

	"github.com/steplog/steplog/internal/line"
)

// Owner is an identity that logs: rows name it by its code. Loggers keep the
// pointer, which is safe for concurrent use but for [Owner.Code].
type Owner struct {
	identity line.Identity // immutable
	encoded  atomic.Pointer[[]byte]

	// guarded by Table.mu
	code     uint32 // in the rows
	released bool   // the code is not its own any more: see Table.Current
	run      *Run
	step     *Step
	place    int         // in run.owners
	lines    line.Levels // before run was linked
	bytes    int64
}

// Code is what rows have for the owner. The caller holds the table's mutex, and has
// got the owner from [Table.Current].
func (o *Owner) Code() uint32 { return o.code }

// Identity returns the identifiers; they must not be changed.
func (o *Owner) Identity() *line.Identity { return &o.identity }

// Encoded returns the identity as it stands in a line, see
// [line.AppendIdentity]. It must not be changed.
func (o *Owner) Encoded() []byte {
	if b := o.encoded.Load(); b != nil {
		return *b
	}
	var buf [512]byte
	b := bytes.Clone(line.AppendIdentity(buf[:0], &o.identity))
	o.encoded.Store(&b)
	return b
}
