// Package perf runs Linux's perf around a command, and says from its output in which
// system calls and in whose code a process was, and how many system calls it made. It looks
// at the process from outside: nothing is built into it.
package perf

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// What a sample can belong to beside a system call. Names of system calls have no space.
const (
	Edge       = "entering and leaving the kernel"
	Switch     = "giving way to other processes"
	Interrupts = "interrupts and page faults"
	Runtime    = "the Go runtime"
	Own        = "rouse's own code"
	Nameless   = "code without a name"
)

// IsCall reports whether a sample's owner is a system call.
func IsCall(owner string) bool { return !strings.Contains(owner, " ") }

// All is the name under which ParseStat gives the sum over all system calls.
const All = "all"

// frame is one function of a stack.
type frame struct {
	kernel bool
	name   string
}

// ParseScript reads what `perf script -F ip,sym` prints, stacks with the innermost function
// first and an empty line behind each, and counts the samples by what they belong to.
func ParseScript(r io.Reader) (map[string]int, error) {
	counts := map[string]int{}
	var stack []frame
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<20) // names of generic functions can be long
	for lines.Scan() {
		if f, ok := parseFrame(lines.Text()); ok {
			stack = append(stack, f)
			continue
		}
		if len(stack) > 0 {
			counts[owner(stack)]++
		}
		stack = stack[:0]
	}
	if len(stack) > 0 {
		counts[owner(stack)]++
	}
	return counts, lines.Err()
}

// parseFrame reads a line with an address and a name. The kernel has the upper half of all
// addresses, on every machine of 64 bits.
func parseFrame(line string) (frame, bool) {
	address, name, _ := strings.Cut(strings.TrimSpace(line), " ")
	at, err := strconv.ParseUint(address, 16, 64)
	if err != nil {
		return frame{}, false
	}
	return frame{kernel: at>>63 == 1, name: strings.TrimSpace(name)}, true
}

// owner says what a stack belongs to: to the system call that it is in, else to whom its
// innermost function belongs.
func owner(stack []frame) string {
	for i := len(stack) - 1; i >= 0; i-- { // the outermost is the call that the process made
		if call := systemCall(stack[i]); call != "" {
			return call
		}
	}
	if !stack[0].kernel {
		return codeOf(stack[0].name)
	}
	what := Interrupts
	for _, f := range stack {
		switch {
		case f.kernel && f.name == "schedule": // it had to, on its way out
			return Switch
		case f.kernel && isEdge(f.name):
			what = Edge
		}
	}
	return what
}

// entries begin the kernel's names for the function of a system call. The compiler may leave
// out the outer one of two where it does nothing after the inner one.
var entries = []string{"__x64_sys_", "__arm64_sys_", "__se_sys_", "__do_sys_", "ksys_", "__sys_"}

// inner are functions of the kernel that stand for a system call whose own was left out.
var inner = map[string]string{
	"do_epoll_wait": "epoll_pwait", "do_epoll_ctl": "epoll_ctl", "do_splice": "splice", "do_futex": "futex",
	"hrtimer_nanosleep": "nanosleep", "do_madvise": "madvise", "do_pipe2": "pipe2", "vm_mmap_pgoff": "mmap",
}

// systemCall is the name of the system call of which f is the function, or empty.
func systemCall(f frame) string {
	if !f.kernel {
		return ""
	}
	for _, prefix := range entries {
		if name, ok := strings.CutPrefix(f.name, prefix); ok {
			return name
		}
	}
	return inner[f.name]
}

// isEdge reports whether the kernel runs this function on the way into or out of any system
// call. At a thunk, by which it calls, stacks break off.
func isEdge(name string) bool {
	for _, part := range []string{"SYSCALL_64", "syscall", "x64_sys_call", "thunk", "el0_svc"} {
		if strings.Contains(name, part) {
			return true
		}
	}
	return false
}

// codeOf says whose code the innermost function is. A sample that falls due while the
// processor changes into the kernel or back, where it cannot be interrupted, is taken right
// behind the instruction that makes the system call: that is not the runtime's work.
func codeOf(name string) string {
	pkg := packageOf(name)
	switch {
	case name == "" || strings.HasPrefix(name, "["):
		return Nameless
	case strings.HasPrefix(pkg, "internal/runtime/syscall"), pkg == "syscall" && strings.Contains(name, "yscall6"):
		return Edge
	case pkg == "", pkg == "runtime", pkg == "internal/bytealg", strings.HasPrefix(pkg, "internal/runtime/"):
		return Runtime // without a package are pieces of the runtime in assembly, and the kernel's vdso, which tells the time
	}
	return Own
}

// packageOf is the import path in the name of a Go function.
func packageOf(name string) string {
	name, _, _ = strings.Cut(name, "[") // type arguments have packages of their own
	slash := strings.LastIndex(name, "/") + 1
	dot := strings.Index(name[slash:], ".")
	if dot < 0 {
		return ""
	}
	return name[:slash+dot]
}

// entering begins the names of the kernel's trace points for the beginning of each system call.
const entering = "syscalls:sys_enter_"

// every is the trace point at the beginning of any system call.
const every = "raw_syscalls:sys_enter"

// ParseStat reads what `perf stat -x,` prints: a line for each event, the count first. It
// gives the counts that are not 0 by the names of the system calls, and their sum as All.
func ParseStat(text string) (map[string]float64, error) {
	counts := map[string]float64{}
	for line := range strings.Lines(text) {
		fields := strings.Split(strings.TrimSpace(line), ",")
		if len(fields) < 3 {
			continue
		}
		name, one := strings.CutPrefix(fields[2], entering)
		if fields[2] == every {
			name = All
		} else if !one {
			continue
		}
		n, err := strconv.ParseFloat(fields[0], 64)
		if err == nil && n > 0 {
			counts[name] += n
		} else if name == All {
			return nil, fmt.Errorf("perf did not count system calls: %s", fields[0])
		}
	}
	if counts[All] == 0 {
		return nil, errors.New("perf counted no system calls")
	}
	return counts, nil
}
