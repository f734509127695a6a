// Package probe says whether a target is ready: by a connection that stays open
// (tcp), by what the server says first (banner), by an HTTP answer (http, https), by a TLS
// handshake (tls), or by the user's own command (exec). It never waits out one attempt: fresh attempts
// start on a short beat, several are in flight, and the first good answer wins. A
// target that refuses is asked again within 5 ms while it is expected, and within
// 100 ms else; on Linux that costs about 3 % and 1 % of a core.
// The connection that proved a target ready is handed on to serve the first
// client, so nothing is thrown at the application only to be closed again.
package probe

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/rouse-proxy/rouse/internal/peek"
)

// ErrCannotAsk marks a failure on our side: out of descriptors, no network, no
// name server. It says nothing about the target.
var ErrCannotAsk = errors.New("the target cannot be asked")

// ErrAnswers marks a target that is not ready although somebody answers at its
// address: it runs.
var ErrAnswers = errors.New("somebody answers, but is not ready")

// The kinds of probe.
const (
	TCP    = "tcp"
	HTTP   = "http"
	HTTPS  = "https"
	TLS    = "tls"
	Banner = "banner"
	Exec   = "exec"
)

// Options describe a probe; the zero value is a plain TCP probe without settling.
type Options struct {
	Kind    string                                          // TCP when empty
	Path    string                                          // of HTTP and HTTPS: asked with GET
	Status  []StatusRange                                   // of HTTP and HTTPS: what an answer must have; empty: 200 to 399
	Expect  string                                          // of Banner: what the server's first bytes must be; empty: any byte
	Command func(ctx context.Context, address string) error // of Exec: nil means ready

	// ServerName is what TLS and HTTPS ask for (SNI); empty: the host of the address, if that is a name.
	ServerName string
	Verify     bool // whether TLS and HTTPS want a certificate that this machine trusts, for that name

	// Settle is how long a target must go on: of TCP, a fresh connection must stay open for it; with any other kind, the target is
	// asked again after it, and must be ready both times.
	Settle   time.Duration
	Interval time.Duration // between attempts; 0: rouse's own rhythm
	Timeout  time.Duration // of one attempt; 0: by the kind, and longer for a target that takes long
	Preamble []byte        // said first on a connection that asks the application, such as a PROXY header; never with TCP

	Allow func(remote netip.AddrPort) error                                    // why an address must not be connected to; nil: each may
	Dial  func(ctx context.Context, network, address string) (net.Conn, error) // the system's sockets when nil
}

// A StatusRange is a row of HTTP status codes, both ends included.
type StatusRange struct{ First, Last int }

// A Prober asks one target.
type Prober struct {
	opts Options
	pace pace
	try  func(ctx context.Context, address string) (net.Conn, error)
	once time.Duration // bound of Once

	direct bool // nothing stands between a plain connect and the system's sockets
	boots  boots
}

// New returns a prober.
func New(opts Options) (*Prober, error) {
	p := &Prober{opts: opts}
	if opts.Dial == nil {
		p.opts.Dial = (&net.Dialer{KeepAlive: -1}).DialContext // the relay sets keepalive
		p.direct = opts.Kind == "" || opts.Kind == TCP
	}
	switch opts.Kind {
	case "", TCP:
		p.pace, p.try, p.once = dialPace, p.dial, 3*time.Second
	case HTTP, HTTPS:
		p.pace, p.try, p.once = askPace, p.http, 3*time.Second
	case TLS:
		p.pace, p.try, p.once = askPace, p.tls, 3*time.Second
	case Banner:
		p.pace, p.try, p.once = askPace, p.banner, 3*time.Second
	case Exec:
		if opts.Command == nil {
			return nil, errors.New("an exec probe needs a command")
		}
		p.pace, p.try, p.once = commandPace, p.command, 10*time.Second
	default:
		return nil, fmt.Errorf("unknown kind of probe %q", opts.Kind)
	}
	p.slow(opts.Interval, opts.Timeout)
	return p, nil
}

// slow puts the user's own times in the place of ours.
func (p *Prober) slow(interval, timeout time.Duration) {
	if interval > 0 {
		p.pace.beat = func(time.Duration) time.Duration { return interval }
		p.pace.failed, p.pace.refused = interval, nil
	}
	if timeout > 0 {
		p.pace.limit = func(time.Duration) time.Duration { return timeout }
		p.once = timeout
	}
}

// Wait asks until the target at address is ready or ctx ends; then its error is
// that of the newest attempt. The connection is nil where the kind leaves none that a client could use.
//
// A target that refuses is asked often in the first seconds and around the time that
// its last boot took, more rarely else.
func (p *Prober) Wait(ctx context.Context, address string) (net.Conn, error) {
	began := time.Now()
	for {
		conn, err := p.seek(ctx, p.waiting(time.Since(began)), address)
		if err != nil {
			return nil, err
		}
		if conn, err = p.sure(ctx, conn, address); err == nil {
			p.boots.note(time.Since(began))
			return conn, nil
		}
		again := min(max(time.Since(began)/10, 25*time.Millisecond), dialBeat)
		if waitErr := pause(ctx, cmp.Or(p.opts.Interval, again)); waitErr != nil {
			return nil, err
		}
	}
}

// waiting is the pace of a race that begins after waited of waiting for the target.
func (p *Prober) waiting(waited time.Duration) pace {
	pace := p.pace
	pace.waited = waited
	if pace.refused != nil {
		pace.refused = p.boots.pause
	}
	return pace
}

// Once asks once, within a bound of its own: the timeout, without one 3 s, and 10 s for exec; and then for as long as settling takes. A failure that wraps [ErrCannotAsk] says nothing, one that
// wraps [ErrAnswers] that the target runs; any other is silence.
func (p *Prober) Once(ctx context.Context, address string) (net.Conn, error) {
	const slack = 250 * time.Millisecond // so that the attempt's own reason is heard
	limit := p.once + p.opts.Settle
	if !p.keeps() && p.opts.Settle > 0 {
		limit += p.once // it is asked twice
	}
	bounded, cancel := context.WithTimeout(ctx, limit+slack)
	defer cancel()
	single := p.pace
	single.limit = func(time.Duration) time.Duration { return p.once }
	single.most = 2 // one lost packet is no answer
	single.final = func(error) bool { return true }
	conn, err := race(bounded, single, p.bind(address))
	if err == nil {
		conn, err = p.sure(bounded, conn, address)
	}
	if p.opts.Kind == Exec && err != nil && !errors.Is(err, ErrCannotAsk) && ctx.Err() == nil {
		err = p.presence(ctx, address, err)
	}
	switch {
	case err == nil:
		return conn, nil
	case errors.Is(err, ErrCannotAsk), errors.Is(err, ErrAnswers):
		return nil, err
	case ctx.Err() != nil:
		return nil, fmt.Errorf("%w: %w", ErrCannotAsk, context.Cause(ctx))
	case errors.Is(err, context.DeadlineExceeded):
		return nil, fmt.Errorf("no answer within %v", limit)
	default:
		return nil, err
	}
}

// Dial connects to a target that is ready, for one more client: with fresh attempts
// on a short beat, until one is answered or fails other than by silence, or ctx ends.
// It takes up to [DialDescriptors] meanwhile.
func (p *Prober) Dial(ctx context.Context, address string) (net.Conn, error) {
	once := dialPace
	once.most = DialDescriptors
	once.final = func(err error) bool {
		timeout, ok := errors.AsType[net.Error](err)
		return !ok || !timeout.Timeout()
	}
	return race(ctx, once, func(ctx context.Context) (net.Conn, error) { return p.dial(ctx, address) })
}

func (p *Prober) bind(address string) func(context.Context) (net.Conn, error) {
	return func(ctx context.Context) (net.Conn, error) { return p.try(ctx, address) }
}

func (p *Prober) dial(ctx context.Context, address string) (net.Conn, error) {
	network := "tcp"
	if path, isUnix := strings.CutPrefix(address, "unix:"); isUnix {
		network, address = "unix", path
	}
	conn, err := p.opts.Dial(ctx, network, address)
	if err != nil {
		return nil, Blame(err)
	}
	return p.admit(conn)
}

// admit returns conn if it may be used, and closes it otherwise.
func (p *Prober) admit(conn net.Conn) (net.Conn, error) {
	if p.opts.Allow == nil {
		return conn, nil
	}
	remote, err := netip.ParseAddrPort(conn.RemoteAddr().String())
	if err != nil {
		return conn, nil // not a network of addresses, as in tests
	}
	if err := p.opts.Allow(remote); err != nil {
		_ = conn.Close()
		return nil, err
	}
	return conn, nil
}

// Blame marks a failure that lies on this machine with [ErrCannotAsk].
func Blame(err error) error {
	if ourFault(err) {
		return fmt.Errorf("%w: %w", ErrCannotAsk, err)
	}
	return err
}

// ourFault tells a failure that lies on this machine from one of the target's.
func ourFault(err error) bool {
	for _, errno := range []error{syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, syscall.EADDRNOTAVAIL, syscall.ENETUNREACH} {
		if errors.Is(err, errno) {
			return true
		}
	}
	dns, ok := errors.AsType[*net.DNSError](err)
	return ok && !dns.IsNotFound
}

// keeps says whether what proves the target ready is a connection that has to last.
func (p *Prober) keeps() bool { return p.opts.Kind == "" || p.opts.Kind == TCP }

// sure makes sure of a target that has just been found ready: a connection must last, and who answers must answer again.
// After an error nothing is left open.
func (p *Prober) sure(ctx context.Context, conn net.Conn, address string) (net.Conn, error) {
	switch {
	case p.opts.Settle <= 0:
		return conn, nil
	case p.keeps():
		err := p.settle(ctx, conn)
		if err != nil {
			_ = conn.Close()
			return nil, err
		}
		return conn, nil
	}
	if conn != nil {
		_ = conn.Close()
	}
	if err := pause(ctx, p.opts.Settle); err != nil {
		return nil, err
	}
	bounded, cancel := context.WithTimeout(ctx, p.once)
	defer cancel()
	conn, err := p.try(bounded, address)
	if err != nil {
		return nil, fmt.Errorf("ready, and not any more after %v: %w", p.opts.Settle, err)
	}
	return conn, nil
}

// settle watches a fresh connection before a client's bytes are entrusted to it: a
// port forwarder in front of a machine that still boots accepts, and then closes
// or resets. Bytes from the server prove more than the time does.
func (p *Prober) settle(ctx context.Context, conn net.Conn) error {
	if err := conn.SetReadDeadline(time.Now().Add(p.opts.Settle)); err != nil {
		return err
	}
	defer undeadline(conn)
	var first [1]byte
	_, err := firstBytes(ctx, conn, first[:])
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.Is(err, os.ErrDeadlineExceeded):
		return nil
	case errors.Is(err, errors.ErrUnsupported):
		return pause(ctx, p.opts.Settle)
	case errors.Is(err, io.EOF):
		return errors.New("accepted and closed again: a port forwarder whose target is not up yet?")
	case err != nil:
		return fmt.Errorf("accepted and cut again: %w", err)
	}
	return nil
}

// firstBytes is [peek.First], ended by ctx too.
func firstBytes(ctx context.Context, conn net.Conn, b []byte) (int, error) {
	stop := context.AfterFunc(ctx, func() { _ = conn.SetReadDeadline(time.Unix(1, 0)) })
	n, err := peek.First(conn, b)
	if !stop() { // the deadline is, or is about to be, in the past: the connection is of no use
		return n, context.Cause(ctx)
	}
	return n, err
}

func undeadline(conn net.Conn) { _ = conn.SetReadDeadline(time.Time{}) }

// pause waits for d or until ctx ends.
func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
