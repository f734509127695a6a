package proxy

import (
	"context"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/rouse-proxy/rouse/internal/driver"
)

// A server sleeps at an address of its own: it is its own driver. What a test sets, it sets before the village settles,
// or through a method.
type server struct {
	boot      time.Duration // until it listens
	asleep    chan struct{} // starts last until it is closed; nil: they do not
	stopTime  time.Duration
	serve     func(net.Conn) // one client; repeat when nil
	forwarder bool           // something accepts and closes while it boots
	absent    bool           // it never listens
	backlog   int            // the system's when 0; -1: none to speak of
	pace      time.Duration  // between two accepts
	noted     func()         // is told of each stop
	startErr  error          // guarded by mu once the village has settled

	t        *testing.T
	address  string
	place    int        // a socket that keeps the port for us
	held     func() int // clients that hold the target
	starts   atomic.Int32
	stops    atomic.Int32
	live     atomic.Int32 // clients here
	accepted atomic.Int32
	doorway  sync.Mutex // who has it keeps the server from accepting
	serving  sync.WaitGroup

	mu      sync.Mutex // guards the fields below
	ln      *net.TCPListener
	hangs   bool // it is blocked, which a start ends
	booting *time.Timer
	conns   map[*net.TCPConn]int32 // which one it was
	fillers []net.Conn             // of its queue, while it is blocked; the test's
}

// build finds a port and keeps others from it: a socket that is bound and does not listen refuses everybody.
func (s *server) build(t *testing.T) {
	t.Helper()
	s.t, s.conns = t, map[*net.TCPConn]int32{}
	if s.serve == nil {
		s.serve = repeat
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	s.place = fd
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1); err != nil {
		t.Fatal(err)
	}
	if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	sa, err := unix.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	s.address = (&net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: sa.(*unix.SockaddrInet4).Port}).String()
}

// raze leaves nothing of it.
func (s *server) raze() {
	s.unblock()
	s.die()
	s.serving.Wait()
	_ = unix.Close(s.place)
}

// Start is for the target.
func (s *server) Start(ctx context.Context, _ driver.Op) (string, error) {
	s.starts.Add(1)
	if s.asleep != nil {
		select {
		case <-s.asleep:
		case <-ctx.Done():
			return "", ctx.Err()
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.startErr != nil:
		return "", s.startErr
	case s.absent, s.ln != nil && !s.hangs:
		return "", nil
	case s.forwarder:
		s.up(func(c net.Conn) {})
	}
	s.booting = time.AfterFunc(s.boot, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.down()
		s.up(s.serve)
	})
	return "", nil
}

// Stop is for the target. Nobody holds it while it is stopped.
func (s *server) Stop(context.Context, driver.Op) error {
	s.stops.Add(1)
	if n := s.held(); n > 0 {
		s.t.Errorf("stopped under %d clients", n)
	}
	if s.noted != nil {
		s.noted()
	}
	time.Sleep(s.stopTime)
	s.die()
	return nil
}

// up listens and serves every client with f. It needs mu, as down does.
func (s *server) up(f func(net.Conn)) {
	ln, err := net.Listen("tcp", s.address)
	if err != nil {
		s.t.Errorf("server: %v", err)
		return
	}
	s.ln = ln.(*net.TCPListener)
	s.shrink(s.ln)
	s.serving.Go(func() {
		for {
			s.pass()
			conn, err := ln.Accept()
			if errors.Is(err, net.ErrClosed) {
				return
			}
			if err != nil { // no descriptor
				time.Sleep(time.Millisecond)
				continue
			}
			s.greet(conn.(*net.TCPConn), f)
			time.Sleep(s.pace)
		}
	})
}

// pass waits while the server is blocked.
func (s *server) pass() {
	s.doorway.Lock()
	defer s.doorway.Unlock()
}

// shrink sets the backlog: listen(2) may be called again.
func (s *server) shrink(ln *net.TCPListener) {
	if s.backlog == 0 {
		return
	}
	rc, err := ln.SyscallConn()
	if err == nil {
		err = rc.Control(func(fd uintptr) { _ = unix.Listen(int(fd), max(s.backlog, 0)) })
	}
	if err != nil {
		s.t.Error(err)
	}
}

// greet serves one client.
func (s *server) greet(c *net.TCPConn, f func(net.Conn)) {
	s.live.Add(1)
	s.mu.Lock()
	s.conns[c] = s.accepted.Add(1)
	s.mu.Unlock()
	s.serving.Go(func() {
		defer s.live.Add(-1)
		f(c)
		_ = c.Close()
		s.mu.Lock()
		delete(s.conns, c)
		s.mu.Unlock()
	})
}

// down lets nobody listen any more.
func (s *server) down() {
	if s.ln != nil {
		_ = s.ln.Close()
		s.ln = nil
	}
}

// die takes the power away, from under whoever is there.
func (s *server) die() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.booting != nil {
		s.booting.Stop()
	}
	s.down()
	for c := range s.conns {
		hangUp(c)
	}
}

// deaf lets nobody listen any more; those who are there stay.
func (s *server) deaf() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.down()
}

// repeat is echo without the pipe of io.Copy, which the runtime keeps until it collects garbage.
func repeat(c net.Conn) {
	buf := make([]byte, 64<<10)
	for {
		n, err := c.Read(buf)
		if _, writeErr := c.Write(buf[:n]); err != nil || writeErr != nil {
			return
		}
	}
}

// fail lets starts fail from now on, or heals them.
func (s *server) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.startErr = err
}

// block keeps the server from accepting, and fills its queue: what comes then is not answered.
func (s *server) block() {
	s.t.Helper()
	s.doorway.Lock()
	s.mu.Lock()
	s.hangs = true
	rc, err := s.ln.SyscallConn()
	s.mu.Unlock()
	if err == nil {
		err = rc.Control(func(fd uintptr) { _ = unix.Listen(int(fd), 0) })
	}
	if err != nil {
		s.t.Fatal(err)
	}
	for unanswered := 0; unanswered < 3; unanswered++ { // once may be a queue that is just being emptied by one
		if c, err := net.DialTimeout("tcp", s.address, 50*time.Millisecond); err == nil {
			s.fillers, unanswered = append(s.fillers, c), 0
		}
	}
}

// unblock lets the server accept again.
func (s *server) unblock() {
	if s.fillers == nil {
		return
	}
	for _, c := range s.fillers {
		_ = c.Close()
	}
	s.fillers = nil
	s.mu.Lock()
	s.hangs = false
	s.mu.Unlock()
	s.doorway.Unlock()
}
