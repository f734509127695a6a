package app

import (
	"io"
	"net"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/rouse-proxy/rouse/internal/target"
)

// BenchmarkFirstByte measures how long after the target's listen() the first byte
// is at a client that has waited for it with
// its own first byte sent: the whole daemon, real sockets, real hooks, on
// loopback. The time of an operation is that of a whole wake and stop; read the median.
func BenchmarkFirstByte(b *testing.B) {
	for _, settle := range []time.Duration{0, 50 * time.Millisecond} {
		b.Run("settle="+settle.String(), func(b *testing.B) {
			backend := freeAddr(b)
			cfg := plan(b, backend)
			cfg.Targets[0].Cooldown = time.Millisecond
			cfg.Targets[0].Probe.Settle = settle
			a := launch(b, cfg)
			var lags []time.Duration
			for b.Loop() {
				lags = append(lags, wake(b, a, backend))
			}
			slices.Sort(lags)
			b.ReportMetric(ms(lags[len(lags)/2]), "ms-median")
			b.ReportMetric(ms(lags[len(lags)*9/10]), "ms-p90")
			b.ReportMetric(ms(lags[len(lags)-1]), "ms-max")
		})
	}
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// wake lets one client wait, listens, and returns the time from there to the
// client's first byte. It returns when the target sleeps again.
func wake(b *testing.B, a *App, backend netip.AddrPort) time.Duration {
	client, err := net.Dial("tcp", a.Addrs()[0].String())
	if err != nil {
		b.Fatal(err)
	}
	defer client.Close()
	if _, err := client.Write([]byte{'?'}); err != nil {
		b.Fatal(err)
	}
	await(b, func() bool { return a.Status("web").State == target.Starting })
	time.Sleep(100 * time.Millisecond) // let the start hook end: the probe is what is measured
	ln, err := net.Listen("tcp", backend.String())
	if err != nil {
		b.Fatal(err)
	}
	listened := time.Now()
	go answer(ln)
	var first [1]byte
	if _, err := client.Read(first[:]); err != nil {
		b.Fatal(err)
	}
	lag := time.Since(listened)
	ln.Close()
	client.Close()
	await(b, func() bool { return a.Status("web").State == target.Stopped })
	return lag
}

// answer serves one client that speaks first: a greeting would end the settling early.
func answer(ln net.Listener) {
	conn, err := ln.Accept()
	if err != nil {
		return
	}
	defer conn.Close()
	_, _ = io.CopyN(conn, conn, 1)
}
