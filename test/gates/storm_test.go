//go:build linux

package gates

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

const (
	stormSources = 250
	stormRate    = 2000 // connections a second
	stormTime    = 10 * time.Second
	wakes        = 5 // of the allowed client, with and without a storm
)

// TestAScanStormBuysNothing: many scanners that may not wake, and then many that may, within the budget.
func TestAScanStormBuysNothing(t *testing.T) {
	for name, c := range map[string]struct {
		listener string
		budget   int
		calm     bool // the storm neither wakes the target nor keeps it awake
	}{
		"refused": {"connect-from: 127.0.0.2\n  min-hold: 1ms", 1000, true},
		"budget":  {"source-rate: 100000/1m", 3, false},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t)
			front := port(t)
			exempt := "    cooldown: 1s\n    budget: {starts-per-hour: " + strconv.Itoa(c.budget) + ", exempt: 127.0.0.2}\n"
			l.rouse(front, "log-level: info\ntargets:\n"+l.target("web", l.web("web"), exempt)+fmt.Sprintf("listeners:\n- listen: 127.0.0.1:%s\n  target: web\n  %s\n", front, c.listener))
			calm := l.wakes(front, true)
			before, memory, lines := l.starts(), l.memory(), l.out.count()
			stop := l.storm(front)
			stormy := l.wakes(front, c.calm)
			connections := stop()
			grown := l.memory() - memory
			bought := l.starts() - before
			if c.calm {
				bought -= wakes
			}
			said := l.out.count() - lines
			t.Logf("%d connections bought %d starts; %d KiB more memory; %d lines of log; the allowed client was served after %v, and after %v in the storm",
				connections, bought, grown, said, calm, stormy)
			if connections < stormRate*int(stormTime.Seconds())/4 {
				t.Errorf("the storm had only %d connections: this machine is too busy to tell", connections)
			}
			if c.calm && bought > 0 || bought > c.budget {
				t.Errorf("the storm has bought %d starts, with a budget of %d", bought, c.budget)
			}
			if grown > 50<<10 {
				t.Errorf("memory has grown by %d KiB", grown)
			}
			if stormy > calm+time.Second {
				t.Errorf("a wake took %v in the storm, and %v without", stormy, calm)
			}
			if c.calm && said > 2000 {
				t.Errorf("the storm has cost %d lines of log", said)
			}
			l.await("descriptors are given back", func() bool { return l.descriptors() < 200 })
		})
	}
}

// wakes has the allowed client wake the target some times, and returns the median. It waits until the target sleeps, if it does.
func (l *lab) wakes(front string, asleep bool) time.Duration {
	l.t.Helper()
	var took []time.Duration
	for range wakes {
		if asleep {
			l.await("the target sleeps", func() bool { return !exists(l.dir + "/web") })
		}
		began := time.Now()
		d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP("127.0.0.2")}, Timeout: patience}
		conn, err := d.Dial("tcp", "127.0.0.1:"+front)
		if err != nil {
			l.t.Fatal(err)
		}
		_ = conn.SetDeadline(time.Now().Add(patience))
		if _, err := conn.Write([]byte("GET / HTTP/1.0\r\n\r\n")); err != nil {
			l.t.Fatal(err)
		}
		b := make([]byte, 8)
		if _, err := conn.Read(b); err != nil || !bytes.HasPrefix(b, []byte("HTTP/1.0")) {
			l.t.Fatalf("the allowed client got %q, %v", b, err)
		}
		took = append(took, time.Since(began))
		_ = conn.Close()
	}
	slices.Sort(took)
	return took[len(took)/2].Round(time.Millisecond)
}

// storm begins one: each connection is closed at once, half of them with a reset. What it returns waits for its end, and says how
// many there were.
func (l *lab) storm(front string) (end func() int) {
	var all sync.WaitGroup
	var count atomic.Int64
	deadline := time.Now().Add(stormTime)
	const workers = 10
	for w := range workers {
		all.Go(func() {
			beat := time.NewTicker(time.Second * workers / stormRate)
			defer beat.Stop()
			for n := w; time.Now().Before(deadline); n += workers {
				<-beat.C
				ip := net.IPv4(127, 0, 1, byte(n%stormSources+1))
				d := net.Dialer{LocalAddr: &net.TCPAddr{IP: ip}, Timeout: time.Second}
				conn, err := d.Dial("tcp", "127.0.0.1:"+front)
				count.Add(1)
				if err != nil {
					continue // it was reset already
				}
				if n%2 == 0 {
					_ = conn.(*net.TCPConn).SetLinger(0)
				}
				_ = conn.Close()
			}
		})
	}
	return func() int { all.Wait(); return int(count.Load()) }
}

// memory is what rouse holds, in KiB.
func (l *lab) memory() int {
	l.t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", l.pid))
	if err != nil {
		l.t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if rest, found := strings.CutPrefix(line, "VmRSS:"); found {
			n, err := strconv.Atoi(strings.Fields(rest)[0])
			if err != nil {
				l.t.Fatal(err)
			}
			return n
		}
	}
	l.t.Fatal("no VmRSS")
	return 0
}

func (l *lab) descriptors() int {
	entries, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", l.pid))
	if err != nil {
		l.t.Fatal(err)
	}
	return len(entries)
}
