//go:build race

package audit_test

// stride is how many places are passed over where every one is tried otherwise:
// the race detector makes each take ten times as long.
const stride = 11
