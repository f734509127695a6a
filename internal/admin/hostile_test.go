package admin

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"
)

const goodToken = "0123456789abcdef0123456789abcdef"

// listenTCP answers on loopback until the test ends.
func listenTCP(t *testing.T, d Daemon) (address string, host string) {
	t.Helper()
	ln, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	own := netip.MustParseAddrPort(ln.Addr().String())
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		Serve(ctx, ln, d, Guard{Token: goodToken, Address: own, Hosts: []string{"rouse.example.org"}}, slog.New(slog.DiscardHandler))
	}()
	t.Cleanup(func() { cancel(); <-done })
	return ln.Addr().String(), ln.Addr().String()
}

// say sends raw bytes and returns the status of the answer; 0: the connection was ended without one.
func say(t *testing.T, address, text string) int {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(30 * time.Second))
	_, _ = io.WriteString(conn, text) // it may be refused in the middle
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return 0
	}
	defer resp.Body.Close()
	return resp.StatusCode
}

// changes are requests that change something, were they let through.
var changes = []struct{ method, path, body string }{
	{"POST", "/v1/targets/web/wake", ""},
	{"POST", "/v1/targets/web/stop", ""},
	{"POST", "/v1/targets/web/stop?force=yes", ""},
	{"POST", "/v1/targets/web/hold", `{"for":60}`},
	{"DELETE", "/v1/targets/web/hold", ""},
	{"POST", "/v1/targets/web/maintenance", `{"mode":"refuse"}`},
	{"DELETE", "/v1/targets/web/maintenance", ""},
	{"POST", "/v1/reload", ""},
}

// hostile are the requests, each with what makes it so.
func hostile(host string) map[string]string {
	all := map[string]string{}
	auth := "Authorization: Bearer " + goodToken + "\r\n"
	request := func(method, path, headers, body string) string {
		kind := ""
		if body != "" && !strings.Contains(headers, "Content-Type:") {
			kind = "Content-Type: application/json\r\n"
		}
		if body != "" && !strings.Contains(headers, "Content-Length:") && !strings.Contains(headers, "Transfer-Encoding:") {
			kind += fmt.Sprintf("Content-Length: %d\r\n", len(body))
		}
		return method + " " + path + " HTTP/1.1\r\n" + headers + kind + "Connection: close\r\n\r\n" + body
	}
	own, sign := "Host: "+host+"\r\n", "X-Rouse: 1\r\n"
	for _, c := range changes {
		name := c.method + " " + c.path
		for what, headers := range map[string]string{
			"no token":              own + sign,
			"a wrong token":         own + sign + "Authorization: Bearer " + strings.Repeat("0", len(goodToken)) + "\r\n",
			"half a token":          own + sign + "Authorization: Bearer " + goodToken[:16] + "\r\n",
			"a token as basic":      own + sign + "Authorization: Basic " + goodToken + "\r\n",
			"an empty token":        own + sign + "Authorization: Bearer \r\n",
			"no header of its own":  own + auth,
			"a foreign origin":      own + sign + auth + "Origin: https://evil.example\r\n",
			"an origin of null":     own + sign + auth + "Origin: null\r\n",
			"two origins":           own + sign + auth + "Origin: http://" + host + "\r\nOrigin: https://evil.example\r\n",
			"a cross-site page":     own + sign + auth + "Sec-Fetch-Site: cross-site\r\n",
			"a same-site page":      own + sign + auth + "Sec-Fetch-Site: same-site\r\n",
			"a foreign host":        "Host: evil.example\r\n" + sign + auth,
			"a host that contains":  "Host: rouse.example.org.evil.example\r\n" + sign + auth,
			"another address":       "Host: 10.0.0.1\r\n" + sign + auth,
			"no host":               "Host: \r\n" + sign + auth,
			"two hosts":             own + "Host: evil.example\r\n" + sign + auth,
			"a form":                own + sign + auth + "Content-Type: application/x-www-form-urlencoded\r\n",
			"a body of two lengths": own + sign + auth + "Content-Length: 1\r\nContent-Length: 2\r\n",
		} {
			body := c.body
			if what == "a form" && body == "" {
				body = "a=b"
			}
			all[what+": "+name] = request(c.method, c.path, headers, body)
		}
		all["by GET: "+name] = request("GET", c.path, own+sign+auth, "")
		all["by PUT: "+name] = request("PUT", c.path, own+sign+auth, c.body)
		all["by HEAD: "+name] = request("HEAD", c.path, own+sign+auth, "")
		all["by TRACE: "+name] = request("TRACE", c.path, own+sign+auth, "")
	}
	good := own + sign + auth
	maps.Copy(all, map[string]string{
		"an oversized body":             request("POST", "/v1/targets/web/hold", good, `{"for":60,"why":"`+strings.Repeat("x", mostBody)+`"}`),
		"an oversized body in chunks":   request("POST", "/v1/targets/web/hold", good+"Transfer-Encoding: chunked\r\n", fmt.Sprintf("%x\r\n{\"for\":60,\"why\":\"%s\"}\r\n0\r\n\r\n", 2*mostBody+19, strings.Repeat("x", 2*mostBody))),
		"oversized headers":             request("POST", "/v1/reload", good+"X-Long: "+strings.Repeat("x", 1<<20)+"\r\n", ""),
		"an oversized path":             request("POST", "/v1/targets/"+strings.Repeat("x", 1<<20)+"/wake", good, ""),
		"a body where none belongs":     request("POST", "/v1/reload", good, `{"hooks":{"start":"/bin/sh"}}`),
		"hooks in a hold":               request("POST", "/v1/targets/web/hold", good, `{"for":60,"hooks":{"start":["/bin/sh"]}}`),
		"hooks in a maintenance":        request("POST", "/v1/targets/web/maintenance", good, `{"mode":"refuse","command":"/bin/sh"}`),
		"a config":                      request("POST", "/v1/config", good, `{"targets":{}}`),
		"a target":                      request("POST", "/v1/targets", good, `{"name":"x"}`),
		"a wrong kind":                  request("POST", "/v1/targets/web/hold", good, `{"for":"an hour"}`),
		"not JSON":                      request("POST", "/v1/targets/web/hold", good, `for=60`),
		"a number out of range":         request("POST", "/v1/targets/web/hold", good, `{"for":1e300}`),
		"nested without end":            request("POST", "/v1/targets/web/hold", good, strings.Repeat("[", 20000)),
		"a proxy's request":             request("POST", "http://evil.example/v1/reload", good, ""),
		"a tunnel":                      request("CONNECT", "evil.example:80", good, ""),
		"traversal":                     request("GET", "/v1/../../etc/passwd", good, ""),
		"traversal, escaped":            request("GET", "/%2e%2e/%2e%2e/etc/passwd", good, ""),
		"traversal into assets":         request("GET", "/assets/..%2f..%2fweb.go", good, ""),
		"traversal with a backslash":    request("GET", `/assets/..\..\web.go`, good, ""),
		"a NUL":                         request("GET", "/v1/targets/%00/why", good, ""),
		"the page by POST":              request("POST", "/", good, ""),
		"no such version":               request("POST", "/v2/reload", good, ""),
		"HTTP/0.9":                      "GET /v1/status\r\n",
		"no HTTP at all":                "SSH-2.0-OpenSSH_9.2\r\n",
		"binary":                        "\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03",
		"a smuggled request":            request("POST", "/v1/targets/web/hold", good+"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\nPOST /v1/reload HTTP/1.1\r\n\r\n"),
		"a header with a bare newline":  "POST /v1/reload HTTP/1.1\r\n" + good + "X: a\nX-Evil : b\r\n\r\n",
		"an Upgrade":                    request("GET", "/v1/nowhere", good+"Upgrade: h2c\r\n", ""),
		"metrics without a token":       request("GET", "/metrics", own, ""),
		"status without a token":        request("GET", "/v1/status", own, ""),
		"events without a token":        request("GET", "/v1/events", own, ""),
		"a token in the query":          request("GET", "/v1/status?token="+goodToken, own, ""),
		"a token in a cookie":           request("GET", "/v1/status", own+"Cookie: token="+goodToken+"\r\n", ""),
		"status for a foreign page":     request("GET", "/v1/status", good+"Origin: https://evil.example\r\n", ""),
		"a preflight of a foreign page": request("OPTIONS", "/v1/reload", good+"Origin: https://evil.example\r\nAccess-Control-Request-Method: POST\r\n", ""),
		"a page under a foreign name":   request("GET", "/", "Host: evil.example\r\n", ""),
		"a time that is none":           request("GET", "/v1/savings?since=%27;DROP%20TABLE%20facts", good, ""),
		"a negative limit":              request("GET", "/v1/events?after=-1", good, ""),
	})
	return all
}

func TestHostileRequestsAreRefusedAndChangeNothing(t *testing.T) {
	d := &script{}
	address, host := listenTCP(t, d)
	all := hostile(host)
	if len(all) < 150 {
		t.Errorf("only %d requests", len(all))
	}
	var wg sync.WaitGroup
	room := make(chan struct{}, 32)
	for what, text := range all {
		wg.Go(func() {
			room <- struct{}{}
			defer func() { <-room }()
			if code := say(t, address, text); code != 0 && code != 501 && (code < 400 || code >= 500) {
				t.Errorf("%s: answered %d", what, code)
			}
		})
	}
	wg.Wait()
	if asked := d.all(); len(asked) > 0 {
		t.Errorf("it was done: %q", asked)
	}
	t.Logf("%d requests were refused", len(all))
}

// TestSlowRequestsKeepNobodyOut: those who never say the end of their request take no more than a connection each.
func TestSlowRequestsKeepNobodyOut(t *testing.T) {
	d := &script{}
	address, host := listenTCP(t, d)
	for range mostAsking / 2 {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		_, _ = io.WriteString(conn, "POST /v1/reload HTTP/1.1\r\nHost: "+host+"\r\n")
	}
	good := "GET /v1/status HTTP/1.1\r\nHost: " + host + "\r\nAuthorization: Bearer " + goodToken + "\r\nConnection: close\r\n\r\n"
	if code := say(t, address, good); code != 200 {
		t.Errorf("a good request is answered %d", code)
	}
	if len(d.all()) > 0 {
		t.Errorf("it was done: %q", d.all())
	}
}

func TestGoodRequestsAreAnswered(t *testing.T) {
	d := &script{}
	address, host := listenTCP(t, d)
	auth := "Authorization: Bearer " + goodToken + "\r\nConnection: close\r\n\r\n"
	for what, c := range map[string]struct {
		text string
		code int
	}{
		"by its address":     {"GET /v1/status HTTP/1.1\r\nHost: " + host + "\r\n" + auth, 200},
		"as localhost":       {"GET /v1/status HTTP/1.1\r\nHost: localhost:80\r\n" + auth, 200},
		"by a name":          {"GET /v1/status HTTP/1.1\r\nHost: ROUSE.example.org\r\n" + auth, 200},
		"by its own page":    {"POST /v1/reload HTTP/1.1\r\nHost: " + host + "\r\nOrigin: http://" + host + "\r\nSec-Fetch-Site: same-origin\r\nX-Rouse: 1\r\n" + auth, 200},
		"the page":           {"GET / HTTP/1.1\r\nHost: " + host + "\r\nConnection: close\r\n\r\n", 200},
		"in its other style": {"GET /v1/status HTTP/1.1\r\nHost: " + host + "\r\nauthorization: bearer " + goodToken + "\r\nConnection: close\r\n\r\n", 200},
	} {
		if code := say(t, address, c.text); code != c.code {
			t.Errorf("%s: answered %d", what, code)
		}
	}
	if strings.Join(d.all(), " ") != "reload" {
		t.Errorf("asked: %q", d.all())
	}
}
