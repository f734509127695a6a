//go:build linux

// Package load is the load generator of the benchmarks: a process that carries out one
// job against one address and reports figures. What must not slow the proxies down runs on
// raw descriptors on one thread of its own; checks of bytes and of half-closing, where speed
// does not matter, are ordinary Go. The CPU time of the proxy under test is read by this
// process at the very edges of the measured window.
package load

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/netip"
	"os"
	"runtime"
	"runtime/debug"
	"time"

	"github.com/rouse-proxy/rouse/bench/internal/procfs"
)

// Job is what one process shall do. Which fields count depends on Kind.
type Job struct {
	Kind    string // a key of kinds
	Addr    netip.AddrPort
	PID     int  // root of the proxy's process tree; 0 if there is no proxy
	Streams int  // connections at a time, or in all for "idle" and "wake"
	Down    bool // the backend sends
	Warm    time.Duration
	Window  time.Duration // length of what is measured, or the patience of "wake"
	Most    int           // operations, bytes or trials after which the job ends early
	Rest    time.Duration // from the end of all to that of the process: the proxy may still clear up
	Core    int           // the processor to stay on; -1 for any
}

// Result is what a job found. Values are named in the reports' columns.
type Result struct {
	Values map[string]float64
	Work   float64 // GB, round trips, connections or answers in the window
	Errors int
	Note   string // of the first error
}

// fail counts one error and keeps the first.
func (r *Result) fail(err error) {
	r.Errors++
	if r.Note == "" {
		r.Note = err.Error()
	}
}

// Message is one line of output: "held" when all connections of an idle or wake job
// stand, with their number, and "done" with the result at the end.
type Message struct {
	Event  string
	Count  int
	Result *Result
}

// session is a running job and its line to the harness.
type session struct {
	Job
	in  *bufio.Reader
	out *json.Encoder
}

var kinds = map[string]func(*session) (Result, error){
	"bulk": bulk, "pingpong": pingpong, "conns": conns, "mixed": mixed,
	"idle": idle, "wake": wake, "verify": verify, "halfclose": halfclose,
}

// Run reads one job as a line of JSON from in, carries it out and writes messages to out.
// An "idle" job lasts until in brings a line or ends.
func Run(in io.Reader, out io.Writer) error {
	debug.SetGCPercent(-1) // a job is short and allocates little
	s := &session{in: bufio.NewReader(in), out: json.NewEncoder(out)}
	line, err := s.in.ReadBytes('\n')
	if err != nil {
		return fmt.Errorf("reading the job: %w", err)
	}
	if err := json.Unmarshal(line, &s.Job); err != nil {
		return fmt.Errorf("reading the job: %w", err)
	}
	do, known := kinds[s.Kind]
	if !known {
		return fmt.Errorf("unknown kind of job %q", s.Kind)
	}
	if s.Core >= 0 {
		if err := procfs.Pin(os.Getpid(), []int{s.Core}); err != nil {
			return err
		}
	}
	runtime.LockOSThread()
	result, err := do(s)
	if err != nil {
		return fmt.Errorf("job %s at %s: %w", s.Kind, s.Addr, err)
	}
	time.Sleep(s.Rest)
	return s.out.Encode(Message{Event: "done", Result: &result})
}

// held tells the harness that n connections stand.
func (s *session) held(n int) error {
	return s.out.Encode(Message{Event: "held", Count: n})
}

// meter measures one window: its length, and the CPU time of the proxy and of the machine.
type meter struct {
	pid     int
	start   time.Time
	cpu     time.Duration
	machine procfs.Machine
}

// span is what a meter has found.
type span struct {
	elapsed, cpu, machine time.Duration
}

func begin(pid int) meter {
	m := meter{pid: pid}
	m.machine, _ = procfs.Now()
	if pid != 0 {
		m.cpu = procfs.CPU(pid)
	}
	m.start = time.Now()
	return m
}

func (m meter) end() span {
	s := span{elapsed: time.Since(m.start)}
	if m.pid != 0 {
		s.cpu = procfs.CPU(m.pid) - m.cpu
	}
	now, _ := procfs.Now()
	s.machine = now.Busy - m.machine.Busy
	return s
}
