//go:build !linux

package memnet

func brokenNow(uintptr) bool   { return true }
func readableNow(uintptr) bool { return true }
