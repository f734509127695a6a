package notify

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/wneessen/go-mail"
)

// schemes are those of the URLs.
var schemes = []string{"https", "http", "ntfy", "gotify", "slack", "discord", "smtp", "smtps"}

// Check says what is wrong with the URL of a channel, and shows nothing of it.
func Check(c Channel) error {
	_, err := parse(c, http.DefaultClient)
	return err
}

// parse makes a sender of a channel.
func parse(c Channel, client *http.Client) (sender, error) {
	u, err := url.Parse(c.URL)
	switch {
	case err != nil:
		return nil, errors.New("its url is not one: write such as ntfy://ntfy.example.org/topic")
	case !slices.Contains(schemes, u.Scheme):
		return nil, errors.New("its url begins with none of " + strings.Join(schemes, "://, ") + "://")
	case u.Host == "" || u.Hostname() == "":
		return nil, errors.New("its url names no host")
	case c.Key != "" && u.Scheme != "https" && u.Scheme != "http":
		return nil, errors.New("a key signs what is sent to a webhook, and this is none")
	}
	parts := strings.Split(strings.Trim(u.Path, "/"), "/")
	p := post{client: client, url: webOf(u)}
	switch u.Scheme {
	case "ntfy":
		if len(parts) != 1 || parts[0] == "" {
			return nil, errors.New("its url needs the topic behind the host, as in ntfy://ntfy.example.org/topic")
		}
		return ntfy{p, u.User}, nil
	case "gotify":
		if len(parts) != 1 || parts[0] == "" {
			return nil, errors.New("its url needs the token of the application behind the host, as in gotify://gotify.example.org/TOKEN")
		}
		p.url = strings.TrimSuffix(p.url, parts[0]) + "message"
		return gotify{p, parts[0]}, nil
	case "slack", "discord":
		if parts[0] == "" {
			return nil, errors.New("its url needs the path of the webhook behind the host")
		}
		return chat{p, map[string]string{"slack": "text", "discord": "content"}[u.Scheme]}, nil
	case "smtp", "smtps":
		return newMail(u)
	}
	p.url = c.URL
	return webhook{p, c.Key}, nil
}

// webOf is the address of a service: https, unless the URL says scheme=http, for one on this machine.
func webOf(u *url.URL) string {
	scheme := "https"
	if u.Query().Get("scheme") == "http" {
		scheme = "http"
	}
	return (&url.URL{Scheme: scheme, Host: u.Host, Path: "/" + strings.Trim(u.Path, "/")}).String()
}

// plain is an error without the URL, which may hold a secret.
func plain(err error) error {
	if u, ok := errors.AsType[*url.Error](err); ok {
		return u.Err
	}
	return err
}

// post sends requests.
type post struct {
	client *http.Client
	url    string
}

// do sends one. What will never do is not tried again.
func (p post) do(ctx context.Context, kind string, body []byte, headers map[string]string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.url, bytes.NewReader(body))
	if err != nil {
		return backoff.Permanent(errors.New("its url is not one"))
	}
	req.Header.Set("Content-Type", kind)
	req.Header.Set("User-Agent", "rouse")
	for k, v := range headers {
		req.Header.Set(k, v)
	}
	resp, err := p.client.Do(req)
	if err != nil {
		return plain(err)
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 64<<10)) // so that the connection can be used again
	switch code := resp.StatusCode; {
	case code >= 200 && code < 300:
		return nil
	case code == http.StatusTooManyRequests || code == http.StatusServiceUnavailable:
		if s, err := strconv.Atoi(resp.Header.Get("Retry-After")); err == nil && s > 0 && s <= 3600 {
			return backoff.RetryAfter(s)
		}
		return fmt.Errorf("it answers %d", code)
	case code >= 500 || code == http.StatusRequestTimeout || code == http.StatusTooEarly:
		return fmt.Errorf("it answers %d", code)
	default:
		return backoff.Permanent(fmt.Errorf("it answers %d, for good", code))
	}
}

// webhook sends the message as JSON, and signs it.
type webhook struct {
	post
	key string
}

func (w webhook) send(ctx context.Context, m Message) error {
	body, err := json.Marshal(m)
	if err != nil {
		return backoff.Permanent(err)
	}
	headers := map[string]string{"Rouse-Delivery": m.ID}
	if w.key != "" {
		headers["Rouse-Signature"] = Sign(w.key, time.Now(), body)
	}
	return w.do(ctx, "application/json", body, headers)
}

// Sign returns the value of the header Rouse-Signature: t=SECONDS,v1=HEX, an HMAC-SHA256 over the seconds, a dot and the body.
func Sign(key string, at time.Time, body []byte) string {
	seconds := strconv.FormatInt(at.Unix(), 10)
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write([]byte(seconds + "."))
	mac.Write(body)
	return "t=" + seconds + ",v1=" + hex.EncodeToString(mac.Sum(nil))
}

// ntfy publishes to a topic (docs.ntfy.sh, Publishing).
type ntfy struct {
	post
	user *url.Userinfo
}

func (n ntfy) send(ctx context.Context, m Message) error {
	headers := map[string]string{"Title": header(m.Title), "Tags": map[string]string{Failures: "warning", CrashLoop: "warning", Recovered: "white_check_mark"}[m.Kind]}
	if urgent(m) {
		headers["Priority"] = "high"
	}
	if n.user != nil {
		secret, _ := n.user.Password()
		if name := n.user.Username(); name != "" {
			r := http.Request{Header: http.Header{}}
			r.SetBasicAuth(name, secret)
			headers["Authorization"] = r.Header.Get("Authorization")
		} else {
			headers["Authorization"] = "Bearer " + secret
		}
	}
	return n.do(ctx, "text/plain; charset=utf-8", []byte(m.Text), headers)
}

// header keeps a text from ending its header.
func header(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return ' '
		}
		return r
	}, s)
}

func urgent(m Message) bool { return m.Kind == Failures || m.Kind == CrashLoop || m.Kind == Budget }

// gotify creates a message of an application (gotify.net, Push messages).
type gotify struct {
	post
	token string
}

func (g gotify) send(ctx context.Context, m Message) error {
	priority := 4
	if urgent(m) {
		priority = 8
	}
	body, err := json.Marshal(map[string]any{"title": m.Title, "message": m.Text, "priority": priority})
	if err != nil {
		return backoff.Permanent(err)
	}
	return g.do(ctx, "application/json", body, map[string]string{"X-Gotify-Key": g.token})
}

// chat posts one text under one key: so Slack and Discord take it.
type chat struct {
	post
	key string
}

func (c chat) send(ctx context.Context, m Message) error {
	text := m.Title + "\n" + m.Text
	if len(text) > 1900 { // Discord takes 2000 characters
		text = strings.ToValidUTF8(text[:1900], "") + " …"
	}
	values := map[string]any{c.key: text}
	if c.key == "content" {
		values["allowed_mentions"] = map[string]any{"parse": []string{}} // a hook's output names nobody
	}
	body, err := json.Marshal(values)
	if err != nil {
		return backoff.Permanent(err)
	}
	return c.do(ctx, "application/json", body, nil)
}

// letter sends mail.
type letter struct {
	host    string
	from    string
	to      []string
	options []mail.Option
}

// newMail reads smtp://USER:PASSWORD@HOST:PORT/?from=A&to=B,C: STARTTLS unless tls=none, or TLS from the beginning with smtps.
func newMail(u *url.URL) (sender, error) {
	q := u.Query()
	l := letter{host: u.Hostname(), from: q.Get("from")}
	for to := range strings.SplitSeq(q.Get("to"), ",") {
		if to = strings.TrimSpace(to); to != "" {
			l.to = append(l.to, to)
		}
	}
	if l.from == "" || len(l.to) == 0 {
		return nil, errors.New("its url needs ?from=ADDRESS&to=ADDRESS")
	}
	if err := l.letter(Message{}).err; err != nil {
		return nil, errors.New("an address of mail in its url is not one")
	}
	policy := mail.TLSMandatory
	switch {
	case q.Get("tls") == "none":
		policy = mail.NoTLS
	case q.Get("tls") != "":
		return nil, errors.New("tls in its url is none, or is left out")
	}
	l.options = append(l.options, mail.WithTLSPolicy(policy), mail.WithTimeout(sendTime))
	if u.Scheme == "smtps" {
		l.options = append(l.options, mail.WithSSL())
	}
	if port := u.Port(); port != "" {
		n, err := strconv.Atoi(port)
		if err != nil {
			return nil, errors.New("the port in its url is not one")
		}
		l.options = append(l.options, mail.WithPort(n))
	}
	if u.User != nil {
		password, _ := u.User.Password()
		l.options = append(l.options, mail.WithSMTPAuth(mail.SMTPAuthAutoDiscover), mail.WithUsername(u.User.Username()), mail.WithPassword(password))
	}
	if _, err := mail.NewClient(l.host, l.options...); err != nil {
		return nil, errors.New("its url is not one of a mail server")
	}
	return l, nil
}

// written is a letter, or why there is none.
type written struct {
	msg *mail.Msg
	err error
}

func (l letter) letter(m Message) written {
	msg := mail.NewMsg()
	err := errors.Join(msg.From(l.from), msg.To(l.to...))
	msg.Subject("rouse: " + header(m.Title))
	msg.SetBodyString(mail.TypeTextPlain, m.Text+"\n\n"+m.Host+", "+m.At.Format(time.RFC1123Z)+"\n")
	return written{msg, err}
}

func (l letter) send(ctx context.Context, m Message) error {
	w := l.letter(m)
	if w.err != nil {
		return backoff.Permanent(errors.New("an address of mail in its url is not one"))
	}
	client, err := mail.NewClient(l.host, l.options...)
	if err != nil {
		return backoff.Permanent(errors.New("its url is not one of a mail server"))
	}
	if err := client.DialAndSendWithContext(ctx, w.msg); err != nil {
		return fmt.Errorf("sending mail: %w", err)
	}
	return nil
}
