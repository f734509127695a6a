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
	"maps"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v5"
)

const mostRead = 64 << 10 // of an answer

// post sends requests.
type post struct {
	client *http.Client
	url    string
}

// do sends one. What will never do is not tried again.
func (p post) do(ctx context.Context, kind string, body []byte, headers http.Header) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.url, bytes.NewReader(body))
	if err != nil {
		return backoff.Permanent(errNoURL)
	}
	req.Header.Set("Content-Type", kind)
	req.Header.Set("User-Agent", "rouse")
	maps.Copy(req.Header, headers)
	resp, err := p.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, mostRead)) // so that the connection can be used again
	return judgeAnswer(resp)
}

// doJSON sends a value.
func (p post) doJSON(ctx context.Context, value any, headers http.Header) error {
	body, err := json.Marshal(value)
	if err != nil {
		return backoff.Permanent(errors.New("the message cannot be written as JSON"))
	}
	return p.do(ctx, "application/json", body, headers)
}

// judgeAnswer says whether it was taken, and if not whether and when it may be tried again.
func judgeAnswer(resp *http.Response) error {
	code := resp.StatusCode
	err := fmt.Errorf("it answers %d", code)
	switch {
	case code >= 200 && code < 300:
		return nil
	case code < 500 && code != http.StatusRequestTimeout && code != http.StatusTooEarly && code != http.StatusTooManyRequests:
		return backoff.Permanent(fmt.Errorf("it answers %d, which is final", code))
	}
	if wait := retryAfter(resp.Header.Get("Retry-After"), time.Now()); wait > 0 {
		return fmt.Errorf("%w: %w", err, &backoff.RetryAfterError{Duration: wait})
	}
	return err
}

// retryAfter reads seconds or a date. 0: it says nothing that can be used.
func retryAfter(s string, now time.Time) time.Duration {
	if seconds, err := strconv.ParseUint(s, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second
	}
	if at, err := http.ParseTime(s); err == nil {
		return max(at.Sub(now), 0)
	}
	return 0
}

// webhook sends the message as JSON, and signs it.
type webhook struct {
	post
	key string
}

func (w webhook) send(ctx context.Context, m Message) error {
	body, err := json.Marshal(m)
	if err != nil {
		return backoff.Permanent(errors.New("the message cannot be written as JSON"))
	}
	headers := http.Header{"Rouse-Delivery": {m.ID}}
	if w.key != "" {
		headers.Set("Rouse-Signature", Sign(w.key, time.Now(), body))
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

// urgent says whether somebody should look soon.
func urgent(m Message) bool { return m.Kind == Failures || m.Kind == CrashLoop || m.Kind == Budget }

// ntfy publishes to a topic (docs.ntfy.sh, Publishing).
type ntfy struct {
	post
	user *url.Userinfo
}

var ntfyTags = map[string]string{Failures: "warning", CrashLoop: "warning", Recovered: "white_check_mark"}

func (n ntfy) send(ctx context.Context, m Message) error {
	headers := http.Header{"Title": {mime.QEncoding.Encode("utf-8", oneLine(m.Title))}}
	if tag := ntfyTags[m.Kind]; tag != "" {
		headers.Set("Tags", tag)
	}
	if urgent(m) {
		headers.Set("Priority", "high")
	}
	if n.user != nil {
		headers.Set("Authorization", n.authorization())
	}
	text := m.Text
	if len(text) > 4000 { // it makes an attachment of more than 4096 bytes
		text = shorten(text, 1000)
	}
	return n.do(ctx, "text/plain; charset=utf-8", []byte(text), headers)
}

// authorization is a token if either name or password is missing.
func (n ntfy) authorization() string {
	name := n.user.Username()
	password, given := n.user.Password()
	switch {
	case name == "":
		return "Bearer " + password
	case !given:
		return "Bearer " + name
	}
	r := http.Request{Header: http.Header{}}
	r.SetBasicAuth(name, password)
	return r.Header.Get("Authorization")
}

// oneLine keeps a text from ending its header.
func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

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
	value := map[string]any{"title": m.Title, "message": m.Text, "priority": priority}
	return g.doJSON(ctx, value, http.Header{"X-Gotify-Key": {g.token}})
}

// slack posts to an incoming webhook (docs.slack.dev, Sending messages using incoming webhooks).
type slack struct{ post }

// slackEscape keeps the output of a hook from calling a whole channel.
var slackEscape = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")

func (s slack) send(ctx context.Context, m Message) error {
	return s.doJSON(ctx, map[string]any{"text": slackEscape.Replace(m.Title + "\n" + m.Text)}, nil)
}

// discord posts to a webhook (discord.com/developers, Execute Webhook).
type discord struct{ post }

func (d discord) send(ctx context.Context, m Message) error {
	return d.doJSON(ctx, map[string]any{
		"content":          shorten(m.Title+"\n"+m.Text, 1900), // it takes 2000 characters
		"allowed_mentions": map[string]any{"parse": []string{}},
	}, nil)
}
