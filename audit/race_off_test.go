//go:build !race

package audit_test

const stride = 1
