//go:build !unix

package state

import "io/fs"

// There are no such flags here: the checks before and after opening must do.
const (
	openNoFollow = 0
	openNoWait   = 0
)

func isReadOnly(error) bool { return false }
func isNotDir(error) bool   { return false }
func isFull(error) bool     { return false }

// checkShared accepts every directory: the mode says nothing here.
func checkShared(fs.FileInfo) error { return nil }

// checkOwner accepts every file, likewise.
func checkOwner(fs.FileInfo, string) error { return nil }

// syncDir does nothing: a directory cannot be synced here.
func syncDir(string) error { return nil }
