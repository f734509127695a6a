//go:build linux

package procfs

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Tree lists root and all that descend from it. It is empty if root has ended.
func Tree(root int) []Stat {
	paths, _ := filepath.Glob("/proc/[0-9]*/stat")
	children := map[int][]Stat{}
	var tree []Stat
	for _, path := range paths {
		line, err := os.ReadFile(path)
		if err != nil {
			continue // it has just ended
		}
		stat, err := ParseStat(string(line))
		switch {
		case err != nil:
		case stat.PID == root:
			tree = append(tree, stat)
		default:
			children[stat.PPID] = append(children[stat.PPID], stat)
		}
	}
	for i := 0; i < len(tree); i++ {
		tree = append(tree, children[tree[i].PID]...)
	}
	return tree
}

// CPU is the CPU time of the whole tree below root since it began, ended children included.
// Living processes are read from their CPU clocks, in nanoseconds; those that ended, from
// their parents' accounts, in steps of 10 ms.
func CPU(root int) time.Duration {
	var sum time.Duration
	for _, p := range Tree(root) {
		own, err := clock(p.PID)
		if err != nil {
			own = p.Own
		}
		sum += own + p.Reaped
	}
	return sum
}

// clock reads a process's CPU clock. The kernel builds the clock's number from the
// inverted process number, shifted by three; 2 asks for the time that the scheduler counted.
func clock(pid int) (time.Duration, error) {
	var ts unix.Timespec
	if err := unix.ClockGettime(int32(^pid<<3|2), &ts); err != nil {
		return 0, fmt.Errorf("reading the CPU clock of process %d: %w", pid, err)
	}
	return time.Duration(ts.Nano()), nil
}

// Usage is what a tree of processes holds at one moment.
type Usage struct {
	Processes int
	RSS       int64 // bytes; a page that two of them share counts twice
	FDs       int
	Switches  int64 // voluntary context switches of living threads: how often one went to sleep and was woken
}

// Use looks at the tree below root. Counting descriptors may cost the kernel memory of its
// own on old kernels, so read Slab before.
func Use(root int) Usage {
	var u Usage
	for _, p := range Tree(root) {
		dir := "/proc/" + strconv.Itoa(p.PID)
		u.Processes++
		u.RSS += rss(dir)
		u.FDs += fds(dir + "/fd")
		tasks, _ := filepath.Glob(dir + "/task/[0-9]*/status")
		for _, task := range tasks {
			u.Switches += field(task, "voluntary_ctxt_switches")
		}
	}
	return u
}

// rss prefers smaps_rollup, which walks the pages: the counter in status may lag by some 100 KB.
func rss(dir string) int64 {
	if kb := field(dir+"/smaps_rollup", "Rss"); kb > 0 {
		return kb << 10
	}
	return field(dir+"/status", "VmRSS") << 10
}

// fds asks for the size of the directory, which is the count since Linux 6.2; listing it
// would create an inode for each descriptor.
func fds(dir string) int {
	if info, err := os.Stat(dir); err == nil && info.Size() > 0 {
		return int(info.Size())
	}
	entries, _ := os.ReadDir(dir)
	return len(entries)
}

func field(path, key string) int64 {
	text, err := os.ReadFile(path)
	if err != nil {
		return 0
	}
	v, err := Field(string(text), key)
	if err != nil {
		return 0
	}
	return v
}

// Slab is the memory, in bytes, in which the kernel keeps its own objects; most of what a
// connection costs is there. It counts the whole machine.
func Slab() int64 { return field("/proc/meminfo", "Slab") << 10 }

// Now reads the machine's CPU times.
func Now() (Machine, error) {
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		return Machine{}, fmt.Errorf("reading the machine's CPU times: %w", err)
	}
	return ParseMachine(string(text))
}

// Cores lists the processors that this process may use.
func Cores() ([]int, error) {
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &set); err != nil {
		return nil, fmt.Errorf("asking for the processors: %w", err)
	}
	var cores []int
	for i := range len(set) * 64 {
		if set.IsSet(i) {
			cores = append(cores, i)
		}
	}
	return cores, nil
}

// Pin binds every thread of the tree below root to the given processors. A thread that
// ends meanwhile is no error; new threads take after the one that starts them.
func Pin(root int, cores []int) error {
	var set unix.CPUSet
	for _, core := range cores {
		set.Set(core)
	}
	for _, p := range Tree(root) {
		tasks, _ := filepath.Glob("/proc/" + strconv.Itoa(p.PID) + "/task/[0-9]*")
		for _, task := range tasks {
			tid, err := strconv.Atoi(filepath.Base(task))
			if err != nil {
				continue
			}
			if err := unix.SchedSetaffinity(tid, &set); err != nil && !errors.Is(err, unix.ESRCH) {
				return fmt.Errorf("binding thread %d to processors %v: %w", tid, cores, err)
			}
		}
	}
	return nil
}

// Listening reports whether anybody listens at an IPv4 address, without connecting to it.
func Listening(addr netip.AddrPort) bool {
	text, err := os.ReadFile("/proc/net/tcp")
	if err != nil {
		return false
	}
	return listens(string(text), addr)
}

// listens searches the kernel's table of sockets, in which an address is a number in the
// machine's own byte order and 0A is the state of a listener.
func listens(table string, addr netip.AddrPort) bool {
	ip := addr.Addr().As4()
	want := fmt.Sprintf("%08X:%04X", binary.NativeEndian.Uint32(ip[:]), addr.Port())
	for line := range strings.Lines(table) {
		if f := strings.Fields(line); len(f) > 3 && f[1] == want && f[3] == "0A" {
			return true
		}
	}
	return false
}
