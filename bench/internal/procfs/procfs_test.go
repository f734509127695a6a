//go:build linux

package procfs

import (
	"net"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"testing"
	"time"
)

const statLine = `4242 (a) b (c) S 17 4242 4242 0 -1 4194560 900 5000 0 0 150 50 30 7 20 0 3 0 100 200 300 184467 1 1`

func TestStatIsReadBehindAnyCommand(t *testing.T) {
	got, err := ParseStat(statLine)
	want := Stat{PID: 4242, PPID: 17, State: 'S', Own: 2 * time.Second, Reaped: 370 * time.Millisecond}
	if err != nil || got != want {
		t.Errorf("ParseStat = %+v, %v, want %+v", got, err, want)
	}
}

func TestBrokenStatIsAnError(t *testing.T) {
	for _, line := range []string{"", "1 init S 0", "1 (init) S 0 1 2", "x (init) S 0 1 1 0 -1 0 0 0 0 0 1 2 3 4 5", ") ("} {
		if got, err := ParseStat(line); err == nil {
			t.Errorf("ParseStat(%q) = %+v", line, got)
		}
	}
}

func TestFieldsAreFoundByTheirWholeName(t *testing.T) {
	const text = "SlabMore:  7 kB\nSlab:   1234 kB\nEmpty:\nnonvoluntary_ctxt_switches:\t9\nvoluntary_ctxt_switches:\t5\n"
	for key, want := range map[string]int64{"Slab": 1234, "voluntary_ctxt_switches": 5} {
		if got, err := Field(text, key); err != nil || got != want {
			t.Errorf("%s = %d, %v, want %d", key, got, err, want)
		}
	}
	for _, key := range []string{"Missing", "Empty"} {
		if got, err := Field(text, key); err == nil {
			t.Errorf("%s = %d", key, got)
		}
	}
}

func TestTheMachinesTimesAreAddedUp(t *testing.T) {
	got, err := ParseMachine("cpu  100 20 30 4000 50 6 7 8 0 0\ncpu0 1 2\n")
	want := Machine{Busy: 1630 * time.Millisecond, Idle: 40500 * time.Millisecond, Stolen: 80 * time.Millisecond}
	if err != nil || got != want {
		t.Errorf("ParseMachine = %+v, %v, want %+v", got, err, want)
	}
	for _, text := range []string{"", "cpu0 1 2 3 4 5 6 7 8", "cpu 1 2 3 x 5 6 7 8"} {
		if _, err := ParseMachine(text); err == nil {
			t.Errorf("ParseMachine(%q) has no error", text)
		}
	}
}

// TestCPUOfEndedChildrenCounts: socat serves each connection with a child that ends with it.
func TestCPUOfEndedChildrenCounts(t *testing.T) {
	before := CPU(os.Getpid())
	child := exec.Command("/bin/sh", "-c", "i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done")
	if err := child.Run(); err != nil {
		t.Fatal(err)
	}
	used := child.ProcessState.SystemTime() + child.ProcessState.UserTime()
	if got := CPU(os.Getpid()) - before; got < used-2*tick {
		t.Errorf("the tree's CPU time rose by %v, its child used %v", got, used)
	}
}

func TestATreeHoldsItsLivingChildren(t *testing.T) {
	child := exec.Command("/bin/cat")
	in, err := child.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { in.Close(); _ = child.Wait() }()
	isChild := func(s Stat) bool { return s.PID == child.Process.Pid }
	if tree := Tree(os.Getpid()); len(tree) < 2 || tree[0].PID != os.Getpid() || !slices.ContainsFunc(tree, isChild) {
		t.Errorf("the tree is %+v, without child %d", tree, child.Process.Pid)
	}
	if u := Use(child.Process.Pid); u.Processes != 1 || u.RSS == 0 || u.FDs < 3 {
		t.Errorf("the child uses %+v", u)
	}
}

func TestPinnedThreadsStayOnTheirProcessor(t *testing.T) {
	cores, err := Cores()
	if err != nil || len(cores) == 0 {
		t.Fatalf("Cores = %v, %v", cores, err)
	}
	child := exec.Command("/bin/cat")
	in, err := child.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { in.Close(); _ = child.Wait() }()
	if err := Pin(child.Process.Pid, cores[len(cores)-1:]); err != nil {
		t.Fatal(err)
	}
	if got := field("/proc/"+strconv.Itoa(child.Process.Pid)+"/status", "Cpus_allowed_list"); got != int64(cores[len(cores)-1]) {
		t.Errorf("the child may run on processor %d", got)
	}
}

func TestAListenerIsFoundWithoutAConnection(t *testing.T) {
	ln, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := netip.MustParseAddrPort(ln.Addr().String())
	if !Listening(addr) {
		t.Errorf("nobody seems to listen at %s", addr)
	}
	ln.Close()
	if Listening(addr) {
		t.Errorf("somebody seems to listen at %s", addr)
	}
}
