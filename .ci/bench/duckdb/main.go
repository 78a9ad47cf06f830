// Command duckdb asks DuckDB the questions of a job that it reads, and prints
// what they took, both as JSON. It is a module of its own because its libraries
// are large and need a C compiler: where it cannot be built, the other figures are
// made without it.
package main

import (
	_ "github.com/duckdb/duckdb-go/v2"

	"github.com/steplog/steplog/ci/bench/rival"
)

func main() { rival.Main("duckdb") }
