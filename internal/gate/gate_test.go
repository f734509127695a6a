package gate

import (
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rouse-proxy/rouse/internal/shape"
)

func networks(t *testing.T, texts ...string) *List {
	t.Helper()
	var prefixes []netip.Prefix
	for _, text := range texts {
		p, err := ParseNetwork(text)
		if err != nil {
			t.Fatal(err)
		}
		prefixes = append(prefixes, p)
	}
	l, err := NewList(prefixes, nil)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestAListKnowsItsNetworks(t *testing.T) {
	l := networks(t, "192.0.2.0/24", "203.0.113.7", "2001:db8::/32", "::ffff:198.51.100.0/120")
	for ip, want := range map[string]bool{
		"192.0.2.1": true, "192.0.3.1": false, "203.0.113.7": true, "203.0.113.8": false, "::ffff:192.0.2.1": true,
		"2001:db8::1": true, "2001:db9::1": false, "198.51.100.9": true, "fe80::1%eth0": false, "::1": false,
	} {
		if got := l.Contains(netip.MustParseAddr(ip)); got != want {
			t.Errorf("Contains(%s) = %v", ip, got)
		}
	}
	if !l.Contains(netip.Addr{}) || !(*List)(nil).Contains(netip.MustParseAddr("192.0.2.1")) {
		t.Error("who has no address, and everybody if there is no list, must be in it")
	}
	if !networks(t, "fe80::/10").Contains(netip.MustParseAddr("fe80::1%eth0")) {
		t.Error("a zone must not hide an address")
	}
}

func TestWrongLinesOfAListAreNamed(t *testing.T) {
	for text, want := range map[string]string{
		"192.0.2.0/24\nlan # x\n":          `2: "lan" is neither`,
		"192.0.2.1/24":                     "1: \"192.0.2.1/24\" has bits behind its length: write 192.0.2.0/24",
		"# only a comment\n\nfe80::1%eth0": "3: ",
		strings.Repeat("x", 1<<17):         "1: a line is too long",
	} {
		if _, err := ParseList([]byte(text)); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%.30q: %v, want %s", text, err, want)
		}
	}
}

func TestAListIsReadAgainAndKeepsWhatItHad(t *testing.T) {
	file := filepath.Join(t.TempDir(), "friends")
	write := func(text string, age time.Duration) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(file, time.Time{}, time.Now().Add(-age)); err != nil {
			t.Fatal(err)
		}
	}
	one, two := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
	write("192.0.2.1\n", time.Hour)
	l, err := NewList(nil, []string{file})
	if err != nil || !l.Contains(one) || l.Contains(two) {
		t.Fatal(err)
	}
	write("192.0.2.2\n", time.Minute)
	if err := l.Reload(); err != nil || l.Contains(one) || !l.Contains(two) {
		t.Fatalf("after a change: %v", err)
	}
	write("192.0.2.2\nnobody\n", time.Second)
	if err := l.Reload(); err == nil || !strings.Contains(err.Error(), "friends:2: ") || !l.Contains(two) {
		t.Fatalf("after a mistake: %v", err)
	}
	if err := l.Reload(); err != nil {
		t.Errorf("the same mistake is told twice: %v", err)
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if err := l.Reload(); err == nil || !l.Contains(two) {
		t.Errorf("after its removal: %v", err)
	}
	write("192.0.2.1\n", 0)
	if err := l.Reload(); err != nil || !l.Contains(one) {
		t.Errorf("after its return: %v", err)
	}
}

func TestARateHealsAndIsOfOneSource(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := New(Options{Source: Rate{3, time.Minute}, Route: Rate{5, time.Minute}})
		arrive := func(ip string) bool { return g.Arrive(netip.MustParseAddr(ip)).Action == Pass }
		for i, c := range []struct {
			ip   string
			want bool
		}{
			{"2001:db8::1", true}, {"2001:db8:0:ff::1", true}, {"2001:db8::2", true}, {"2001:db8::3", false}, // one /56
			{"::ffff:192.0.2.1", true}, {"192.0.2.1", true}, {"192.0.2.1", false}, // the route is full
		} {
			if got := arrive(c.ip); got != c.want {
				t.Errorf("%d: %s: %v", i, c.ip, got)
			}
		}
		time.Sleep(20 * time.Second)
		if !arrive("2001:db8::1") || arrive("2001:db8::1") {
			t.Error("after a third of the time there must be one more, and one only")
		}
		time.Sleep(time.Hour)
		for range 3 {
			if !arrive("192.0.2.9") {
				t.Error("the limit has not healed")
			}
		}
	})
}

// Whoever comes from a million places costs no more memory than from the first ones.
func TestSourcesAreForgotten(t *testing.T) {
	l := newLimiter(Rate{1, time.Hour}, func() time.Duration { return time.Minute })
	for i := range 1 << 20 {
		l.allow(source(netip.AddrFrom4([4]byte{byte(i >> 16), byte(i >> 8), byte(i), 1})))
		if len(l.young)+len(l.old) > mostSources {
			t.Fatalf("%d sources are remembered", len(l.young)+len(l.old))
		}
	}
}

func TestArrivalInOrder(t *testing.T) {
	g := New(Options{Connect: networks(t, "127.0.0.0/8"), Health: networks(t, "127.0.0.9", "192.0.2.9"), Answer: AnswerHTTP, Source: Rate{1, time.Minute}})
	for _, c := range []struct {
		ip   string
		want Action
		gate string
	}{
		{"127.0.0.1", Pass, ""}, {"127.0.0.1", Refuse, RateLimit}, {"192.0.2.1", Refuse, ConnectFrom}, {"192.0.2.9", Checked, ""}, {"127.0.0.9", Checked, ""}, {"127.0.0.9", Checked, ""},
	} {
		v := g.Arrive(netip.MustParseAddr(c.ip))
		r, _ := errors.AsType[*Refusal](v.Why)
		if v.Action != c.want || (r != nil) != (c.gate != "") || r != nil && r.Gate != c.gate {
			t.Errorf("%s: %+v", c.ip, v)
		}
	}
	if v := g.Arrive(netip.Addr{}); v.Action != Pass {
		t.Errorf("a client without an address: %+v", v)
	}
	o := New(Options{Connect: networks(t, "127.0.0.1"), Observe: true})
	if v := o.Arrive(netip.MustParseAddr("192.0.2.1")); v.Action != Pass || v.Observed == nil {
		t.Errorf("observed: %+v", v)
	}
	if v := (*Gate)(nil).Arrive(netip.MustParseAddr("192.0.2.1")); v.Action != Pass {
		t.Errorf("no gate: %+v", v)
	}
}

func TestWhoMayWake(t *testing.T) {
	ssh := []shape.Rule{{Kind: shape.SSH}, {Kind: shape.HTTP, Paths: []string{"/app"}}}
	const s = time.Second
	for name, c := range map[string]struct {
		opts   Options
		from   string
		said   string
		ended  bool
		waited time.Duration
		wait   time.Duration
		gate   string
	}{
		"no gate":              {Options{}, "192.0.2.1", "", false, 0, 0, ""},
		"of the list":          {Options{Wake: networks(t, "192.0.2.1")}, "192.0.2.1", "", false, 0, 0, ""},
		"not of the list":      {Options{Wake: networks(t, "192.0.2.1"), MinHold: s}, "192.0.2.2", "", false, 0, 0, WakeFrom},
		"observed":             {Options{Wake: networks(t, "192.0.2.1"), Observe: true}, "192.0.2.2", "", false, 0, 0, WakeFrom},
		"stays too short":      {Options{MinHold: s}, "192.0.2.1", "", false, s / 4, 3 * s / 4, ""},
		"has stayed":           {Options{MinHold: s}, "192.0.2.1", "", false, s, 0, ""},
		"says nothing yet":     {Options{FirstBytes: s}, "192.0.2.1", "", false, s / 2, s / 2, ""},
		"has said nothing":     {Options{FirstBytes: s}, "192.0.2.1", "", false, s, 0, FirstBytes},
		"ends without a word":  {Options{FirstBytes: s}, "192.0.2.1", "", true, 0, 0, FirstBytes},
		"has said something":   {Options{FirstBytes: s}, "192.0.2.1", "x", false, 0, 0, ""},
		"says a part":          {Options{Shapes: ssh}, "192.0.2.1", "SSH-2", false, s, 4 * s, ""},
		"says what fits":       {Options{Shapes: ssh}, "192.0.2.1", "SSH-2.0-x\r\n", false, s, 0, ""},
		"fits and must stay":   {Options{Shapes: ssh, MinHold: 2 * s}, "192.0.2.1", "SSH-2.0-x\r\n", false, s, s, ""},
		"says the second":      {Options{Shapes: ssh}, "192.0.2.1", "GET /app/x HTTP/1.1\r\nHost: a\r\n\r\n", false, s, 0, ""},
		"says something else":  {Options{Shapes: ssh, MinHold: 2 * s}, "192.0.2.1", "GET / HTTP/1.1\r\nHost: a\r\n\r\n", false, s, 0, WakeOn},
		"never says the rest":  {Options{Shapes: ssh}, "192.0.2.1", "SSH-2", false, 5 * s, 0, WakeOn},
		"ends before the rest": {Options{Shapes: ssh}, "192.0.2.1", "SSH-2", true, s, 0, WakeOn},
	} {
		j := New(c.opts).Wake(netip.MustParseAddr(c.from), []byte(c.said), c.ended, c.waited)
		why := j.Why
		if c.opts.Observe {
			if why = j.Observed; j.Why != nil {
				t.Errorf("%s: a gate that observes refuses: %v", name, j.Why)
			}
		}
		r, _ := errors.AsType[*Refusal](why)
		if j.Wait != c.wait || (r != nil) != (c.gate != "") || r != nil && r.Gate != c.gate {
			t.Errorf("%s: %+v", name, j)
		}
	}
}
