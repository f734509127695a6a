package demo

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"os"
	"sync"
	"time"
)

const (
	greeting  = "Good morning! I was asleep and cost nothing; your connection woke me."
	longLine  = 4096      // bytes of a line that is echoed at most
	idleLimit = time.Hour // of one demo client
)

// Service is the thing that sleeps in the demo: a process that needs boot to get
// going and then greets and echoes lines. It serves until ctx ends.
func Service(ctx context.Context, address string, boot time.Duration) error {
	select {
	case <-time.After(boot):
	case <-ctx.Done():
		return nil
	}
	ln, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return fmt.Errorf("starting the demo service: %w", err)
	}
	defer context.AfterFunc(ctx, func() { _ = ln.Close() })()
	var clients sync.WaitGroup
	defer clients.Wait()
	for {
		conn, err := ln.Accept()
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return fmt.Errorf("serving the demo: %w", err)
		}
		clients.Go(func() { chat(ctx, conn) })
	}
}

// chat greets one client and repeats what it says.
func chat(ctx context.Context, conn net.Conn) {
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	_ = conn.SetDeadline(time.Now().Add(idleLimit))
	fmt.Fprintf(conn, "%s (process %d)\n", greeting, os.Getpid())
	lines := bufio.NewScanner(conn)
	lines.Buffer(make([]byte, longLine), longLine)
	for lines.Scan() {
		if _, err := fmt.Fprintf(conn, "you said: %s\n", lines.Text()); err != nil {
			return
		}
	}
}
