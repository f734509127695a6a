package notify

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/netip"
	"net/textproto"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/wneessen/go-mail"
)

// What can be wrong with the URL of a mail server.
var (
	errAddresses = errors.New("its url needs ?from=ADDRESS&to=ADDRESS")
	errAddress   = errors.New("an address of mail in its url is not one")
	errMailTLS   = errors.New("tls in its url is none, or is left out")
	errPort      = errors.New("the port in its url is not one")
	errClear     = errors.New("a password is not sent without TLS: leave tls=none out, unless the server is on this machine")
	errMail      = errors.New("its url is not one of a mail server")
)

// mechanisms are the ways to authenticate, the best first. The library sends a password on an encrypted connection only, or to
// this machine.
var mechanisms = []mail.SMTPAuthType{
	mail.SMTPAuthSCRAMSHA256, mail.SMTPAuthSCRAMSHA1, mail.SMTPAuthCramMD5, mail.SMTPAuthPlain, mail.SMTPAuthLogin,
}

// letter sends mail.
type letter struct {
	address string // host and port
	host    string
	from    string
	to      []string
	tls     *tls.Config // not nil: from the beginning
	options []mail.Option
}

// newMail reads smtp://USER:PASSWORD@HOST:PORT/?from=A&to=B,C: STARTTLS unless tls=none, or TLS from the beginning with smtps or
// at port 465.
func newMail(u *url.URL, config *tls.Config) (sender, error) {
	q, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return nil, errParameter
	}
	for name := range q {
		if name != "from" && name != "to" && name != "tls" {
			return nil, errParameter
		}
	}
	l := letter{host: u.Hostname(), from: q.Get("from")}
	for to := range strings.SplitSeq(strings.Join(q["to"], ","), ",") {
		if to = strings.TrimSpace(to); to != "" {
			l.to = append(l.to, to)
		}
	}
	if l.from == "" || len(l.to) == 0 {
		return nil, errAddresses
	}
	if _, err := l.write(Message{}); err != nil {
		return nil, errAddress
	}
	if err := l.transport(u, q.Get("tls"), config); err != nil {
		return nil, err
	}
	if u.User != nil {
		password, _ := u.User.Password()
		l.options = append(l.options, mail.WithOpportunisticSMTPAuth(mechanisms...),
			mail.WithUsername(u.User.Username()), mail.WithPassword(password))
	}
	if _, err := mail.NewClient(l.host, l.options...); err != nil {
		return nil, errMail
	}
	return l, nil
}

// transport reads how the server is reached.
func (l *letter) transport(u *url.URL, word string, config *tls.Config) error {
	if config == nil {
		config = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	config = config.Clone()
	config.ServerName = l.host
	port, policy := u.Port(), mail.TLSMandatory
	switch {
	case word != "" && word != "none", word == "none" && u.Scheme == "smtps":
		return errMailTLS
	case word == "none":
		policy = mail.NoTLS
		if u.User != nil && !local(l.host) {
			return errClear
		}
	case u.Scheme == "smtps" || port == "465":
		policy, l.tls = mail.NoTLS, config
	}
	if port == "" {
		port = map[bool]string{true: "465", false: "587"}[l.tls != nil]
	}
	n, err := strconv.Atoi(port)
	if err != nil || n < 1 || n > 65535 {
		return errPort
	}
	l.address = net.JoinHostPort(l.host, port)
	l.options = append(l.options, mail.WithTLSPolicy(policy), mail.WithTLSConfig(config), mail.WithTimeout(sendTime), mail.WithPort(n))
	return nil
}

// local says whether a host is this machine.
func local(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}

// write makes the mail of a message.
func (l letter) write(m Message) (*mail.Msg, error) {
	msg := mail.NewMsg()
	if err := errors.Join(msg.From(l.from), msg.To(l.to...)); err != nil {
		return nil, errAddress
	}
	_, domain, _ := strings.Cut(l.from, "@")
	msg.SetMessageIDWithValue(m.ID + "@" + strings.Trim(domain, "<> ")) // the same at each attempt, so that no reader has it twice
	msg.SetDateWithValue(m.At)
	msg.SetGenHeader("Auto-Submitted", "auto-generated")
	msg.Subject("rouse: " + oneLine(m.Title))
	msg.SetBodyString(mail.TypeTextPlain, m.Text+"\n\n"+m.Host+", "+m.At.Format(time.RFC1123Z)+"\n")
	return msg, nil
}

func (l letter) send(ctx context.Context, m Message) error {
	msg, err := l.write(m)
	if err != nil {
		return backoff.Permanent(err)
	}
	var c call
	defer c.hangUp()
	dial := func(_ context.Context, network, _ string) (net.Conn, error) { return c.dial(ctx, network, l) }
	client, err := mail.NewClient(l.host, append(l.options[:len(l.options):len(l.options)], mail.WithDialContextFunc(dial))...)
	if err != nil {
		return backoff.Permanent(errMail)
	}
	session, err := client.DialToSMTPClientWithContext(ctx)
	if err != nil {
		return judgeReply(err)
	}
	err = client.SendWithSMTPClient(session, msg)
	if msg.IsDelivered() {
		_ = session.Quit() // that it has taken the mail is what counts: else it would get it again
		return nil
	}
	return judgeReply(err)
}

// A call is a connection that ends with its attempt: the library knows the end of an attempt only while it dials, and leaves a
// connection open on which it could not authenticate.
type call struct {
	conn net.Conn
	stop func() bool
}

func (c *call) dial(ctx context.Context, network string, l letter) (net.Conn, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, network, l.address)
	if err != nil {
		return nil, err
	}
	c.conn = conn
	c.stop = context.AfterFunc(ctx, func() { _ = conn.Close() })
	if l.tls == nil {
		return conn, nil
	}
	secure := tls.Client(conn, l.tls)
	if err := secure.HandshakeContext(ctx); err != nil {
		return nil, err
	}
	return secure, nil
}

func (c *call) hangUp() {
	if c.conn != nil {
		c.stop()
		_ = c.conn.Close()
	}
}

// judgeReply says whether an error is final: replies of 500 and more are.
func judgeReply(err error) error {
	if reply, ok := errors.AsType[*textproto.Error](err); ok && reply.Code >= 500 {
		return backoff.Permanent(err)
	}
	if failed, ok := errors.AsType[*mail.SendError](err); ok && failed.ErrorCode() >= 500 {
		return backoff.Permanent(err)
	}
	return err
}
