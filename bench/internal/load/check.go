//go:build linux

package load

import (
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"github.com/rouse-proxy/rouse/bench/internal/wire"
)

// patience bounds one connection of a check.
const patience = 20 * time.Second

// verify moves Most bytes up and then Most bytes down on each stream and compares every
// byte with what it ought to be.
func verify(s *session) (Result, error) {
	return s.each(s.Streams, func(int) error {
		if err := s.verifyUp(); err != nil {
			return fmt.Errorf("verifying what went up: %w", err)
		}
		if err := s.verifyDown(uint64(s.Most)); err != nil {
			return fmt.Errorf("verifying what came down: %w", err)
		}
		return nil
	})
}

// halfclose lets the client finish first, Most times over: it sends, ends its half, and
// must still get the whole answer. Sizes reach from nothing to beyond all buffers.
func halfclose(s *session) (Result, error) {
	sizes := []int{0, 1, 1000, 65536, 300_000, 4_000_000}
	return s.each(s.Most, func(i int) error {
		if err := s.half(sizes[i%len(sizes)], uint64(sizes[i/len(sizes)%len(sizes)])); err != nil {
			return fmt.Errorf("half-closing: %w", err)
		}
		return nil
	})
}

// each runs n checks, at most Streams at a time, and counts those that fail.
func (s *session) each(n int, check func(i int) error) (Result, error) {
	var wg sync.WaitGroup
	errs, slots := make(chan error, n), make(chan struct{}, max(s.Streams, 1))
	for i := range n {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			errs <- check(i)
		})
	}
	wg.Wait()
	close(errs)
	r := Result{Values: map[string]float64{"checks": float64(n)}}
	for err := range errs {
		if err != nil {
			r.fail(err)
		}
	}
	return r, nil
}

func (s *session) open(header []byte) (*net.TCPConn, error) {
	conn, err := net.DialTimeout("tcp", s.Addr.String(), patience)
	if err != nil {
		return nil, err
	}
	_ = conn.SetDeadline(time.Now().Add(patience)) // cannot fail on an open connection
	if _, err := conn.Write(header); err != nil {
		conn.Close()
		return nil, err
	}
	return conn.(*net.TCPConn), nil
}

// send writes n bytes of the pattern.
func send(conn *net.TCPConn, n int) error {
	for off := 0; off < n; off += chunk {
		if _, err := conn.Write(wire.At(uint64(off), min(chunk, n-off))); err != nil {
			return fmt.Errorf("after %d bytes: %w", off, err)
		}
	}
	return nil
}

// receive reads to the end and wants exactly n bytes of the pattern.
func receive(conn *net.TCPConn, n uint64) error {
	buf, off := make([]byte, chunk), uint64(0)
	for {
		k, err := conn.Read(buf)
		if !wire.Matches(off, buf[:k]) {
			return fmt.Errorf("wrong bytes at offset %d or soon after", off)
		}
		off += uint64(k)
		switch {
		case err == io.EOF && off == n:
			return nil
		case err == io.EOF:
			return fmt.Errorf("%d of %d bytes came", off, n)
		case err != nil:
			return fmt.Errorf("after %d of %d bytes: %w", off, n, err)
		}
	}
}

func (s *session) verifyUp() error {
	conn, err := s.open(wire.Header(wire.Check, uint64(s.Most)))
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := send(conn, s.Most); err != nil {
		return err
	}
	var tally [wire.TallyLen]byte
	if _, err := io.ReadFull(conn, tally[:]); err != nil {
		return fmt.Errorf("reading the tally: %w", err)
	}
	if count, bad := wire.ParseTally(tally); count != uint64(s.Most) || bad > 0 {
		return fmt.Errorf("%d of %d bytes came, wrong at %d places", count, s.Most, bad)
	}
	return nil
}

func (s *session) verifyDown(n uint64) error {
	conn, err := s.open(wire.Header(wire.Source, n))
	if err != nil {
		return err
	}
	defer conn.Close()
	return receive(conn, n)
}

func (s *session) half(up int, down uint64) error {
	conn, err := s.open(wire.Header(wire.Reply, down))
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := send(conn, up); err != nil {
		return err
	}
	if err := conn.CloseWrite(); err != nil {
		return err
	}
	return receive(conn, down)
}
