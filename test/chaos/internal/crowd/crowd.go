//go:build linux

// Package crowd is the clients of a town. Each checks what it sees by itself, byte for byte.
//
// The server is expected to send back what it gets, and to end when its client has. A client may see everything right,
// or be told that it is not served, by a reset, a refusal or a time out. It may not see a wrong byte, nor silence
// beyond its patience. A clean end before everything has come is reported as early; who asked judges whether somebody
// was killed, for then the kernel ends connections, and it does that politely.
package crowd

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"syscall"
	"time"
)

// A Kind is a way to behave.
type Kind string

// The kinds of client.
const (
	Short  Kind = "short"  // sends a little and reads it back
	Long   Kind = "long"   // does that again and again, with pauses
	Bulk   Kind = "bulk"   // sends megabytes while it reads them back
	Half   Kind = "half"   // sends all, ends its side, then reads all
	Leaver Kind = "leaver" // sends and leaves without waiting for an answer
	Rude   Kind = "rude"   // does that with a reset
	Knock  Kind = "knock"  // connects and closes
)

// Kinds are all of them.
func Kinds() []Kind { return []Kind{Short, Long, Bulk, Half, Leaver, Rude, Knock} }

// A Plan says who a client is.
type Plan struct {
	ID    int
	Kind  Kind
	House int           // where it lives, as an index
	At    time.Duration // when it comes
	Size  int           // bytes that it sends, in each turn
	Turns int           // of a long one
	Pause time.Duration // between turns; of one that leaves: how long it waits before that
	Seed  uint64        // of its bytes
}

// String is the plan in one line.
func (p Plan) String() string {
	return fmt.Sprintf("client %d: %s from house %d at %v, %d bytes, %d turns, pause %v", p.ID, p.Kind, p.House, p.At, p.Size, p.Turns, p.Pause)
}

// An Outcome is how it went for a client.
type Outcome string

// The outcomes.
const (
	Served  Outcome = "served"
	Left    Outcome = "left"    // by its own wish, before it was served
	Refused Outcome = "refused" // nobody listens
	Reset   Outcome = "reset"
	Timeout Outcome = "timeout" // the kernel gave up
	Early   Outcome = "early end"
	Wrong   Outcome = "wrong bytes"
	Silent  Outcome = "silence"
	Broken  Outcome = "broken" // it could not do its part
)

// A Verdict is what a client says at its end.
type Verdict struct {
	Plan
	Outcome Outcome
	Detail  string
	Checked int64 // bytes that came back and were right
	Local   string
	Born    time.Time
	Ended   time.Time
}

// Options say where clients go.
type Options struct {
	Dial     func(ctx context.Context) (*net.TCPConn, error)
	Patience time.Duration // how long without a byte a client takes for silence
}

// Visit is the whole life of one client. A ctx that ends cuts it short.
func Visit(ctx context.Context, p Plan, o Options) Verdict {
	v := visitor{plan: p, options: o, verdict: Verdict{Plan: p, Born: time.Now()}}
	err := v.live(ctx)
	v.verdict.Ended = time.Now()
	v.verdict.Outcome, v.verdict.Detail = judge(p.Kind, err)
	return v.verdict
}

// errLeft is the end of one who left unserved.
var errLeft = errors.New("left")

// A wrong is a byte that is not what was sent.
type wrong struct{ at int64 }

func (w wrong) Error() string { return fmt.Sprintf("byte %d is not the one that was sent", w.at) }

// judge names the end of a client.
func judge(kind Kind, err error) (Outcome, string) {
	var bad wrong
	switch {
	case err == nil:
		return Served, ""
	case errors.As(err, &bad):
		return Wrong, err.Error()
	case errors.Is(err, errLeft):
		return Left, ""
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return Early, err.Error()
	case errors.Is(err, syscall.ECONNREFUSED):
		return Refused, err.Error()
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE), errors.Is(err, syscall.ECONNABORTED), errors.Is(err, syscall.ENOTCONN):
		return Reset, err.Error()
	case errors.Is(err, syscall.ETIMEDOUT), errors.Is(err, syscall.EHOSTUNREACH):
		return Timeout, err.Error()
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded):
		return Silent, err.Error()
	default:
		return Broken, err.Error()
	}
}

type visitor struct {
	plan    Plan
	options Options
	verdict Verdict
	conn    *net.TCPConn
	sent    *rand.ChaCha8 // the bytes that it sends
	want    *rand.ChaCha8 // the same bytes, as they must come back
}

func (v *visitor) live(ctx context.Context) error {
	dialing, cancel := context.WithTimeout(ctx, v.options.Patience)
	defer cancel()
	var err error
	if v.conn, err = v.options.Dial(dialing); err != nil {
		return err
	}
	defer v.conn.Close()
	defer context.AfterFunc(ctx, func() { v.conn.Close() })()
	v.verdict.Local = v.conn.LocalAddr().String()
	v.sent, v.want = stream(v.plan.Seed), stream(v.plan.Seed)
	switch v.plan.Kind {
	case Knock:
		return errLeft
	case Leaver, Rude:
		return v.leave(ctx)
	case Long:
		return v.converse(ctx)
	case Bulk:
		return v.pour()
	case Half:
		return v.hand(ctx)
	default:
		return v.turn()
	}
}

// stream returns the bytes of a seed.
func stream(seed uint64) *rand.ChaCha8 {
	var key [32]byte
	for i := range 8 {
		key[i] = byte(seed >> (8 * i))
	}
	return rand.NewChaCha8(key)
}

// turn sends a piece and reads it back.
func (v *visitor) turn() error {
	if err := v.send(v.plan.Size); err != nil {
		return err
	}
	return v.expect(v.plan.Size)
}

// converse takes turns, with pauses.
func (v *visitor) converse(ctx context.Context) error {
	for i := range v.plan.Turns {
		if i > 0 {
			if err := pause(ctx, v.plan.Pause); err != nil {
				return err
			}
		}
		if err := v.turn(); err != nil {
			return err
		}
	}
	return nil
}

// hand sends all, ends its side and reads all, up to a clean end.
func (v *visitor) hand(ctx context.Context) error {
	if err := v.send(v.plan.Size); err != nil {
		return err
	}
	if err := v.conn.CloseWrite(); err != nil {
		return err
	}
	if err := pause(ctx, v.plan.Pause); err != nil {
		return err
	}
	if err := v.expect(v.plan.Size); err != nil {
		return err
	}
	return v.expectEnd()
}

// leave sends, waits and goes.
func (v *visitor) leave(ctx context.Context) error {
	if err := v.send(v.plan.Size); err != nil {
		return err
	}
	if err := pause(ctx, v.plan.Pause); err != nil {
		return err
	}
	if v.plan.Kind == Rude {
		if err := v.conn.SetLinger(0); err != nil {
			return err
		}
	}
	return errLeft
}

// pour sends and reads at once. Beside the bytes it compares a checksum of the whole.
func (v *visitor) pour() error {
	sent, failed := sha256.New(), make(chan error, 1)
	go func() { failed <- v.sendAll(io.TeeReader(io.LimitReader(v.sent, int64(v.plan.Size)), sent)) }()
	got := sha256.New()
	err := v.expectInto(v.plan.Size, got)
	if err == nil {
		err = v.expectEnd()
	}
	if err != nil {
		v.conn.Close() // so that the sender ends
		if s := <-failed; s != nil && !errors.Is(s, net.ErrClosed) && errors.Is(err, io.ErrUnexpectedEOF) {
			return s // the end was not clean: we were told while we sent
		}
		return err
	}
	if err := <-failed; err != nil {
		return err
	}
	if !bytes.Equal(sent.Sum(nil), got.Sum(nil)) {
		return wrong{int64(v.plan.Size)}
	}
	return nil
}

// sendAll sends all of r, and ends our side.
func (v *visitor) sendAll(r io.Reader) error {
	buf := make([]byte, 64<<10)
	for {
		n, err := r.Read(buf)
		if n > 0 {
			if err := v.write(buf[:n]); err != nil {
				return err
			}
		}
		if err != nil {
			return v.conn.CloseWrite()
		}
	}
}

// send sends the next n bytes.
func (v *visitor) send(n int) error {
	buf := make([]byte, n)
	_, _ = v.sent.Read(buf)
	return v.write(buf)
}

// write sends a piece within our patience.
func (v *visitor) write(b []byte) error {
	if err := v.conn.SetWriteDeadline(time.Now().Add(v.options.Patience)); err != nil {
		return err
	}
	_, err := v.conn.Write(b)
	return err
}

// expect reads n bytes and compares them with those that were sent.
func (v *visitor) expect(n int) error { return v.expectInto(n, io.Discard) }

func (v *visitor) expectInto(n int, sum io.Writer) error {
	got, want := make([]byte, min(n, 64<<10)), make([]byte, min(n, 64<<10))
	for n > 0 {
		if err := v.conn.SetReadDeadline(time.Now().Add(v.options.Patience)); err != nil {
			return err
		}
		m, err := v.conn.Read(got[:min(n, len(got))])
		_, _ = v.want.Read(want[:m])
		for i := range m {
			if got[i] != want[i] {
				return wrong{v.verdict.Checked + int64(i)}
			}
		}
		v.verdict.Checked += int64(m)
		n -= m
		_, _ = sum.Write(got[:m])
		switch {
		case n > 0 && errors.Is(err, io.EOF):
			return fmt.Errorf("%w with %d bytes still to come", io.ErrUnexpectedEOF, n)
		case n > 0 && err != nil:
			return err
		}
	}
	return nil
}

// expectEnd wants a clean end and nothing before it.
func (v *visitor) expectEnd() error {
	if err := v.conn.SetReadDeadline(time.Now().Add(v.options.Patience)); err != nil {
		return err
	}
	switch n, err := v.conn.Read(make([]byte, 1)); {
	case n > 0:
		return wrong{v.verdict.Checked}
	case errors.Is(err, io.EOF):
		return nil
	default:
		return err
	}
}

// pause waits, unless ctx ends.
func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
