package notify

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"io"
	"math/big"
	"net"
	"strings"
	"sync"
	"testing"
	"time"
)

// postOffice is a mail server. Its fields are set before it is opened.
type postOffice struct {
	cert    *tls.Certificate // not nil: it has STARTTLS
	auth    bool             // it has AUTH
	replies map[string][]string
	hangUp  bool // it ends the connection as soon as it has the mail
	silent  bool // it says nothing

	mu    sync.Mutex
	mails chan string
}

// open returns its address.
func (p *postOffice) open(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p.mails = make(chan string, 10)
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { p.serve(conn) })
		}
	})
	t.Cleanup(func() { _ = ln.Close(); wg.Wait() })
	return ln.Addr().String()
}

// reply is what is set for a verb, each once and the last for ever.
func (p *postOffice) reply(verb, usual string) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	set := p.replies[verb]
	if len(set) == 0 {
		return usual
	}
	if len(set) > 1 {
		p.replies[verb] = set[1:]
	}
	return set[0]
}

func (p *postOffice) serve(conn net.Conn) {
	defer func() { _ = conn.Close() }()
	var text strings.Builder
	in := bufio.NewReader(conn)
	say := func(s string) { _, _ = io.WriteString(conn, s+"\r\n") }
	if p.silent {
		p.mails <- "somebody is here"
		_, _ = io.Copy(io.Discard, in)
		return
	}
	secure, data := "", false
	say("220 box ESMTP")
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return
		}
		line = strings.TrimRight(line, "\r\n")
		text.WriteString(secure + line + "\n")
		verb, _, _ := strings.Cut(line, " ")
		switch {
		case data && line == ".":
			data = false
			answer := p.reply(".", "250 ok")
			say(answer)
			p.mails <- text.String()
			if p.hangUp {
				return
			}
		case data:
		case verb == "EHLO":
			say(strings.Join(p.extensions(secure != ""), "\r\n"))
		case verb == "STARTTLS":
			say("220 go on")
			conn = tls.Server(conn, &tls.Config{Certificates: []tls.Certificate{*p.cert}})
			in, secure = bufio.NewReader(conn), "secure: "
		case verb == "DATA":
			data = true
			say("354 go on")
		case verb == "QUIT":
			say("221 bye")
			return
		default:
			say(p.reply(verb, map[bool]string{true: "235 ok", false: "250 ok"}[verb == "AUTH"]))
		}
	}
}

func (p *postOffice) extensions(secure bool) []string {
	lines := []string{"250-box"}
	if p.cert != nil && !secure {
		lines = append(lines, "250-STARTTLS")
	}
	if p.auth {
		lines = append(lines, "250-AUTH PLAIN LOGIN")
	}
	return append(lines, "250 8BITMIME")
}

// certificate returns one of 127.0.0.1, and who trusts it.
func certificate(t *testing.T) (*tls.Certificate, *tls.Config) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	plan := &x509.Certificate{
		SerialNumber: big.NewInt(1), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, plan, plan, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(parsed)
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, &tls.Config{RootCAs: pool}
}

const addresses = "/?from=rouse@example.org&to=me@example.org,you@example.org"

func TestMailIsSent(t *testing.T) {
	p := &postOffice{}
	n, _ := startOne(t, Channel{Name: "post", URL: "smtp://" + p.open(t) + addresses + "&tls=none"})
	n.Sink(failed(0, "start", errBoot))
	text := <-p.mails
	for _, want := range []string{
		"MAIL FROM:<rouse@example.org>", "RCPT TO:<me@example.org>", "RCPT TO:<you@example.org>", "Subject: rouse: web could not be started",
		"no such image", "box", "Auto-Submitted: auto-generated", "Date: Mon, 02 Mar 2026 12:00:00 +0000",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
}

func TestAPasswordIsSentWithTLSAlone(t *testing.T) {
	cert, trust := certificate(t)
	p := &postOffice{cert: cert, auth: true}
	secret := base64.StdEncoding.EncodeToString([]byte("\x00me\x00" + canary))
	n, _, _ := start(t, Options{Channels: []Channel{{Name: "post", URL: "smtp://me:" + canary + "@" + p.open(t) + addresses}}, tls: trust})
	n.Sink(crash("web"))
	if text := <-p.mails; !strings.Contains(text, "secure: AUTH PLAIN "+secret) || !strings.Contains(text, "secure: MAIL FROM") {
		t.Errorf("sent\n%s", text)
	}
}

func TestMailWithTLSFromTheBeginning(t *testing.T) {
	cert, trust := certificate(t)
	p := &postOffice{auth: true}
	p.mails = make(chan string, 1)
	ln, err := tls.Listen("tcp4", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{*cert}})
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	defer wg.Wait()
	defer ln.Close()
	wg.Go(func() {
		conn, err := ln.Accept()
		if err != nil {
			return
		}
		p.serve(conn)
	})
	c := Channel{Name: "post", URL: "smtps://me:" + canary + "@" + ln.Addr().String() + addresses}
	n, _, _ := start(t, Options{Channels: []Channel{c}, tls: trust})
	n.Sink(crash("web"))
	if text := <-p.mails; !strings.Contains(text, "AUTH PLAIN ") {
		t.Errorf("sent\n%s", text)
	}
}

func TestAServerWithoutTLSGetsNothing(t *testing.T) {
	p := &postOffice{auth: true}
	c := Channel{Name: "post", URL: "smtp://me:" + canary + "@" + p.open(t) + addresses}
	s, err := outlet{}.open(c)
	if err != nil {
		t.Fatal(err)
	}
	err = s.send(t.Context(), Message{ID: "id"})
	if err == nil || !strings.Contains(err.Error(), "STARTTLS") || strings.Contains(err.Error(), canary) {
		t.Errorf("%v", err)
	}
}

func TestMailIsTriedAgainAsTheSameAndNotOnceItIsTaken(t *testing.T) {
	p := &postOffice{replies: map[string][]string{"RCPT": {"451 later", "250 ok"}}, hangUp: true}
	c := Channel{Name: "post", URL: "smtp://" + p.open(t) + addresses + "&tls=none"}
	n, log, end := start(t, Options{Channels: []Channel{c}, first: time.Millisecond})
	n.Sink(crash("web"))
	first := <-p.mails
	n.Sink(crash("db"))
	second := <-p.mails
	end()
	if !strings.Contains(first, "web dies") || !strings.Contains(second, "db dies") || len(p.mails) != 0 {
		t.Errorf("sent\n%s\nthen\n%s\nand %d more", first, second, len(p.mails))
	}
	if !strings.Contains(log.String(), "is tried again") {
		t.Errorf("log:\n%s", log)
	}
}

func TestARefusedMailIsFinal(t *testing.T) {
	p := &postOffice{replies: map[string][]string{"RCPT": {"550 me@example.org is unknown here", "550 no", "250 ok"}}}
	n, log := startOne(t, Channel{Name: "post", URL: "smtp://" + p.open(t) + addresses + "&tls=none"})
	n.Sink(crash("web"))
	n.Sink(crash("db"))
	if text := <-p.mails; !strings.Contains(text, "db dies") {
		t.Errorf("sent\n%s", text)
	}
	if !strings.Contains(log.String(), "was not delivered") || strings.Contains(log.String(), "example.org") {
		t.Errorf("log:\n%s", log)
	}
}

func TestASilentMailServerEndsWithItsAttempt(t *testing.T) {
	p := &postOffice{silent: true}
	s, err := outlet{}.open(Channel{Name: "post", URL: "smtp://" + p.open(t) + addresses + "&tls=none"})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-p.mails; cancel() }()
	began := time.Now()
	if err := s.send(ctx, Message{ID: "id"}); err == nil {
		t.Error("it was sent")
	}
	if took := time.Since(began); took > sendTime/2 {
		t.Errorf("it took %v", took)
	}
}
