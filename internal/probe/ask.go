package probe

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"
)

// banner connects and waits for the server to speak first. The bytes stay in the
// kernel, so the connection can still serve a client.
func (p *Prober) banner(ctx context.Context, address string) (net.Conn, error) {
	conn, err := p.open(ctx, address)
	if err != nil {
		return nil, err
	}
	err = p.greeted(ctx, conn)
	if err != nil || len(p.opts.Preamble) > 0 { // no client could begin on it
		_ = conn.Close()
		return nil, err
	}
	return conn, nil
}

func (p *Prober) greeted(ctx context.Context, conn net.Conn) error {
	seen := make([]byte, max(len(p.opts.Expect), 1))
	for {
		n, err := firstBytes(ctx, conn, seen)
		if err != nil {
			return fmt.Errorf("waiting for the server's first bytes: %w", err)
		}
		if n >= len(p.opts.Expect) || !bytes.HasPrefix([]byte(p.opts.Expect), seen[:n]) {
			break
		}
		// A piece of it: more must come, and a peek cannot wait for more.
		if err := pause(ctx, promptPause); err != nil {
			return fmt.Errorf("waiting for the rest of the server's first bytes: %w", err)
		}
	}
	if !bytes.HasPrefix(seen, []byte(p.opts.Expect)) {
		return fmt.Errorf("%w: the server said %q, expected %q", ErrAnswers, seen, p.opts.Expect)
	}
	return nil
}

// http asks for a page.
func (p *Prober) http(ctx context.Context, address string) (net.Conn, error) {
	transport := &http.Transport{
		DialContext:       func(ctx context.Context, _, _ string) (net.Conn, error) { return p.open(ctx, address) },
		TLSClientConfig:   p.tlsConfig(address),
		DisableKeepAlives: true,
	}
	defer transport.CloseIdleConnections()
	host := address
	if strings.HasPrefix(address, "unix:") {
		host = "localhost" // a socket has no name of its own
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, cmp.Or(p.opts.Kind, HTTP)+"://"+host+p.opts.Path, nil)
	if err != nil {
		return nil, fmt.Errorf("asking http: %w", err)
	}
	req.Header.Set("User-Agent", "rouse-probe")
	resp, err := transport.RoundTrip(req)
	if err != nil {
		return nil, distrusted(fmt.Errorf("asking %s: %w", req.URL, err))
	}
	defer resp.Body.Close()
	if !p.wanted(resp.StatusCode) {
		return nil, fmt.Errorf("%w: asking %s: answered %s", ErrAnswers, req.URL, resp.Status)
	}
	return nil, nil
}

// wanted says whether an answer with that status shows that the target is ready.
func (p *Prober) wanted(status int) bool {
	if len(p.opts.Status) == 0 {
		return status >= 200 && status <= 399
	}
	return slices.ContainsFunc(p.opts.Status, func(r StatusRange) bool { return r.First <= status && status <= r.Last })
}

// tls connects and shakes hands.
func (p *Prober) tls(ctx context.Context, address string) (net.Conn, error) {
	conn, err := p.open(ctx, address)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	if err := tls.Client(conn, p.tlsConfig(address)).HandshakeContext(ctx); err != nil {
		return nil, distrusted(fmt.Errorf("shaking hands: %w", err))
	}
	return nil, nil
}

// tlsConfig is for whoever is asked, however old its protocol: nothing is entrusted to it.
func (p *Prober) tlsConfig(address string) *tls.Config {
	name := p.opts.ServerName
	if host, _, err := net.SplitHostPort(address); err == nil && name == "" && !strings.HasPrefix(address, "unix:") {
		name = host
	}
	return &tls.Config{ServerName: name, InsecureSkipVerify: !p.opts.Verify, MinVersion: tls.VersionTLS10}
}

// distrusted marks a failure as an answer, if somebody has shaken hands whose certificate is not trusted.
func distrusted(err error) error {
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return fmt.Errorf("%w: %w", ErrAnswers, err)
	}
	return err
}

// open connects and says what has to come first.
func (p *Prober) open(ctx context.Context, address string) (net.Conn, error) {
	conn, err := p.dial(ctx, address)
	if err != nil || len(p.opts.Preamble) == 0 {
		return conn, err
	}
	if _, err := conn.Write(p.opts.Preamble); err != nil { // a fresh connection has room for it
		_ = conn.Close()
		return nil, fmt.Errorf("beginning to ask: %w", err)
	}
	return conn, nil
}

func (p *Prober) command(ctx context.Context, address string) (net.Conn, error) {
	return nil, p.opts.Command(ctx, address)
}

// presence finds out whether anybody is there, after the user's command has said no
// with err: a no is not silence.
func (p *Prober) presence(ctx context.Context, address string, err error) error {
	bounded, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	conn, dialErr := p.dial(bounded, address)
	switch {
	case errors.Is(dialErr, ErrCannotAsk):
		return errors.Join(dialErr, err)
	case dialErr != nil:
		return err
	}
	_ = conn.Close()
	return fmt.Errorf("%w: %w", ErrAnswers, err)
}

// An Asker asks a target once, as [Prober.Once] does.
type Asker interface {
	Once(ctx context.Context, address string) (net.Conn, error)
}

// ErrStillUp is why a target is not believed to be down.
var ErrStillUp = errors.New("somebody still answers")

// Silent is nil if nobody answers at an address, not even to say that it is not ready.
func Silent(ctx context.Context, a Asker, address string) error {
	conn, err := a.Once(ctx, address)
	switch {
	case errors.Is(err, ErrCannotAsk):
		return err
	case err != nil && !errors.Is(err, ErrAnswers):
		return nil
	}
	if conn != nil {
		_ = conn.Close()
	}
	return fmt.Errorf("%w at %s", ErrStillUp, address)
}
