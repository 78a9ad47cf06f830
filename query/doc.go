// Package query answers questions about stored records: main, sub and line
// logs, any other records, their counts over time and by value, and what
// arrives next.
//
// An [Engine] checks and completes what it is asked and hands it to a
// [Backend]: the folder of text files, the memory of a test, or a remote
// engine. [Open] gives an Engine over a folder, read only, while another
// process writes it; in the writing process use logger's Store.Query.
//
// # Order, pages and totals
//
// Records are ordered by [Record.Seq], the order in which they arrived, and by
// nothing else: time is filtered on and never sorted by, because clocks step.
// Newest comes first unless [Paging.Oldest] asks for the opposite.
//
// A page says how many records match in all ([Page.Total]), where the next one
// starts ([Page.Next]) and which records it was chosen from ([Page.AsOf]).
// Passing Next as [Paging.Cursor], or AsOf as [Paging.AsOf] with an offset,
// gives pages that neither repeat nor skip a record while others arrive. AsOf
// fixes which records count, not their state: a run that was in progress on
// one page may have ended on the next, and what retention deleted is gone.
//
// # Keywords
//
// [Filter.Search] is split at blanks outside double quotes. Each part must
// occur in the message, anywhere, after terminal escape sequences were removed
// and without regard to case (Unicode simple folding).
//
// # Field paths
//
// A path such as "order.sku" is looked up under the record's details: first as
// one key with that very name, and when there is none split at its dots, one
// key a level. Where an array is met, each of its elements is looked at. A
// scalar compares by the text it has in the line, a string without its quotes
// and with its escapes undone: a number written 1.0 is not equal to 1.
// Objects equal nothing.
//
// # Conditions
//
// [Filter.Where] holds a condition on fields under the details and on fixed keys.
// [Parse] makes one from a text as people type it into a search box:
//
//	level:error service:orders sku:A-1 "connection reset" -retry duration_ms:>500
//
// Conditions that must all hold and are on one of level, kind, server to
// parent_operation, run to parent_step, step, action and action_name each cost no line,
// whatever combines them, but for regular expressions; on the topic and on indexed
// fields they cost what their index takes. Facets of these read few lines or none.
//
// # Totals
//
// A total is exact. Where no index counts what is asked for, lines are read to
// count them, up to 1 GiB; behind that [Total.Exact] is false and [Total.Reason]
// says so. [Page.Stats] tells what a page cost.
//
// # Memory
//
// What a query holds is bounded, however much it asks about: the lines of a page
// by [MaxPageBytes], the rows of a condition by a few times those of one file for
// each processor, buckets by [MaxBuckets], values by [MaxFacetValues]. Decoded
// blocks are kept for all queries together, 64 MiB of them, and main logs of runs
// that are over, some 4 MB.
//
// # Damage
//
// Of a closed file of which a disk lost a part, or that this process may not read, the
// records that can be read are found. The others are missing without an error until the
// folder is opened again, and totals may count them until one of them is wanted. From
// then on the pages that this file has a part in say so ([Stats.Damaged]), and the
// process that writes the folder hears of it (OnProblem of logger's Options). [Verify]
// tells of a folder, or of a copy, whether its closed files are whole.
//
// # Bytes
//
// Slices in what is returned ([Record.Raw], [Iteration.Value]) belong to the
// caller.
package query
