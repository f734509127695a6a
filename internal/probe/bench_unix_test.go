//go:build unix

package probe

import (
	"context"
	"math/rand/v2"
	"net"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// ways are the two ways to a target: by sockets of our own where the system allows that, and by the net package.
var ways = map[string]Options{"sockets": {}, "dialer": {Dial: (&net.Dialer{KeepAlive: -1}).DialContext}}

// BenchmarkWaiting measures what waiting costs while nobody listens, early and after a while. An operation is two
// seconds of it; read the percents of one core. The whole process counts: run it alone.
func BenchmarkWaiting(b *testing.B) {
	for name, opts := range ways {
		for _, waited := range []time.Duration{0, 12 * time.Second} {
			b.Run(name+"/after="+waited.String(), func(b *testing.B) {
				p, address := newProber(b, opts), deadPort(b)
				began, used := time.Now(), cpu(b)
				for b.Loop() {
					ctx, cancel := context.WithTimeout(b.Context(), 2*time.Second)
					_, _ = p.seek(ctx, p.waiting(waited), address)
					cancel()
				}
				b.ReportMetric(100*float64(cpu(b)-used)/float64(time.Since(began)), "%core")
			})
		}
	}
}

// cpu returns what this process has used so far.
func cpu(b *testing.B) time.Duration {
	var r unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &r); err != nil {
		b.Fatal(err)
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

// BenchmarkDetect measures how long after the target's listen() the probe has its connection. An operation is a whole
// wait; read the median.
func BenchmarkDetect(b *testing.B) {
	for name, opts := range ways {
		b.Run(name, func(b *testing.B) {
			p := newProber(b, opts)
			var lags []time.Duration
			for b.Loop() {
				lags = append(lags, detect(b, p))
			}
			slices.Sort(lags)
			b.ReportMetric(float64(lags[len(lags)/2].Microseconds())/1000, "ms-median")
			b.ReportMetric(float64(lags[len(lags)*9/10].Microseconds())/1000, "ms-p90")
			b.ReportMetric(float64(lags[len(lags)-1].Microseconds())/1000, "ms-max")
		})
	}
}

func detect(b *testing.B, p *Prober) time.Duration {
	address := deadPort(b)
	seen := make(chan time.Time, 1)
	go func() {
		conn, err := p.Wait(b.Context(), address)
		if err != nil {
			b.Error(err)
		} else {
			conn.Close()
		}
		seen <- time.Now()
	}()
	time.Sleep(50*time.Millisecond + rand.N(2*promptPause)) // any moment between two attempts
	ln, err := net.Listen("tcp", address)
	if err != nil {
		b.Fatal(err)
	}
	defer ln.Close()
	listening := time.Now()
	return (<-seen).Sub(listening)
}
