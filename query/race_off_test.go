//go:build !race

package query_test

// underRace says that the race detector is on.
const underRace = false
