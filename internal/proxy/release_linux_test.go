package proxy

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"maps"
	"net"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rouse-proxy/rouse/internal/event"
	"github.com/rouse-proxy/rouse/internal/target"
)

// synSent counts the connections to an address that nobody has answered yet.
func synSent(t testing.TB, address string) int { return len(unanswered(t, address)) }

// unanswered returns where they come from.
func unanswered(t testing.TB, address string) (from []string) {
	t.Helper()
	ap := netip.MustParseAddrPort(address)
	ip := ap.Addr().As4()
	remote := fmt.Sprintf("%08X:%04X", binary.NativeEndian.Uint32(ip[:]), ap.Port())
	f, err := os.Open("/proc/self/net/tcp")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if fields := strings.Fields(lines.Text()); len(fields) > 3 && fields[2] == remote && fields[3] == "02" {
			from = append(from, fields[1])
		}
	}
	return from
}

// TestLoopLostConnectsAreMadeAfresh: the kernel would ask again after a second, then two, then four.
func TestLoopLostConnectsAreMadeAfresh(t *testing.T) {
	onLoops(t, func(t *testing.T, loops int) {
		v := settle(t, &server{boot: bootTime}, rules{loops: loops})
		stays := v.awake()
		v.block()
		c := v.client()
		until(t, "a fresh attempt is made", func() bool { return synSent(t, v.address) >= 3 })
		v.counts(2, 0)
		v.unblock()
		v.served(c, "after a while")
		until(t, "no attempt is left", func() bool { return synSent(t, v.address) == 0 })
		v.served(stays, "not concerned")
		until(t, "no connection is left", func() bool { return v.server.live.Load() == 0 })
		v.ledger.wants(t, event.BackendSuspect, 0)
	})
}

// TestLoopFirstAttemptIsKept: fresh attempts take the place of each other, never that of the first. Else a target to which a
// round trip takes longer than an attempt lives could never be reached (B2).
func TestLoopFirstAttemptIsKept(t *testing.T) {
	onLoops(t, func(t *testing.T, loops int) {
		v := settle(t, &server{boot: bootTime}, rules{loops: loops})
		stays := v.awake()
		v.block()
		c := v.client()
		var first []string // or the first two, on a busy machine
		seen := map[string]bool{}
		until(t, "many attempts are made", func() bool {
			now := unanswered(t, v.address)
			for _, from := range now {
				seen[from] = true
			}
			if len(first) == 0 {
				first = now
			}
			if v.ledger.count(event.BackendSuspect) > 0 {
				return true // so busy a machine that the dial has had its whole time
			}
			if len(first) > 0 && !slices.ContainsFunc(now, func(from string) bool { return slices.Contains(first, from) }) {
				t.Fatalf("the first attempt was given up for the %dth", len(seen))
			}
			return len(seen) >= mostTries+3
		})
		v.unblock()
		v.served(c, "after a while")
		v.served(stays, "not concerned")
	})
}

// TestLoopSilentTargetIsAskedAgain: it is found down, and woken, when nobody has answered for long enough.
func TestLoopSilentTargetIsAskedAgain(t *testing.T) {
	if testing.Short() {
		t.Skip("a dial is given up after", dialTimeout)
	}
	v := settle(t, &server{boot: bootTime}, rules{})
	stays := v.awake()
	v.block()
	c := v.client()
	until(t, "attempts are made", func() bool { return synSent(t, v.address) >= 2 })
	until(t, "there are never more than a few", func() bool {
		n := synSent(t, v.address) // maybe one more than there are: the system's list is not of one moment
		if v.ledger.count(event.BackendSuspect) > 0 {
			return true // what is seen now may be the probe's
		}
		if n > mostTries+1 {
			t.Errorf("%d attempts at once", n)
		}
		return false
	})
	until(t, "it is started again", func() bool { return v.starts.Load() == 2 })
	v.unblock()
	v.served(c, "woken again")
	v.ran(2, 0)
	_ = stays.Close()
}

// crowd is clients that wait for a target that sleeps, in order of arrival. Each has sent its number.
func crowd(v *village, n int) (clients []*net.TCPConn) {
	for i := range n {
		c := v.client()
		if _, err := fmt.Fprintf(c, "%04d", i); err != nil {
			v.t.Fatal(err)
		}
		clients = append(clients, c)
		v.ledger.reaches(v.t, event.ClientWaits, i+1)
	}
	return clients
}

// listenTo checks that each of a crowd gets its own number back.
func listenTo(v *village, clients []*net.TCPConn) {
	v.t.Helper()
	for i, c := range clients {
		_ = c.CloseWrite()
		if got, err := io.ReadAll(c); string(got) != fmt.Sprintf("%04d", i) || err != nil {
			v.t.Errorf("client %d got %q, %v", i, got, err)
		}
		_ = c.Close()
	}
}

// A register tells in which order a crowd has come to the server.
type register struct {
	*server
	mu   sync.Mutex // guards came
	came map[int32]int
}

func newRegister(s *server) *register {
	r := &register{server: s, came: map[int32]int{}}
	s.serve = r.enter
	return r
}

// enter serves one of a crowd.
func (r *register) enter(c net.Conn) {
	text := make([]byte, 4)
	if _, err := io.ReadFull(c, text); err != nil {
		return
	}
	number, _ := strconv.Atoi(string(text))
	r.server.mu.Lock()
	seat := r.conns[c.(*net.TCPConn)]
	r.server.mu.Unlock()
	r.mu.Lock()
	r.came[seat] = number
	r.mu.Unlock()
	_, _ = c.Write(text)
	repeat(c)
}

// order is that in which the server accepted them. A connection that never said a number is not in it.
func (r *register) order() (numbers []int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, seat := range slices.Sorted(maps.Keys(r.came)) {
		numbers = append(numbers, r.came[seat])
	}
	return numbers
}

// TestLoopReleaseOverwhelmsNobody: a backlog of 128 is usual, and this server is slow to accept.
func TestLoopReleaseOverwhelmsNobody(t *testing.T) {
	onLoops(t, func(t *testing.T, loops int) {
		r := newRegister(&server{boot: 24 * time.Hour, backlog: 128, pace: 500 * time.Microsecond})
		v := settle(t, r.server, rules{loops: loops, startTimeout: time.Hour})
		clients := crowd(v, 500)
		v.counts(0, 500)
		v.rise()
		listenTo(v, clients)
		v.ledger.reaches(t, event.ClientEnded, 500)
		v.ledger.wants(t, event.BackendSuspect, 0)
		if seen := r.order(); len(seen) != 500 || seen[0] != 0 {
			t.Errorf("%d came, the first was %v", len(seen), seen[:1])
		}
	})
}

// rise lets a server that boots for ever listen now.
func (v *village) rise() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.up(v.serve)
}

func TestLoopReleaseKeepsItsRateAndOrder(t *testing.T) {
	r := newRegister(&server{boot: 24 * time.Hour})
	v := settle(t, r.server, rules{startTimeout: time.Hour, rate: 200})
	clients := crowd(v, 40)
	v.rise()
	listenTo(v, clients)
	served := v.ledger.of(event.ClientServed)
	if took := served[len(served)-1].Time.Sub(served[0].Time); took < 35*time.Second/200 {
		t.Errorf("40 clients in %v", took)
	}
	for at, n := range r.order() {
		if n-at > 8 || at-n > 8 || at == 0 && n != 0 {
			t.Errorf("number %d came as number %d", n, at)
		}
	}
}

// TestLoopNewcomersStandBehind: the target is ready, and others have waited for it.
func TestLoopNewcomersStandBehind(t *testing.T) {
	onLoops(t, func(t *testing.T, loops int) {
		r := newRegister(&server{boot: 24 * time.Hour})
		v := settle(t, r.server, rules{loops: loops, startTimeout: time.Hour, rate: 20})
		clients := crowd(v, 8)
		v.rise()
		v.ledger.reaches(t, event.ClientServed, 1)
		v.becomes(target.Ready)
		for i := range 4 {
			c := v.client()
			if _, err := fmt.Fprintf(c, "%04d", 8+i); err != nil {
				t.Fatal(err)
			}
			clients = append(clients, c)
		}
		v.ledger.reaches(t, event.ClientServed, 12)
		listenTo(v, clients)
		for at, n := range r.order()[:8] {
			if n >= 8 {
				t.Errorf("newcomer %d came as number %d", n, at)
			}
		}
	})
}

// TestLoopReleaseGoesOnWhenTheFirstLeave: those who have a turn, or wait for one, go, and those behind them are served.
func TestLoopReleaseGoesOnWhenTheFirstLeave(t *testing.T) {
	v := settle(t, &server{boot: 24 * time.Hour}, rules{startTimeout: time.Hour, rate: 100})
	clients := crowd(v, 60)
	v.rise()
	v.ledger.reaches(t, event.ClientServed, 3)
	for i, c := range clients {
		if i%3 > 0 {
			hangUp(c)
		} else {
			_ = c.CloseWrite()
		}
	}
	for i, c := range clients {
		if i%3 == 0 {
			if got, err := io.ReadAll(c); string(got) != fmt.Sprintf("%04d", i) || err != nil {
				t.Errorf("client %d got %q, %v", i, got, err)
			}
			_ = c.Close()
		}
	}
	until(t, "all are accounted for", func() bool { return v.ledger.accounts() == 60 })
}
