// Package line turns a record into its line of text and back.
//
// An [Encoder] writes a record as one line of JSON from typed fields, without
// encoding/json and, for primitive, time and error fields, without allocating.
// [Parse] takes a line apart again. FORMAT.md, beside this file, is the grammar.
//
// The encoder writes one valid line for every input: a method of a value that
// panics costs that value only, what is too large or too deep is cut and says
// so, and what text cannot hold is escaped. Three things cannot be survived,
// because the runtime ends the process for them: a map that another goroutine
// changes during the call, a String, Error or MarshalJSON method that calls
// itself without end outside this package, and running out of memory.
//
// Bytes: slices given to the encoder are read during the call only. Slices in a
// [Record] are parts of the line that was parsed and live as long as it does.
package line
