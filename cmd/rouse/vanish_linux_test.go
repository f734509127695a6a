package main

import (
	"bytes"
	"fmt"
	"io"
	"net/netip"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/rouse-proxy/rouse/internal/peek"
	"github.com/rouse-proxy/rouse/internal/relay"
	"github.com/rouse-proxy/rouse/test/netns"
)

// What is promised of a peer that vanishes is 30 s when nothing is under way to it, and 75 s when something is.
const (
	freedIdle = 35 * time.Second
	freedBusy = 80 * time.Second
	forgotten = 95 * time.Second // of one that has closed, when its system no longer knows it
	paused    = 95 * time.Second // of a reader that comes back: more than any of these
)

// A trio is a client, a rouse and a backend, each on a host of its own.
type trio struct {
	*stage
	client, server *netns.Host
	rouse          *child
	conn           *client
	gone           time.Time // when one of them vanished
}

// newTrio starts a rouse at the address of its host where the client reaches it.
func newTrio(t *testing.T, ipv6 bool) *trio {
	t.Helper()
	hub := netns.NewHub(t)
	tr := &trio{stage: newStage(t), client: hub.NewHost(), server: hub.NewHost()}
	at, front := tr.server.Addr, tr.client.Hub
	if ipv6 {
		at, front = tr.server.Addr6, tr.client.Hub6
	}
	tr.backend, tr.front = netip.AddrPortFrom(at, 7000), front.String()
	write(t, tr.dir, "start.sh", strings.Replace(startHook, "backend <", "nsenter --net="+tr.server.Path()+" backend <", 1))
	cmd := command(t.Context(), tr.dir, tr.flags("--cooldown-period=300ms", "--stop-timeout=5s")...)
	if err := hub.Do(func() error { tr.rouse = tr.launch(cmd); return nil }); err != nil {
		t.Fatal(err)
	}
	tr.rouse.long = 2 * time.Minute
	return tr
}

// dial connects the client.
func (tr *trio) dial() {
	tr.Helper()
	conn, err := tr.client.Dial(tr.rouse.address())
	if err != nil {
		tr.Fatal(err)
	}
	tr.conn = newClient(tr.TB, conn, 3*time.Minute)
}

// awake lets the client be served.
func (tr *trio) awake() {
	tr.Helper()
	tr.dial()
	tr.conn.ask("hello")
}

// arrived waits until rouse's host has all that the client has sent.
func (tr *trio) arrived() {
	tr.Helper()
	tr.eventually("the client's bytes have arrived", func() bool {
		n, err := peek.Unsent(tr.conn.TCPConn)
		return n == 0 && err == nil
	})
}

// pause lets the client ask until nothing finds room any more, and read nothing. It returns what it will have to read.
func (tr *trio) pause() (answers []byte) {
	tr.Helper()
	word := strings.Repeat("all work and no play ", 3000)
	for full := false; !full; {
		if err := tr.conn.SetWriteDeadline(time.Now().Add(300 * time.Millisecond)); err != nil {
			tr.Fatal(err)
		}
		n, err := io.WriteString(tr.conn, word+"\n")
		full = err != nil
		if n == len(word)+1 {
			answers = fmt.Appendf(answers, "echo %s\n", word)
		} else if n > 0 {
			answers = fmt.Appendf(answers, "echo %s\n", word[:min(n, len(word))])
		}
	}
	return answers
}

// A vanishing is one case: what is under way when who vanishes, and what is to be seen of it.
type vanishing struct {
	name   string
	play   func(*trio)
	within time.Duration
	msg    string // rouse's word of the client's end
	cause  string
	err    string // part of it
	cut    bool   // the client sees a reset
	ipv6   bool
}

var vanishings = []vanishing{
	{name: "idle client loses its power", play: func(tr *trio) { tr.awake(); tr.client.Vanish() },
		within: freedIdle, msg: "client ended", cause: "client_reset", err: "timed out"},
	{name: "idle client is unplugged", play: func(tr *trio) { tr.awake(); tr.client.Unplug() },
		within: freedIdle, msg: "client ended", cause: "client_reset"},
	{name: "idle backend loses its power", play: func(tr *trio) { tr.awake(); tr.server.Vanish() },
		within: freedIdle, msg: "client ended", cause: "backend_reset", err: "timed out", cut: true},
	{name: "client vanishes before its answer", play: answerUnderWay,
		within: freedBusy, msg: "client ended", cause: "client_reset", err: "client: peer has vanished"},
	{name: "client vanishes before its answer, IPv6", play: answerUnderWay, ipv6: true,
		within: freedBusy, msg: "client ended", cause: "client_reset", err: "client: peer has vanished"},
	{name: "client that has ended its stream vanishes", play: halfClosed,
		within: freedIdle, msg: "client ended", cause: "client_reset"},
	{name: "client that does not read vanishes", play: func(tr *trio) { tr.awake(); tr.pause(); tr.client.Vanish() },
		within: freedBusy, msg: "client ended", cause: "client_reset", err: "client: peer has vanished"},
	{name: "backend vanishes before a request", play: func(tr *trio) { tr.awake(); tr.server.Vanish(); tr.conn.say("anybody?") },
		within: freedBusy, msg: "client ended", cause: "backend_reset", err: "backend: peer has vanished", cut: true},
	{name: "backend vanishes before an end", play: endUnderWay,
		within: freedBusy, msg: "client ended", cause: "backend_reset", err: "backend: peer has vanished", cut: true},
	{name: "client closes before its answer, which never comes", play: closes,
		within: forgotten, msg: "client ended", cause: "client_reset"},
	{name: "waiting client vanishes", play: func(tr *trio) { tr.hold("boot"); tr.dial(); tr.conn.say("early"); tr.arrived(); tr.client.Vanish() },
		within: freedIdle, msg: "client left"},
}

func answerUnderWay(tr *trio) {
	tr.awake()
	tr.hold("answer")
	tr.conn.say("question")
	tr.arrived()
	tr.client.Vanish()
	tr.release("answer")
}

func halfClosed(tr *trio) {
	tr.awake()
	tr.hold("answer")
	tr.conn.say("question")
	if err := tr.conn.CloseWrite(); err != nil {
		tr.Error(err)
	}
	tr.arrived()
	tr.client.Vanish()
}

func closes(tr *trio) {
	tr.awake()
	tr.hold("answer")
	tr.conn.say("question")
	tr.arrived()
	tr.conn.leave()
}

func endUnderWay(tr *trio) {
	tr.awake()
	tr.server.Vanish()
	if err := tr.conn.CloseWrite(); err != nil {
		tr.Error(err)
	}
}

// TestPeersThatVanishAreFreedAndOthersAreKept plays all cases at once, as all of them wait: eleven with the program, and three
// with the engine that it uses on other systems.
func TestPeersThatVanishAreFreedAndOthersAreKept(t *testing.T) {
	t.Parallel()
	needNsenter(t)
	alive := newTrio(t, false)
	alive.awake()
	answers := alive.pause()
	reader := newRelayed(t, "goroutines, a reader pauses")
	sent := reader.fill()
	since := time.Now()

	trios := make([]*trio, len(vanishings))
	for i, v := range vanishings {
		trios[i] = newTrio(t, v.ipv6)
		v.play(trios[i])
		trios[i].gone = time.Now()
	}
	noClient, noBackend := newRelayed(t, "goroutines, the client vanishes"), newRelayed(t, "goroutines, the backend vanishes")
	noClient.vanish(noClient.client, noClient.there)
	noBackend.vanish(noBackend.server, noBackend.here)
	for i, v := range vanishings {
		v.wait(trios[i])
	}
	noClient.frees(relay.EndClientReset)
	noBackend.frees(relay.EndBackendReset)
	time.Sleep(time.Until(since.Add(paused)))
	alive.readsOn(answers)
	reader.asksOften()
	reader.keeps(sent)
}

func needNsenter(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("nsenter"); err != nil {
		t.Skipf("programs are put into network namespaces by nsenter: %v", err)
	}
}

// wait waits until rouse has noticed, and has stopped the target, which nobody holds any more.
func (v *vanishing) wait(tr *trio) {
	tr.Helper()
	e := tr.rouse.awaitMsg(v.msg)
	after := e.Time.Sub(tr.gone).Round(time.Second)
	tr.Logf("%s: %s after %v, %s, %s", v.name, v.msg, after, e.Cause, e.Err)
	if after > v.within {
		tr.Errorf("%s: noticed after %v, want %v", v.name, after, v.within)
	}
	if v.cause != "" && e.Cause != v.cause || !strings.Contains(e.Err, v.err) {
		tr.Errorf("%s: the end is told as %q, %q; want %q, %q", v.name, e.Cause, e.Err, v.cause, v.err)
	}
	if v.cut {
		tr.conn.expectReset()
	}
	tr.release("boot")
	tr.release("answer")
	if stop := tr.rouse.awaitState("stopping"); stop.Time.Before(e.Time) {
		tr.Errorf("%s: the target was stopped under its client", v.name)
	}
	tr.awaitRuns("stop", 1)
}

// readsOn lets the client that has paused read all that it has asked for. Nothing was lost meanwhile, and nothing held up.
func (tr *trio) readsOn(answers []byte) {
	tr.Helper()
	if err := tr.conn.CloseWrite(); err != nil {
		tr.Error(err)
	}
	got, err := io.ReadAll(tr.conn)
	if err != nil || !bytes.Equal(got, answers) {
		tr.Errorf("after %v the client read %d bytes and %v, want the %d that it had asked for", paused, len(got), err, len(answers))
	}
	if e := tr.rouse.awaitMsg("client ended"); e.Cause != "closed" {
		tr.Errorf("it ended as %q, %q", e.Cause, e.Err)
	}
	tr.awaitRuns("stop", 1)
	tr.rouse.end()
}
