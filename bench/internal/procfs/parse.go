//go:build linux

// Package procfs accounts for what processes cost: CPU, memory, descriptors and wake-ups of
// a process and all that descend from it, and the kernel's own memory. It reads /proc and
// the processes' CPU clocks, and keeps nothing. A process that ends while it is looked at is
// left out; what it used is found in its parent's account once that has waited for it.
package procfs

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// tick is the unit of CPU times in /proc; USER_HZ is 100 on every Linux that Go runs on.
const tick = 10 * time.Millisecond

// Stat is what /proc/PID/stat says of one process, as far as it matters here.
type Stat struct {
	PID, PPID int
	State     byte
	// Own is the process's CPU time in user and kernel mode, Reaped that of all children
	// it has waited for, and theirs. Both in steps of 10 ms.
	Own, Reaped time.Duration
}

// ParseStat reads the one line of /proc/PID/stat. The command in it may hold spaces and
// brackets, so the last bracket counts.
func ParseStat(line string) (Stat, error) {
	open, end := strings.IndexByte(line, '('), strings.LastIndexByte(line, ')')
	if open < 0 || end < open {
		return Stat{}, errors.New("parsing stat: no command in brackets")
	}
	fields := strings.Fields(line[end+1:])
	if len(fields) < 15 {
		return Stat{}, fmt.Errorf("parsing stat: %d fields after the command, want 15 or more", len(fields))
	}
	var n [6]int64
	texts := [6]string{strings.TrimSpace(line[:open]), fields[1], fields[11], fields[12], fields[13], fields[14]}
	for i, text := range texts {
		v, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return Stat{}, fmt.Errorf("parsing stat: %w", err)
		}
		n[i] = v
	}
	return Stat{
		PID: int(n[0]), PPID: int(n[1]), State: fields[0][0],
		Own: time.Duration(n[2]+n[3]) * tick, Reaped: time.Duration(n[4]+n[5]) * tick,
	}, nil
}

// Field finds "key: 123 kB" in the text of a file like /proc/meminfo or /proc/PID/status
// and gives the number, without its unit.
func Field(text, key string) (int64, error) {
	for line := range strings.Lines(text) {
		rest, found := strings.CutPrefix(line, key+":")
		if !found {
			continue
		}
		fields := strings.Fields(rest)
		if len(fields) == 0 {
			break
		}
		return strconv.ParseInt(fields[0], 10, 64)
	}
	return 0, fmt.Errorf("looking for %s: not there", key)
}

// Machine is the CPU time of all processors together since boot: at work, idle, and
// taken away by the hypervisor. In steps of 10 ms.
type Machine struct {
	Busy, Idle, Stolen time.Duration
}

// ParseMachine reads the first line of /proc/stat.
func ParseMachine(text string) (Machine, error) {
	line, _, _ := strings.Cut(text, "\n")
	fields := strings.Fields(line)
	if len(fields) < 9 || fields[0] != "cpu" {
		return Machine{}, fmt.Errorf("parsing the machine's CPU times: unexpected line %q", line)
	}
	var v [8]time.Duration // user nice system idle iowait irq softirq steal
	for i := range v {
		n, err := strconv.ParseInt(fields[i+1], 10, 64)
		if err != nil {
			return Machine{}, fmt.Errorf("parsing the machine's CPU times: %w", err)
		}
		v[i] = time.Duration(n) * tick
	}
	return Machine{Busy: v[0] + v[1] + v[2] + v[5] + v[6], Idle: v[3] + v[4], Stolen: v[7]}, nil
}
