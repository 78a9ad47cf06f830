//go:build !race

package journal_test

// underRace says that the race detector is on.
const underRace = false
