package perf

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// events are where the kernel may list its trace points.
var events = []string{"/sys/kernel/tracing/events/syscalls", "/sys/kernel/debug/tracing/events/syscalls"}

// counted are the system calls that are counted by name. To watch all that there are would
// take perf seconds at the beginning and at the end; the others are in the sum only.
var counted = strings.Fields(`accept4 clock_nanosleep close connect epoll_ctl epoll_pwait epoll_wait fcntl futex getpeername
	getsockname getsockopt ioctl madvise nanosleep pipe2 poll ppoll read readv recvfrom recvmsg sendmsg sendto setsockopt shutdown socket
	splice write writev`)

// Missing says why there can be no profile here, or nil.
func Missing() error {
	if _, err := exec.LookPath("perf"); err != nil {
		return errors.New("perf is not here; on Debian it is in the package linux-perf")
	}
	return nil
}

// Record is the command line before a command during which the processes are sampled, hz
// times in each second of their CPU time. What is found goes into file.
func Record(file string, pids []int, hz int) []string {
	return []string{"perf", "record", "-q", "-N", "-g", "-F", strconv.Itoa(hz), "-o", file, "-p", join(pids), "--"}
}

// Stat is the command line before a command during which the system calls of the
// processes are counted. The counts go into file.
func Stat(file string, pids []int) []string {
	list := []string{every}
	for _, name := range counted {
		if isHere(name) {
			list = append(list, entering+name)
		}
	}
	return []string{"perf", "stat", "-x,", "-e", strings.Join(list, ","), "-o", file, "-p", join(pids), "--"}
}

// isHere reports whether this machine has the system call; not every one has each.
func isHere(name string) bool {
	return slices.ContainsFunc(events, func(dir string) bool {
		_, err := os.Stat(filepath.Join(dir, "sys_enter_"+name))
		return err == nil
	})
}

func join(pids []int) string {
	var all []string
	for _, pid := range pids {
		all = append(all, strconv.Itoa(pid))
	}
	return strings.Join(all, ",")
}

// Samples reads a file of Record.
func Samples(ctx context.Context, file string) (map[string]int, error) {
	cmd := exec.CommandContext(ctx, "perf", "script", "-i", file, "-F", "ip,sym", "--no-inline")
	var complaint bytes.Buffer
	cmd.Stderr = &complaint
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("running perf script: %w: %s", err, strings.TrimSpace(complaint.String()))
	}
	counts, err := ParseScript(bytes.NewReader(out))
	if err != nil {
		return nil, fmt.Errorf("reading what perf script prints: %w", err)
	}
	if !slices.ContainsFunc(slices.Collect(maps.Keys(counts)), IsCall) {
		return nil, errors.New("perf saw no system calls: it may not look into the kernel, or nothing happened")
	}
	return counts, nil
}

// Counts reads a file of Stat.
func Counts(file string) (map[string]float64, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	return ParseStat(string(text))
}
