// Package tables is what is derived from the text of a folder and kept in memory: for
// each file its rows, which are the fixed facts of its records, and, in internal/runs,
// the runs and steps and who logged. It knows nothing of how records get to the text;
// it is told of each, and keeps the tables in one file so that the next process need
// not read all text again. FORMAT.md has its bytes.
//
// A [Segment] is one file of a log. While it is written, and until it is sealed, it has
// [Rows], to which [Tables.Publish] adds; a sealed one has its sidecar, which
// [Tables.Swap] puts in their place and [Tables.Adopt] takes in where there were none.
// When a file goes, [Tables.Remove] gives up its rows, the identities that no other row
// has, and the runs and steps that are over and that it had the last record of.
//
// Readers take [Tables.View]: it costs a few instructions for each file, and what it
// hands out never changes.
//
// [Tables.Cut] takes the tables as they are after one record, and [Cut.Write] writes
// them down while others log on. [Read] reads them back; they count only if
// [Saved.Matches] finds that the files hold what was saved of them.
package tables
