//go:build race

package query_test

// underRace says that the race detector is on, which makes everything ten times
// as slow.
const underRace = true
