package loop

import (
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is the bound of every wait; a test that needs it has failed.
const patience = 30 * time.Second

// started is a group that runs until the test ends. No descriptor of it may be left then.
func started(t *testing.T, opts Options) *Group {
	t.Helper()
	g := made(t, opts)
	g.Start()
	t.Cleanup(g.Stop)
	return g
}

// made is a group that does not run.
func made(t *testing.T, opts Options) *Group {
	t.Helper()
	warm(t)
	before := openFDs(t)
	g, err := New(opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := g.Close(); err != nil {
			t.Errorf("closing: %v", err)
		}
		if now := openFDs(t); now > before {
			t.Errorf("%d descriptors are open, %d were before", now, before)
		}
	})
	return g
}

// warm lets the runtime open what it keeps.
func warm(t *testing.T) {
	t.Helper()
	g, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := g.Close(); err != nil {
		t.Fatal(err)
	}
}

func openFDs(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

// task is a function as a Task.
type task func()

func (f task) Do() { f() }

// within runs f on the loop and waits for it.
func within(t *testing.T, l *Loop, f func()) {
	t.Helper()
	done := make(chan struct{})
	if !l.Post(task(func() { defer close(done); f() })) {
		t.Fatal("the loop has ended")
	}
	receive(t, done)
}

// receive waits for what a channel gives.
func receive[T any](t *testing.T, c <-chan T) (v T) {
	t.Helper()
	select {
	case v = <-c:
	case <-time.After(patience):
		t.Fatal("nothing has come")
	}
	return v
}

// A told handler tells of what it hears.
type told struct {
	events chan [2]int // tag, events
	ready  func()      // is called too, unless nil
	faults chan any
}

func newTold() *told { return &told{events: make(chan [2]int, 100), faults: make(chan any, 100)} }

func (h *told) Ready(tag int, events Events) {
	h.events <- [2]int{tag, int(events)}
	if h.ready != nil {
		h.ready()
	}
}

func (h *told) Contain(panicked any) { h.faults <- panicked }

// pair returns the two ends of a connection that does not block; the test closes what it has not closed itself.
func pair(t *testing.T) (a, b int) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { Close(fds[0]); Close(fds[1]) })
	return fds[0], fds[1]
}

// say writes to a descriptor.
func say(t *testing.T, fd int, text string) {
	t.Helper()
	if n, err := Send(fd, []byte(text)); n != len(text) || err != nil {
		t.Errorf("sent %d of %d bytes, %v", n, len(text), err)
	}
}
