//go:build unix

package vfs

// LinkNew is the way to rename where the system has no call for it.
var LinkNew = linkNew
