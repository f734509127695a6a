package memnet

import "golang.org/x/sys/unix"

func brokenNow(fd uintptr) bool   { return pollNow(fd, 0)&(unix.POLLHUP|unix.POLLERR) != 0 }
func readableNow(fd uintptr) bool { return pollNow(fd, unix.POLLIN)&unix.POLLIN != 0 }

func pollNow(fd uintptr, events int16) int16 {
	p := []unix.PollFd{{Fd: int32(fd), Events: events}}
	if _, err := unix.Poll(p, 0); err != nil {
		return 0
	}
	return p[0].Revents
}
