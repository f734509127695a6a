package notify

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

var errMention = errors.New("exit code 1: @everyone <!channel> é")

func TestEachServiceGetsWhatItWants(t *testing.T) {
	host, requests := service(t, 200)
	says := func(g got, texts ...string) bool {
		return !slices.ContainsFunc(texts, func(s string) bool { return !strings.Contains(g.body, s) })
	}
	for _, c := range []struct {
		url, path string
		check     func(got) bool
	}{
		{"ntfy://:" + canary + "@" + host + "/topic?scheme=http", "/topic", func(g got) bool {
			return g.header.Get("Title") == "web could not be started" && g.header.Get("Authorization") == "Bearer "+canary &&
				g.header.Get("Priority") == "high" && says(g, "é")
		}},
		{"ntfys://" + canary + "@" + host + "/topic?scheme=http", "/topic", func(g got) bool {
			return g.header.Get("Authorization") == "Bearer "+canary
		}},
		{"ntfy://" + host + "/topic?scheme=http", "/topic", func(g got) bool { return g.header.Get("Authorization") == "" }},
		{"ntfy://person:" + canary + "@" + host + "/topic?scheme=http", "/topic", func(g got) bool {
			r := http.Request{Header: g.header}
			name, password, _ := r.BasicAuth()
			return name == "person" && password == canary
		}},
		{"gotify://" + host + "/" + canary + "?scheme=http", "/message", func(g got) bool {
			return g.header.Get("X-Gotify-Key") == canary && says(g, `"priority":8`, `"title":"web could not be started"`)
		}},
		{"gotify://" + host + "/below/" + canary + "?scheme=http", "/below/message", func(g got) bool {
			return g.header.Get("X-Gotify-Key") == canary
		}},
		{"slack://" + host + "/services/T/" + canary + "?scheme=http", "/services/T/" + canary, func(g got) bool {
			var v struct{ Text string }
			err := json.Unmarshal([]byte(g.body), &v)
			return err == nil && strings.HasPrefix(v.Text, "web could not be started\n") && strings.Contains(v.Text, "&lt;!channel&gt;")
		}},
		{"discord://" + host + "/api/webhooks/1/" + canary + "?scheme=http", "/api/webhooks/1/" + canary, func(g got) bool {
			return says(g, `"content":"web could`, `"parse":[]`)
		}},
	} {
		n, _ := startOne(t, Channel{Name: "phone", URL: c.url})
		n.Sink(failed(0, "start", errMention))
		if g := <-requests; g.path != c.path || !c.check(g) {
			t.Errorf("%s: %+v", strings.ReplaceAll(c.url, canary, "SECRET"), g)
		}
	}
}

func TestTheBodyOfAWebhookIsStable(t *testing.T) {
	host, requests := service(t, 204)
	n, _ := startOne(t, Channel{Name: "phone", URL: "http://" + host + "/hook/" + canary + "?a=" + canary})
	n.Sink(wake("web"))
	n.Sink(failed(0, "start", errBoot))
	g := <-requests
	var body map[string]any
	if err := json.Unmarshal([]byte(g.body), &body); err != nil {
		t.Fatal(err)
	}
	id := g.header.Get("Rouse-Delivery")
	want := map[string]any{
		"id": id, "at": "2026-03-02T12:00:00Z", "kind": "failures", "target": "web", "host": "box", "title": "web could not be started",
		"text":  "start hook: exit code 1: no such image\nIt was to be started because of: client 192.0.2.7",
		"cause": "client 192.0.2.7", "error": "start hook: exit code 1: no such image", "from": "", "to": "", "count": 1.0,
	}
	if !maps.Equal(body, want) || id == "" || g.path != "/hook/"+canary || g.header.Get("Content-Type") != "application/json" {
		t.Errorf("got %v\nwant %v\n%+v", body, want, g.header)
	}
	if g.header.Get("Rouse-Signature") != "" {
		t.Error("signed without a key")
	}
}

func TestAStateStandsInTheBody(t *testing.T) {
	host, requests := service(t, 204)
	n, _ := startOne(t, Channel{Name: "phone", URL: "http://" + host + "/", Groups: []string{Stops}})
	n.Sink(state(0, "stopping", "stopped"))
	if g := <-requests; !strings.Contains(g.body, `"from":"stopping","to":"stopped"`) {
		t.Errorf("%s", g.body)
	}
}

// TestASignatureIsOverTheTimeAndTheBody computes it as the documentation tells receivers to.
func TestASignatureIsOverTheTimeAndTheBody(t *testing.T) {
	host, requests := service(t, 204)
	n, _ := startOne(t, Channel{Name: "phone", URL: "http://" + host + "/", Key: canary})
	n.Sink(failed(0, "stop", errBoot))
	g := <-requests
	seconds, signature, ok := strings.Cut(strings.TrimPrefix(g.header.Get("Rouse-Signature"), "t="), ",v1=")
	mac := hmac.New(sha256.New, []byte(canary))
	mac.Write([]byte(seconds + "." + g.body))
	if want := hex.EncodeToString(mac.Sum(nil)); !ok || signature != want {
		t.Errorf("%q, want %q", g.header.Get("Rouse-Signature"), want)
	}
}

// TestTheWorkedExampleIsTrue is the one of docs/notifications.md.
func TestTheWorkedExampleIsTrue(t *testing.T) {
	const want = "t=1774872000,v1=ab7ecdf82f743b66bf9bdbab94f8da5216230eac9346fc2a5c5aef2026c2fa8e"
	if got := Sign("correct horse", time.Unix(1774872000, 0), []byte(`{"id":"JQ3Y","kind":"failures"}`)); got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestLongTextsKeepTheirBeginningAndTheirEnd(t *testing.T) {
	for _, s := range []string{strings.Repeat("a", 5000), strings.Repeat("é", 5000), strings.Repeat("𝔢", 5000)} {
		short := shorten("begin"+s+"end", 1900)
		if n := utf8.RuneCountInString(short); n != 1900 || !strings.HasPrefix(short, "begin") || !strings.HasSuffix(short, "end") {
			t.Errorf("%d characters", n)
		}
	}
	host, requests := service(t, 200)
	n, _ := startOne(t, Channel{Name: "phone", URL: "ntfy://" + host + "/topic?scheme=http"})
	n.Sink(failed(0, "start", errors.New(strings.Repeat("𝔢", 5000)+" the end")))
	if g := <-requests; len(g.body) > 4096 || !strings.HasSuffix(g.body, " the end") {
		t.Errorf("%d bytes", len(g.body))
	}
}
