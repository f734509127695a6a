package proxy

import (
	"context"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/rouse-proxy/rouse/internal/gate"
	"github.com/rouse-proxy/rouse/internal/proxyproto"
	"github.com/rouse-proxy/rouse/internal/relay"
	"github.com/rouse-proxy/rouse/internal/shape"
	"github.com/rouse-proxy/rouse/internal/target"
)

// A Plan says who of a listener's clients is served, and where each is led. It is never written once it is in use: a listener
// gets another one ([Listener.Change]), and a client keeps the one under which it came.
type Plan struct {
	Gate      *gate.Gate // nil: everybody may connect and wake
	Lanes     []*Lane    // by what the client says first: the first whose rule fits
	Default   *Lane      // of whoever fits none; nil: it is refused
	ProxyFrom *gate.List // who begins with a PROXY header, and is not served without; nil: nobody

	// Every client asks these of the plan: they are derived once.
	simple bool // everybody is served at once, on the one lane
	paced  bool // the clients of a lane are kept apart
	paused bool // a lane's clients are kept away now
	slow   bool // a lane's clients cannot be on the loops, which connect from TCP to TCP
}

// A Lane leads to a port of a target. What waits there to be released belongs to the lane: one that goes on in a new plan is
// the same pointer. Target, Dial, and Direct where there are loops, are needed.
type Lane struct {
	Rule   *shape.Rule // nil only for a default
	Target Waker
	Port   uint16 // dialled at the target's host, wherever that is; 0: the target's address as it is
	Socket string // path of a unix socket that is dialled instead
	Blame  *Blame // shared by the lanes to the target; its own when nil
	Dial   Dialer
	// DialFrom connects from the client's own address, in the place of Dial. nil: the backend sees ours.
	DialFrom    func(ctx context.Context, address string, from netip.Addr) (net.Conn, error)
	Patience    time.Duration // longest wait of one client, all in all; 15m when 0
	ReleaseRate float64       // clients a second that are let through to a target that has woken; no limit when 0
	Exempt      *gate.List    // who wakes the target beyond its budget; nil: nobody
	Traffic     *Traffic      // of the connections to the target; nil: nobody looks
	Pause       *gate.Pause   // keeps new clients away; nil: never
	Meter       *relay.Meter  // of the bytes of all connections to the target; nil: nobody counts them
	Seats       *gate.Seats   // of all who are served at the target at once; nil: no limit
	SendProxy   proxyproto.Version
	// Direct returns where to connect to for an address, if that needs no name to be resolved; else the zero AddrPort.
	Direct func(address string) (netip.AddrPort, error)

	pace pace
}

// fill puts defaults where nothing is said, and derives what the plan is.
func (p *Plan) fill() {
	p.paused = false
	for _, lane := range p.all() {
		if lane.Patience == 0 {
			lane.Patience = 15 * time.Minute
		}
		if lane.Blame == nil {
			lane.Blame = NewBlame()
		}
		if lane.pace.rate != lane.ReleaseRate { // once: another plan may have it already
			lane.pace.rate = lane.ReleaseRate
		}
		p.paced = p.paced || lane.ReleaseRate > 0
		p.slow = p.slow || lane.Socket != ""
		p.paused = p.paused || lane.Pause.Mode() != gate.PauseOff
	}
	p.simple = p.Gate == nil && len(p.Lanes) == 0 && p.ProxyFrom == nil && p.Default.Seats == nil && p.Default.Exempt == nil && !p.paused
}

// again returns the same plan, for those who come from now on: what it derives from pauses is looked at anew.
func (p *Plan) again() *Plan {
	same := *p
	return &same
}

// all returns the default lane, if there is one, and the others.
func (p *Plan) all() []*Lane {
	if p.Default == nil {
		return p.Lanes
	}
	return append([]*Lane{p.Default}, p.Lanes...)
}

// first is a lane of the plan: in its name is told what is of no lane yet.
func (p *Plan) first() *Lane {
	if p.Default != nil {
		return p.Default
	}
	return p.Lanes[0]
}

// choose returns the lane of a client that has said b so far, and will say no more if that is all. While a lane may yet fit, and
// none before it does, more is needed. No lane: nothing fits, and there is no default.
func (p *Plan) choose(b []byte, all bool) (lane *Lane, more bool) {
	for _, lane := range p.Lanes {
		fits, err := lane.Rule.Match(b, all)
		switch {
		case fits:
			return lane, false
		case err != nil:
			return nil, true
		}
	}
	return p.Default, false
}

// address returns where a client is connected to that holds the target.
func (lane *Lane) address(h *target.Hold) string {
	if lane.Socket != "" {
		return "unix:" + lane.Socket
	}
	if lane.Port == 0 {
		return h.Address()
	}
	host, _, err := net.SplitHostPort(h.Address())
	if err != nil {
		return h.Address() // the dial says what is wrong with it
	}
	return net.JoinHostPort(host, strconv.Itoa(int(lane.Port)))
}

// takeConn returns the connection that proved the target ready, if the hold has one and it leads to where this lane's
// clients want to go. It is closed if it does not.
func (lane *Lane) takeConn(h *target.Hold) net.Conn {
	conn := h.TakeConn()
	if conn != nil && (lane.Port != 0 || lane.Socket != "" || lane.DialFrom != nil) {
		_ = conn.Close()
		return nil
	}
	return conn
}

// speaker is the address that a client's connection to the backend comes from; zero: ours. What is on the loopback stays there.
func (lane *Lane) speaker(client netip.AddrPort, backend netip.Addr) netip.Addr {
	ip := client.Addr()
	if lane.DialFrom == nil || !ip.IsValid() || ip.IsLoopback() && !backend.IsLoopback() {
		return netip.Addr{}
	}
	return ip.WithZone("")
}

// dial connects a client to the backend.
func (lane *Lane) dial(ctx context.Context, address string, client netip.AddrPort) (net.Conn, error) {
	if lane.DialFrom == nil {
		return lane.Dial(ctx, address)
	}
	backend, _ := netip.ParseAddrPort(address) // of a name nothing is known
	return lane.DialFrom(ctx, address, lane.speaker(client, backend.Addr()))
}

// blames says whether the target is to be asked after a dial that has failed.
func (lane *Lane) blames() bool { return lane.Port == 0 && lane.Socket == "" || lane.Blame.due() }

// doubts says whether the target is to be asked after a client that ended like this.
func (lane *Lane) doubts(r relay.Result) bool {
	return r.BackendFirst && r.Received == 0 && r.Ended.Sub(r.Started) < tooSoon && lane.blames()
}

// blamePause lies between two times that a target is asked for a port that the probe does not ask.
const blamePause = 10 * time.Second

// A Blame is what the lanes to one target have in common that lead to ports of their own. Such a port may not be
// served, or not yet, while the target is up: to ask the target for each client, and for each of its dials, would only
// shut the door for the clients of others.
type Blame struct {
	began time.Time
	next  atomic.Int64 // when the target may be asked again, in nanoseconds since began: no clock that jumps
}

// NewBlame returns one that blames at once.
func NewBlame() *Blame { return &Blame{began: time.Now()} }

// due says whether the target is to be asked now.
func (b *Blame) due() bool {
	now, next := time.Since(b.began), b.next.Load()
	return int64(now) >= next && b.next.CompareAndSwap(next, int64(now+blamePause))
}

// Why a client is refused before it counts, beside what the gate says.
var (
	errNoLane = &gate.Refusal{Gate: gate.Routes, Text: "what it says fits no route of this listener"}
	errHeader = &gate.Refusal{Gate: gate.ProxyHeader, Text: "its PROXY header did not come in time"}
	errCrowd  = &gate.Refusal{Gate: gate.Crowd, Text: "too many clients have not said yet what they want, and this one came first"}
)

const (
	headerTime  = 5 * time.Second // for a PROXY header
	contentTime = 5 * time.Second // for what chooses a lane
	checkTime   = 5 * time.Second // for the request of a health checker
	lookBeat    = 10 * time.Millisecond
)

// response is what a health checker gets over HTTP. It says nothing but the state.
func response(st target.Status) []byte {
	body := `{"target":` + strconv.Quote(st.Target) + `,"state":"` + st.State.String() + "\"}\n"
	return []byte(strings.Join([]string{
		"HTTP/1.1 200 OK", "Content-Type: application/json", "Content-Length: " + strconv.Itoa(len(body)), "Cache-Control: no-store", "Connection: close", "", body,
	}, "\r\n"))
}
