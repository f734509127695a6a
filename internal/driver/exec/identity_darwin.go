package exec

import (
	"errors"
	"fmt"
	"io/fs"
	"syscall"

	"golang.org/x/sys/unix"
)

const zombie = 5 // SZOMB of sys/proc.h

// identify asks for the process by sysctl; start is in microseconds since 1970,
// which tells boots apart too. A process that is not there is [fs.ErrNotExist].
func identify(pid int) (identity, error) {
	info, err := unix.SysctlKinfoProc("kern.proc.pid", pid)
	if errors.Is(err, syscall.ESRCH) || errors.Is(err, syscall.EIO) || err == nil && int(info.Proc.P_pid) != pid {
		return identity{}, fmt.Errorf("process %d: %w", pid, fs.ErrNotExist)
	}
	if err != nil {
		return identity{}, fmt.Errorf("asking for process %d: %w", pid, err)
	}
	start := info.Proc.P_starttime
	return identity{
		start:  max(1, uint64(start.Sec)*1e6+uint64(start.Usec)),
		group:  int(info.Eproc.Pgid),
		zombie: info.Proc.P_stat == zombie,
	}, nil
}

func bootID() string { return "" }
