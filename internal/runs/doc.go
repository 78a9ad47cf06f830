// Package runs is the table of runs and steps: who ran what, when it began, how it
// ended, and what lines counted for it. It takes in records, and knows nothing of
// where they are written or read.
//
// A [Table] is fed with the records of runs and steps, by [Table.ApplyRun] and
// [Table.ApplyStep], and with what lines count, by [Table.Count] or, of many at once,
// [Table.AddTally]. It is told by a number which file a record stands in: when the file
// goes, [Table.Expire] gives up the runs and steps that it had the last record of and
// that do not go on.
//
// A run that goes on is live: an object, with its steps. One that is over is packed: a row
// of fixed size and some bytes, from which the object is made for who asks, and live again
// when something about it changes. Lists by operation, service, server and project hold
// the rows in the order of start, with counters for each [Class], so that a page of a
// flow's runs and their exact number cost what the page costs.
//
// Identities that log are [Owner]s. Each has a code that rows of lines name it by, for
// as long as there are such rows; one whose run is over is packed too.
//
// What runs of one flow have in common, from server to parent_operation, is kept once, for
// as long as something is of that flow: [Table.SweepScopes].
//
// Readers ask a [View]. What a table is saved to, and loaded from, are the sections
// that [Cut] writes, byte by byte in FORMAT.md of internal/tables.
package runs
