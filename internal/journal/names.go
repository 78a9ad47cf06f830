package journal

import (
	"github.com/steplog/steplog/internal/runs"
	"github.com/steplog/steplog/internal/tables"
)

// What a journal tells of rows, runs and steps is those packages'.
type (
	// Row is the fixed facts of one record.
	Row = tables.Row
	// Owner is an identity that logs.
	Owner = runs.Owner
	// Run is a run as its records tell it.
	Run = runs.Run
	// Step is a step as its records tell it.
	Step = runs.Step
	// RunState is what changes in a run or step while it goes on.
	RunState = runs.State
	// RunRow is what can be told of a run without looking at more than its row.
	RunRow = runs.Row
	// RunRef names a run.
	RunRef = runs.Ref
	// RunList is some runs in the order in which they started.
	RunList = runs.List
	// StepRow is what filters ask of a step.
	StepRow = runs.StepRow
	// Reading holds runs while somebody looks at one after the other.
	Reading = runs.Reading
	// Class is what lists count runs by.
	Class = runs.Class
	// Wanted says which classes are wanted.
	Wanted = runs.Wanted
	// Dimension is an identifier of runs that there are lists for.
	Dimension = runs.Dimension
)

// The dimensions.
const (
	ByOperation = runs.ByOperation
	ByService   = runs.ByService
	ByServer    = runs.ByServer
	ByProject   = runs.ByProject
)

// OtherTrigger is the code of a trigger that has none of its own.
const OtherTrigger = runs.OtherTrigger

// Reasons that the library gives when it ends a run or step itself.
const (
	ReasonProcessDied = runs.ReasonProcessDied
	ReasonRunEnded    = runs.ReasonRunEnded
)

// Classes returns the classes for which wanted returns true.
func Classes(wanted func(Class) bool) *Wanted { return runs.Classes(wanted) }

// AnyClass returns all of them.
func AnyClass() *Wanted { return runs.AnyClass() }
