package exec

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// identify reads /proc/PID/stat (proc_pid_stat(5)); start is in clock ticks since
// boot. A process that is not there is [fs.ErrNotExist]; a system without /proc is
// [errors.ErrUnsupported].
func identify(pid int) (identity, error) {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ESRCH) {
		if _, err := os.Stat("/proc/self/stat"); err != nil {
			return identity{}, fmt.Errorf("reading /proc: %w", errors.ErrUnsupported)
		}
		return identity{}, fmt.Errorf("process %d: %w", pid, fs.ErrNotExist)
	}
	if err != nil {
		return identity{}, err
	}
	return parseStat(b)
}

// parseStat takes fields 3 (state), 5 (group) and 22 (start). Field 2 is the name
// of the program in parentheses, in which anything may stand.
func parseStat(b []byte) (identity, error) {
	_, after, found := bytes.Cut(b[max(0, bytes.LastIndexByte(b, ')')):], []byte{')'})
	fields := strings.Fields(string(after)) // from field 3 on
	if !found || len(fields) < 20 {
		return identity{}, errors.New("reading /proc: process status not understood")
	}
	group, err := strconv.Atoi(fields[2])
	if err != nil {
		return identity{}, fmt.Errorf("reading /proc: %w", err)
	}
	start, err := strconv.ParseUint(fields[19], 10, 64)
	if err != nil {
		return identity{}, fmt.Errorf("reading /proc: %w", err)
	}
	dead := fields[0] == "Z" || fields[0] == "X" || fields[0] == "x"
	return identity{start: max(1, start), group: group, zombie: dead}, nil
}

// bootID is different after each boot; empty if the system does not tell.
func bootID() string {
	b, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}
