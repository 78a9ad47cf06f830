// Command sqlite asks SQLite the questions of a job that it reads, and prints what
// they took, both as JSON. It is a module of its own: where it cannot be fetched,
// the other figures are made without it.
package main

import (
	_ "modernc.org/sqlite"

	"github.com/steplog/steplog/ci/bench/rival"
)

func main() { rival.Main("sqlite") }
