package shape

import (
	"crypto/tls"
	"errors"
	"net"
	"regexp"
	"strings"
	"testing"
	"time"
)

// clientHello returns what Go's own TLS client says first.
func clientHelloOf(t testing.TB, server string) []byte {
	t.Helper()
	here, there := net.Pipe()
	defer here.Close()
	defer there.Close()
	go func() {
		c := tls.Client(there, &tls.Config{ServerName: server, InsecureSkipVerify: true, NextProtos: []string{"h2", "http/1.1"}})
		_ = c.Handshake() // ends when the pipe is closed
	}()
	_ = here.SetReadDeadline(time.Now().Add(10 * time.Second))
	b := make([]byte, Most)
	n, err := here.Read(b)
	if err != nil {
		t.Fatal(err)
	}
	return b[:n]
}

func postgresStartup(pairs ...string) []byte {
	body := "\x00\x03\x00\x00" + strings.Join(pairs, "\x00") + "\x00\x00"
	n := len(body) + 4
	return append([]byte{0, 0, byte(n >> 8), byte(n)}, body...)
}

func gameHandshake(host string, next byte) []byte {
	body := append([]byte{0, 0xff, 5, byte(len(host))}, host...)
	body = append(body, 0x63, 0xdd, next)
	return append([]byte{byte(len(body))}, body...)
}

// told are whole messages and what they say.
func told(t testing.TB) map[string]struct {
	kind  Kind
	bytes []byte
	want  Hello
} {
	type one = struct {
		kind  Kind
		bytes []byte
		want  Hello
	}
	rdp := append([]byte{3, 0, 0, 44, 39, 0xe0, 0, 0, 0, 0, 0}, "Cookie: mstshash=alice\r\n\x01\x00\x08\x00\x0b\x00\x00\x00\x00"...)
	rdp[3] = byte(len(rdp))
	rdp[4] = byte(len(rdp) - 5)
	mqtt := append([]byte{0x10, 0}, "\x00\x04MQTT\x04\xc2\x00\x3c\x00\x03cam\x00\x05alice\x00\x02pw"...)
	mqtt[1] = byte(len(mqtt) - 2)
	return map[string]one{
		"tls":             {TLS, clientHelloOf(t, "Shop.example.org"), Hello{Kind: TLS, Name: "shop.example.org"}},
		"http":            {HTTP, []byte("GET /a/b?q HTTP/1.1\r\nHost: Shop.example.org:80\r\nUser-Agent: curl/8\r\n\r\n"), Hello{Kind: HTTP, Method: "GET", Path: "/a/b", Name: "shop.example.org", UserAgent: "curl/8"}},
		"http absolute":   {HTTP, []byte("GET http://a.example/x HTTP/1.1\nHost: b.example\n\n"), Hello{Kind: HTTP, Method: "GET", Path: "/x", Name: "a.example"}},
		"http2":           {HTTP, []byte(preface), Hello{Kind: HTTP, Method: "PRI"}},
		"ssh":             {SSH, []byte("SSH-2.0-OpenSSH_9.6 Debian\r\n"), Hello{Kind: SSH, Client: "OpenSSH_9.6"}},
		"postgres":        {Postgres, postgresStartup("user", "alice", "database", "shop"), Hello{Kind: Postgres, User: "alice", Database: "shop"}},
		"postgres alone":  {Postgres, postgresStartup("user", "alice"), Hello{Kind: Postgres, User: "alice", Database: "alice"}},
		"postgres ssl":    {Postgres, []byte("\x00\x00\x00\x08\x04\xd2\x16\x2f"), Hello{Kind: Postgres, Encrypt: true}},
		"postgres gss":    {Postgres, []byte("\x00\x00\x00\x08\x04\xd2\x16\x30"), Hello{Kind: Postgres, Encrypt: true}},
		"postgres cancel": {Postgres, []byte("\x00\x00\x00\x10\x04\xd2\x16\x2e\x00\x00\x00\x01\x00\x00\x00\x02"), Hello{Kind: Postgres, Cancel: true}},
		"minecraft login": {Minecraft, gameHandshake("Mc.example.org.", 2), Hello{Kind: Minecraft, Name: "mc.example.org", Login: true}},
		"minecraft forge": {Minecraft, gameHandshake("mc.example.org\x00FML3\x00", 2), Hello{Kind: Minecraft, Name: "mc.example.org", Login: true}},
		"minecraft ping":  {Minecraft, gameHandshake("mc.example.org", 1), Hello{Kind: Minecraft, Name: "mc.example.org"}},
		"minecraft old":   {Minecraft, []byte{0xfe}, Hello{Kind: Minecraft}},
		"rdp":             {RDP, rdp, Hello{Kind: RDP, User: "alice"}},
		"mqtt":            {MQTT, mqtt, Hello{Kind: MQTT, Client: "cam", User: "alice"}},
		"redis":           {Redis, []byte("*2\r\n$4\r\nAUTH\r\n$2\r\npw\r\n"), Hello{Kind: Redis, Command: "AUTH"}},
		"redis line":      {Redis, []byte("ping\r\n"), Hello{Kind: Redis, Command: "PING"}},
	}
}

func TestWholeMessagesAreUnderstood(t *testing.T) {
	for name, c := range told(t) {
		for _, read := range map[string]func([]byte) (Hello, error){"its own": c.kind.Read, "any": Guess} {
			got, err := read(c.bytes)
			if err != nil || !equal(got, c.want) {
				t.Errorf("%s: %+v, %v; want %+v", name, got, err, c.want)
			}
		}
	}
}

func equal(a, b Hello) bool {
	return a == b
}

// Whoever looks early is told that more is needed, and never anything that would be taken back.
func TestEveryBeginningNeedsMore(t *testing.T) {
	for name, c := range told(t) {
		decided := false
		for n := range len(c.bytes) {
			got, err := c.kind.Read(c.bytes[:n])
			switch {
			case errors.Is(err, ErrMore) && !decided:
			case err == nil && equal(got, c.want):
				decided = true
			default:
				t.Fatalf("%s: after %d of %d bytes: %+v, %v", name, n, len(c.bytes), got, err)
			}
		}
	}
}

func TestNothingIsReadAsAnotherKind(t *testing.T) {
	for name, c := range told(t) {
		for _, k := range Kinds {
			if h, err := k.Read(c.bytes); k != c.kind && err == nil {
				t.Errorf("%s read as %s: %+v", name, k, h)
			}
		}
	}
}

func TestARuleSaysWhoFits(t *testing.T) {
	hello := told(t)
	for _, c := range []struct {
		says string
		rule Rule
		want bool
	}{
		{"tls", Rule{Kind: TLS}, true},
		{"tls", Rule{Kind: TLS, Names: []string{"shop.example.org"}}, true},
		{"tls", Rule{Kind: TLS, Names: []string{"*.example.org"}}, true},
		{"tls", Rule{Kind: TLS, Names: []string{"*.shop.example.org", "other.example"}}, false},
		{"tls", Rule{Kind: TLS, Names: []string{"!shop.example.org"}}, false},
		{"tls", Rule{Kind: TLS, Names: []string{"*", "!shop.example.org"}}, false},
		{"tls", Rule{Kind: HTTP}, false},
		{"http", Rule{Kind: HTTP, Paths: []string{"/a"}, UserAgents: []string{"CURL"}}, true},
		{"http", Rule{Kind: HTTP, Paths: []string{"/a/bc", "/ab"}}, false},
		{"http", Rule{Kind: HTTP, Paths: []string{"/"}}, true},
		{"http", Rule{Kind: HTTP, UserAgents: []string{"!bot", "!curl"}}, false},
		{"postgres", Rule{Kind: Postgres, Databases: []string{"shop"}, Users: []string{"!bob"}}, true},
		{"postgres", Rule{Kind: Postgres, Databases: []string{"Shop"}}, false},
		{"postgres ssl", Rule{Kind: Postgres}, true},
		{"postgres ssl", Rule{Kind: Postgres, Databases: []string{"shop"}}, false},
		{"postgres cancel", Rule{Kind: Postgres}, false},
		{"postgres ssl", Rule{Kind: Postgres, Databases: []string{"!secret"}}, false},
		{"http2", Rule{Kind: HTTP, UserAgents: []string{"!bot"}}, false},
		{"http2", Rule{Kind: HTTP}, true},
		{"minecraft login", Rule{Kind: Minecraft}, true},
		{"minecraft ping", Rule{Kind: Minecraft}, false},
		{"minecraft ping", Rule{Kind: Minecraft, Status: true}, true},
		{"ssh", Rule{Regexp: regexp.MustCompile(`SSH-2\.0-`)}, true},
		{"ssh", Rule{Regexp: regexp.MustCompile(`OpenSSH`)}, false},
	} {
		if got, err := c.rule.Match(hello[c.says].bytes, true); got != c.want || err != nil {
			t.Errorf("%s against %+v: %v, %v; want %v", c.says, c.rule, got, err, c.want)
		}
	}
}

// What one server takes for a request and another for something else wakes nothing.
func TestWhatIsAmbiguousIsNoRequest(t *testing.T) {
	for _, said := range []string{
		"GET / HTTP/1.1\r\n\r\n", "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", "GET / HTTP/1.1\r\nHost : a\r\n\r\n", "GET / HTTP/1.1\r\nHost: a\r\n b\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: a\rX: b\r\n\r\n", "GET / HTTP/1.1\r\nHost: a\x00\r\n\r\n", "GET /\x0b HTTP/1.1\r\nHost: a\r\n\r\n", "GET / HTTP/1.1\r\nHost: a\r\nX: \x7f\r\n\r\n",
	} {
		if h, err := HTTP.Read([]byte(said)); err != ErrOther {
			t.Errorf("%q: %+v, %v", said, h, err)
		}
	}
	for _, fine := range []string{"GET / HTTP/1.0\r\n\r\n", "GET / HTTP/1.1\r\nHost:\ta\r\nX: \xe9\r\n\r\n"} {
		if _, err := HTTP.Read([]byte(fine)); err != nil {
			t.Errorf("%q: %v", fine, err)
		}
	}
	// The Kelvin sign becomes a k in small letters.
	if h, err := HTTP.Read([]byte("GET / HTTP/1.1\r\nHost: ban\u212A.example\r\n\r\n")); err != nil || h.Name != "" {
		t.Errorf("%+v, %v; want no name", h, err)
	}
}
