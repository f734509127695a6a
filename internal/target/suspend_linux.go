package target

import (
	"time"

	"golang.org/x/sys/unix"
)

// suspended is for how long this machine has been suspended since it booted: the clock of Go's timers stands still then.
// The two clocks are not read in the same moment, so differences below a second say nothing.
func suspended() time.Duration {
	var running, all unix.Timespec
	if unix.ClockGettime(unix.CLOCK_MONOTONIC, &running) != nil || unix.ClockGettime(unix.CLOCK_BOOTTIME, &all) != nil {
		return 0
	}
	return time.Duration(all.Nano() - running.Nano())
}
