//go:build !linux

package main

// keepInherited does nothing: other systems cannot mark all descriptors at once.
func keepInherited() {}
