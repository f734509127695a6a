//go:build unix

package exec

import "syscall"

const (
	terminate = syscall.SIGTERM
	kill      = syscall.SIGKILL

	noLink = syscall.O_NOFOLLOW
	noWait = syscall.O_NONBLOCK // does not wait for the writer of a named pipe
)

// ownGroup puts a hook at the head of a process group: a signal can reach all of
// it, and a Ctrl-C at rouse's terminal does not. There is no parent-death signal:
// it is sent when the thread ends that forked.
func ownGroup() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

// signalGroup is best effort: the group may be gone, or belong to another user.
// As long as a member lives the system gives its number to nobody else.
func signalGroup(pid int, signal syscall.Signal) { _ = syscall.Kill(-pid, signal) }

// groupLives says whether the group has members, be it ones that we may not
// signal. A zombie counts until init reaps it; a slow init costs the grace.
func groupLives(pid int) bool { return syscall.Kill(-pid, 0) != syscall.ESRCH }
