//go:build !linux

package trace

import (
	"strconv"
	"time"
)

var processStart = time.Now()

// clock returns nanoseconds of the wall at the start of this process, and what has passed
// since without regard to the wall. Those of two processes can be compared as far as the
// wall was not set in between.
func clock() int64 { return processStart.UnixNano() + time.Since(processStart).Nanoseconds() }

// bootID is the same for all: this system does not tell, and t goes on across a boot.
func bootID() string { return wallBoot + strconv.Itoa(Format) }
