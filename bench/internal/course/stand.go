//go:build linux

package course

import (
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/rouse-proxy/rouse/bench/internal/candidate"
	"github.com/rouse-proxy/rouse/bench/internal/procfs"
	"github.com/rouse-proxy/rouse/bench/internal/wire"
)

// backlog is that of a backend which does not mind a burst.
const backlog = 4096

// stand is a candidate at its place. proc is nil where there is no proxy.
type stand struct {
	candidate.Candidate
	candidate.Place
	proc *candidate.Process
}

func (s *stand) pid() int {
	if s.proc == nil {
		return 0
	}
	return s.proc.PID
}

// put starts a candidate at addresses of its own. If awake, its backend listens and an echo
// has come back through it; else only its own listener is known to be there.
func (c *course) put(cand candidate.Candidate, awake bool) (*stand, error) {
	s := &stand{Candidate: cand}
	var err error
	if s.Place, err = c.place(cand); err != nil {
		return nil, err
	}
	if awake {
		if _, err := c.order("listen", s.Backend, backlog); err != nil {
			return nil, err
		}
	}
	if !cand.IsProxy() {
		s.Listen = s.Backend
		return s, nil
	}
	cmd, err := cand.Command(s.Place)
	if err != nil {
		return nil, err
	}
	if s.proc, err = candidate.Start(cmd, s.Place, c.Self); err != nil {
		return nil, err
	}
	check := func() error { return listening(s.Listen) }
	if awake {
		check = func() error { return echo(s.Listen) }
	}
	if err := s.proc.Ready(check, 10*time.Second); err != nil {
		s.proc.Stop()
		return nil, err
	}
	return s, nil
}

// take ends a candidate and closes its backend.
func (c *course) take(s *stand) error {
	if s.proc != nil {
		s.proc.Stop()
	}
	_, err := c.order("close", s.Backend, 0)
	return err
}

// place finds free addresses for a candidate: always the same two hosts for the same name,
// each candidate's its own, so that the sockets in TIME_WAIT of one are not in another's way.
func (c *course) place(cand candidate.Candidate) (candidate.Place, error) {
	host, known := c.hosts[cand.Name]
	if !known {
		host = byte(len(c.hosts) + 10)
		c.hosts[cand.Name] = host
	}
	listen, err := candidate.FreePort(netip.AddrFrom4([4]byte{127, 0, 0, host}))
	if err != nil {
		return candidate.Place{}, err
	}
	behind, err := candidate.FreePort(netip.AddrFrom4([4]byte{127, 0, 0, host + 100}))
	if err != nil {
		return candidate.Place{}, err
	}
	c.placed++
	dir := filepath.Join(c.Dir, cand.Name+"-"+strconv.Itoa(c.placed))
	if err := os.Mkdir(dir, 0o700); err != nil {
		return candidate.Place{}, err
	}
	return candidate.Place{Dir: dir, Listen: listen, Backend: behind, Limit: c.Limit, Root: os.Getuid() == 0}, nil
}

func listening(addr netip.AddrPort) error {
	if !procfs.Listening(addr) {
		return fmt.Errorf("nobody listens at %s", addr)
	}
	return nil
}

// echo sends one byte there and back.
func echo(addr netip.AddrPort) error {
	conn, err := net.DialTimeout("tcp", addr.String(), time.Second)
	if err != nil {
		return err
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(2 * time.Second)) // cannot fail on an open connection
	if _, err := conn.Write(append(wire.Header(wire.Echo, 0), '?')); err != nil {
		return err
	}
	var b [1]byte
	_, err = io.ReadFull(conn, b[:])
	return err
}
