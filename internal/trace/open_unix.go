//go:build unix

package trace

import "syscall"

// How a trace is opened beside the usual: no link is followed, and no pipe is waited on.
const openFlags = syscall.O_NOFOLLOW | syscall.O_NONBLOCK
