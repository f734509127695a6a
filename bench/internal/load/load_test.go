//go:build linux

package load

import (
	"bytes"
	"encoding/json"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/rouse-proxy/rouse/bench/internal/backend"
)

// served starts a backend on loopback and gives its address.
func served(t *testing.T) netip.AddrPort {
	t.Helper()
	probe, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := netip.MustParseAddrPort(probe.Addr().String())
	probe.Close()
	inR, inW := io.Pipe()
	outR, outW := io.Pipe()
	ended := make(chan error, 1)
	go func() { ended <- backend.Run(inR, outW) }()
	t.Cleanup(func() {
		inW.Close()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	if err := json.NewEncoder(inW).Encode(backend.Order{Do: "listen", Addr: addr, Backlog: 512}); err != nil {
		t.Fatal(err)
	}
	var a backend.Answer
	if err := json.NewDecoder(outR).Decode(&a); err != nil || a.Error != "" {
		t.Fatal(err, a.Error)
	}
	return addr
}

// done runs a job to its end and gives the result.
func done(t *testing.T, job Job) Result {
	t.Helper()
	line, err := json.Marshal(job)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := Run(bytes.NewReader(append(line, '\n')), &out); err != nil {
		t.Fatal(err)
	}
	for messages := json.NewDecoder(&out); ; {
		var m Message
		if err := messages.Decode(&m); err != nil {
			t.Fatalf("no result: %v", err)
		}
		if m.Result != nil {
			return *m.Result
		}
	}
}

func TestEveryJobMeasuresABackend(t *testing.T) {
	addr := served(t)
	const window = 50 * time.Millisecond
	for name, c := range map[string]struct {
		job  Job
		want []string
	}{
		"up":       {Job{Kind: "bulk", Streams: 2, Window: window}, []string{"gbps", "cpu", "fair"}},
		"down":     {Job{Kind: "bulk", Streams: 2, Down: true, Warm: window, Window: window}, []string{"gbps", "cpu", "fair"}},
		"one":      {Job{Kind: "pingpong", Streams: 1, Warm: window, Window: window}, []string{"p50", "p99", "rate", "cpu"}},
		"many":     {Job{Kind: "pingpong", Streams: 8, Window: window}, []string{"p50", "p99", "rate", "cpu"}},
		"short":    {Job{Kind: "conns", Streams: 8, Window: window, Most: 500}, []string{"p50", "p99", "rate", "cpu"}},
		"mixed":    {Job{Kind: "mixed", Streams: 2, Warm: window, Window: window}, []string{"gbps", "p50", "p99"}},
		"idle":     {Job{Kind: "idle", Streams: 100}, []string{"held"}},
		"wake":     {Job{Kind: "wake", Streams: 100, Window: 10 * time.Second}, []string{"held", "echoed", "first", "middle", "last"}},
		"verified": {Job{Kind: "verify", Streams: 2, Most: 3 << 20}, []string{"checks"}},
		"half":     {Job{Kind: "halfclose", Streams: 4, Most: 12}, []string{"checks"}},
	} {
		t.Run(name, func(t *testing.T) {
			c.job.Addr, c.job.Core, c.job.PID = addr, -1, os.Getpid()
			r := done(t, c.job)
			if r.Errors > 0 {
				t.Fatalf("%d errors, the first: %s", r.Errors, r.Note)
			}
			for _, key := range c.want {
				if r.Values[key] <= 0 {
					t.Errorf("%s = %v in %v", key, r.Values[key], r.Values)
				}
			}
		})
	}
}

// TestAnAbsentProxyIsAnErrorInTheResult: one candidate's failure must not end the run.
func TestAnAbsentProxyIsAnErrorInTheResult(t *testing.T) {
	gone, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := netip.MustParseAddrPort(gone.Addr().String())
	gone.Close()
	for kind := range kinds {
		r := done(t, Job{Kind: kind, Addr: addr, Streams: 2, Most: 2, Core: -1, Window: time.Millisecond})
		if r.Errors == 0 || r.Note == "" {
			t.Errorf("%s: %+v", kind, r)
		}
	}
}

// TestABackendThatLiesIsFound: a proxy that loses or changes bytes must show.
func TestABackendThatLiesIsFound(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	go lie(ln)
	addr := netip.MustParseAddrPort(ln.Addr().String())
	for _, kind := range []string{"verify", "halfclose"} {
		if r := done(t, Job{Kind: kind, Addr: addr, Streams: 2, Most: 7, Core: -1}); r.Errors == 0 {
			t.Errorf("%s found no error", kind)
		}
	}
}

// lie answers whatever comes with a few wrong bytes, and hangs up.
func lie(ln net.Listener) {
	for {
		conn, err := ln.Accept()
		if err != nil {
			return
		}
		_, _ = conn.Write([]byte("wrong"))
		conn.Close()
	}
}

func TestAJobThatMakesNoSenseIsRefused(t *testing.T) {
	for _, line := range []string{"", "{", "{\"Kind\":\"dance\"}\n"} {
		if err := Run(strings.NewReader(line), io.Discard); err == nil {
			t.Errorf("%q was carried out", line)
		}
	}
}
