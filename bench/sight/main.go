// Command sight measures what it costs to be watched: one rouse keeps a history and metrics, and somebody follows its events and asks for its
// status ten times a second; beside it one keeps nothing and is asked by nobody. Both carry a bulk stream while so many short
// connections come each second. The runs are interleaved, and the medians compared.
package main

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rouse-proxy/rouse/internal/admin"
	"github.com/rouse-proxy/rouse/internal/history"
)

func main() {
	rate := flag.Int("rate", 1000, "short connections a second")
	repeats := flag.Int("repeats", 7, "runs of each kind")
	lasts := flag.Duration("time", 6*time.Second, "how long each run lasts")
	program := flag.String("rouse", "bin/rouse", "the program")
	flag.Parse()
	if err := run(*program, *rate, *repeats, *lasts); err != nil {
		fmt.Fprintln(os.Stderr, "sight:", err)
		os.Exit(1)
	}
}

// sample is what one run has measured.
type sample struct {
	bulk    float64 // bytes a second of the stream
	cpu     float64 // seconds of rouse, for each second
	served  float64 // short connections a second
	latency time.Duration
}

func run(program string, rate, repeats int, lasts time.Duration) error {
	backend, err := serve()
	if err != nil {
		return err
	}
	samples := map[bool][]sample{}
	fmt.Printf("%-8s %10s %12s %14s %12s\n", "kind", "bulk GB/s", "CPU s/s", "connections/s", "status")
	for i := range repeats {
		for _, watched := range []bool{i%2 == 0, i%2 != 0} {
			s, err := once(program, backend, rate, lasts, watched)
			if err != nil {
				return err
			}
			samples[watched] = append(samples[watched], s)
			kind := "blind"
			if watched {
				kind = "watched"
			}
			fmt.Printf("%-8s %10.3f %12.3f %14.0f %12v\n", kind, s.bulk/1e9, s.cpu, s.served, s.latency)
		}
	}
	median := func(watched bool, of func(sample) float64) float64 {
		var all []float64
		for _, s := range samples[watched] {
			all = append(all, of(s))
		}
		slices.Sort(all)
		return all[len(all)/2]
	}
	for _, m := range []struct {
		name string
		of   func(sample) float64
	}{{"bulk", func(s sample) float64 { return s.bulk }}, {"CPU", func(s sample) float64 { return s.cpu }}, {"connections", func(s sample) float64 { return s.served }}} {
		fmt.Printf("watched / blind, %s: %.3f\n", m.name, median(true, m.of)/median(false, m.of))
	}
	return nil
}

// serve answers: to B with bytes without end, to everything else with one byte.
func serve() (string, error) {
	ln, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			go answer(conn)
		}
	}()
	return ln.Addr().String(), nil
}

func answer(conn net.Conn) {
	defer conn.Close()
	first := make([]byte, 1)
	if _, err := io.ReadFull(conn, first); err != nil {
		return
	}
	if first[0] != 'B' {
		_, _ = conn.Write(first)
		return
	}
	chunk := make([]byte, 256<<10)
	for {
		if _, err := conn.Write(chunk); err != nil {
			return
		}
	}
}

// once runs one rouse.
func once(program, backend string, rate int, lasts time.Duration, watched bool) (s sample, err error) {
	dir, err := os.MkdirTemp("", "sight")
	if err != nil {
		return s, err
	}
	defer os.RemoveAll(dir)
	front, err := freeAddress()
	if err != nil {
		return s, err
	}
	kept := "history: {days: 0}\n"
	if watched {
		kept = ""
	}
	config := filepath.Join(dir, "rouse.yaml")
	text := fmt.Sprintf("state-dir: %s/state\n%slog-level: error\ntargets:\n  web: {backend: %q, hooks: {start: /bin/true, stop: /bin/true}}\nlisteners:\n- {listen: %q, target: web}\n", dir, kept, backend, front)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		return s, err
	}
	cmd := exec.Command(program, "run", "--config="+config)
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		return s, err
	}
	defer func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }()
	if err := await(front); err != nil {
		return s, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	var asked atomic.Int64
	if watched {
		watch(ctx, &wg, filepath.Join(dir, "state"), &asked)
	}
	var bytes, served atomic.Int64
	wg.Go(func() { pull(ctx, front, &bytes) })
	wg.Go(func() { knock(ctx, front, rate, &served) })
	time.Sleep(time.Second) // it has settled
	cpu, b, c, began := cpuOf(cmd.Process.Pid), bytes.Load(), served.Load(), time.Now()
	time.Sleep(lasts)
	took := time.Since(began).Seconds()
	s = sample{bulk: float64(bytes.Load()-b) / took, cpu: (cpuOf(cmd.Process.Pid) - cpu) / took, served: float64(served.Load()-c) / took, latency: time.Duration(asked.Load())}
	return s, nil
}

func freeAddress() (string, error) {
	ln, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return ln.Addr().String(), ln.Close()
}

func await(address string) error {
	for range 250 {
		if conn, err := net.Dial("tcp", address); err == nil {
			return conn.Close()
		}
		time.Sleep(20 * time.Millisecond)
	}
	return fmt.Errorf("nobody listens on %s", address)
}

// watch follows the events, and asks for the status ten times a second. asked is the newest latency.
func watch(ctx context.Context, wg *sync.WaitGroup, state string, asked *atomic.Int64) {
	client := admin.Dial(state)
	wg.Go(func() { _ = client.Events(ctx, "", 0, func(history.Fact) error { return nil }) })
	wg.Go(func() {
		for ctx.Err() == nil {
			began := time.Now()
			if _, err := client.Status(ctx); err == nil {
				asked.Store(int64(time.Since(began).Round(time.Microsecond)))
			}
			time.Sleep(100 * time.Millisecond)
		}
	})
}

// pull reads one stream.
func pull(ctx context.Context, address string, n *atomic.Int64) {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	if _, err := io.WriteString(conn, "B"); err != nil {
		return
	}
	buffer := make([]byte, 1<<20)
	for {
		m, err := conn.Read(buffer)
		n.Add(int64(m))
		if err != nil {
			return
		}
	}
}

// knock makes short connections at a rate, sixteen at a time at most.
func knock(ctx context.Context, address string, rate int, n *atomic.Int64) {
	room := make(chan struct{}, 16)
	began, made := time.Now(), 0
	var wg sync.WaitGroup
	defer wg.Wait()
	for ctx.Err() == nil {
		due := int(time.Since(began).Seconds() * float64(rate))
		for ; made < due; made++ {
			room <- struct{}{}
			wg.Go(func() {
				defer func() { <-room }()
				conn, err := net.Dial("tcp", address)
				if err != nil {
					return
				}
				defer conn.Close()
				one := []byte("x")
				if _, err := conn.Write(one); err == nil {
					if _, err := io.ReadFull(conn, one); err == nil {
						n.Add(1)
					}
				}
			})
		}
		time.Sleep(time.Millisecond)
	}
}

// cpuOf is the time of the processor that a process has used, in seconds.
func cpuOf(pid int) float64 {
	file, err := os.Open(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	defer file.Close()
	line, _ := bufio.NewReader(file).ReadString('\n')
	fields := strings.Fields(line[strings.LastIndexByte(line, ')')+1:])
	if len(fields) < 13 {
		return 0
	}
	var user, system float64
	_, _ = fmt.Sscan(fields[11], &user)
	_, _ = fmt.Sscan(fields[12], &system)
	return (user + system) / 100
}
