//go:build !unix

package exec

import (
	"os"
	"syscall"
)

const (
	terminate = syscall.SIGTERM
	kill      = syscall.SIGKILL

	noLink = 0
	noWait = 0
)

// There are no process groups here: only the hook's own process can be ended.

func ownGroup() *syscall.SysProcAttr { return nil }

func signalGroup(pid int, _ syscall.Signal) {
	if p, err := os.FindProcess(pid); err == nil {
		_ = p.Kill()
		_ = p.Release()
	}
}

func groupLives(int) bool { return false }
