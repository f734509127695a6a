package notify

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
)

// broken is a transport that fails and tells where to.
type broken struct{}

func (broken) RoundTrip(r *http.Request) (*http.Response, error) {
	return nil, fmt.Errorf("dial %s: no route to %s", r.URL, r.URL.Hostname())
}

func TestFormsOfURLs(t *testing.T) {
	for raw, want := range map[string]string{
		"https://example.org/hook?x=1":                           "https://example.org/hook?x=1",
		"ntfy://ntfy.example.org/topic":                          "https://ntfy.example.org/topic",
		"ntfys://ntfy.example.org:8443/topic":                    "https://ntfy.example.org:8443/topic",
		"gotify://gotify.example.org/TOKEN":                      "https://gotify.example.org/message",
		"slack://hooks.slack.com/services/T/B/X":                 "https://hooks.slack.com/services/T/B/X",
		"slack://hook/T/B/X":                                     "https://hooks.slack.com/services/T/B/X",
		"slack://hook:T-B-X@webhook":                             "https://hooks.slack.com/services/T/B/X",
		"https://hooks.slack.com/services/T/B/X":                 "https://hooks.slack.com/services/T/B/X",
		"discord://TOKEN@123":                                    "https://discord.com/api/webhooks/123/TOKEN",
		"discord://discord.com/api/webhooks/123/TOKEN":           "https://discord.com/api/webhooks/123/TOKEN",
		"https://discord.com/api/webhooks/123/TOKEN?thread_id=7": "https://discord.com/api/webhooks/123/TOKEN?thread_id=7",
	} {
		s, err := outlet{client: http.DefaultClient}.open(Channel{URL: raw})
		if err != nil {
			t.Errorf("%s: %v", raw, err)
			continue
		}
		var got string
		switch s := s.(type) {
		case webhook:
			got = s.url
		case ntfy:
			got = s.url
		case gotify:
			got = s.url
		case slack:
			got = s.url
		case discord:
			got = s.url
		}
		if got != want {
			t.Errorf("%s: %T to %s, want %s", raw, s, got, want)
		}
		if isWebhook := strings.HasPrefix(raw, "https://example.org"); isWebhook != isA[webhook](s) {
			t.Errorf("%s is taken for a %T", raw, s)
		}
	}
}

func isA[T any](v any) bool { _, ok := v.(T); return ok }

func TestPortsAndTLSOfMail(t *testing.T) {
	const to = "/?from=a@example.org&to=b@example.org"
	for raw, want := range map[string]struct {
		address string
		tls     bool
	}{
		"smtp://mail.example.org" + to:                {"mail.example.org:587", false},
		"smtp://me:x@mail.example.org:2525" + to:      {"mail.example.org:2525", false},
		"smtp://mail.example.org:465" + to:            {"mail.example.org:465", true},
		"smtps://mail.example.org" + to:               {"mail.example.org:465", true},
		"smtp://me:x@localhost:25" + to + "&tls=none": {"localhost:25", false},
	} {
		s, err := outlet{}.open(Channel{URL: raw})
		if l, ok := s.(letter); err != nil || !ok || l.address != want.address || (l.tls != nil) != want.tls {
			t.Errorf("%s: %+v, %v", raw, s, err)
		}
	}
}

var urlErrors = []error{
	errNoURL, errScheme, errNoHost, errKey, errParameter, errPlain, errNtfy, errGotify, errSlack, errDiscord,
	errAddresses, errAddress, errMailTLS, errPort, errClear, errMail,
}

// FuzzURL holds that no URL makes New fail with a text that is not known beforehand, and that what a delivery fails with is shown
// without anything of it.
func FuzzURL(f *testing.F) {
	f.Fuzz(func(t *testing.T, raw string) {
		c := Channel{Name: "x", URL: raw}
		s, err := outlet{client: newClient(&http.Client{Transport: broken{}})}.open(c)
		if err != nil {
			if !slices.ContainsFunc(urlErrors, func(known error) bool { return err == known }) {
				t.Errorf("an error that may show something: %v", err)
			}
			return
		}
		if _, isMail := s.(letter); isMail || strings.ContainsAny(raw, "*") {
			return // it would be dialled; and the veil is made of these
		}
		ch := channel{Channel: c, veil: veilOf(c)}
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		err = s.send(ctx, Message{ID: "id", Title: "title", Text: "text"})
		if err == nil {
			t.Fatal("it was delivered")
		}
		text := ch.plain(errors.Join(err, &url.Error{Op: "Post", URL: raw, Err: err}))
		for _, part := range partsOf(c) {
			if strings.Contains(text, part) {
				t.Errorf("%q is in %q", part, text)
			}
		}
	})
}
