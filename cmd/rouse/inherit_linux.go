package main

import (
	"math"

	"golang.org/x/sys/unix"
)

// keepInherited keeps descriptors that rouse has inherited from its caller by accident
// from reaching hooks, and the servers that hooks leave behind. Kernels
// before 5.11 cannot; there it is up to the caller.
func keepInherited() { _ = unix.CloseRange(3, math.MaxInt32, unix.CLOSE_RANGE_CLOEXEC) }
