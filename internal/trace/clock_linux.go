package trace

import (
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// clock returns nanoseconds since the machine was booted, those that it slept included:
// whoever compares traces of two processes needs them, and [Writer] tells of a sleep.
func clock() int64 {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &now); err != nil {
		return time.Since(processStart).Nanoseconds() // a kernel older than any that Go runs on
	}
	return now.Nano()
}

var processStart = time.Now()

// bootID names this boot of the machine; empty: the system does not tell.
func bootID() string {
	b, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}
