package relay

import (
	"context"
	"net"
	"testing"

	"github.com/rouse-proxy/rouse/internal/loop"
)

func init() { engines["loop"] = runLink }

// runLink relays on a loop of its own, in the manner of Run.
func runLink(ctx context.Context, client, backend Conn, opts Options) (Result, error) {
	group, err := loop.New(loop.Options{Pipes: 4})
	if err != nil {
		return Result{}, err
	}
	defer group.Close()
	group.Start()
	defer group.Stop()
	return linkOn(ctx, group.Loops()[0], client, backend, opts)
}

// A linked is a link that was asked for, and its answer.
type linked struct {
	Link
	opts    Options
	on      *loop.Loop
	fds     [2]int
	answers chan answer
}

type answer struct {
	res Result
	err error
}

func (l *linked) RelayEnded(res Result, err error) { l.answers <- answer{res, err} }
func (l *linked) RelayHeavy() bool                 { return false }

// start and stop are tasks.
type (
	startLink linked
	stopLink  struct {
		*linked
		cause error
	}
)

func (l *startLink) Do() {
	o := LinkOptions{Loop: l.on, Owner: (*linked)(l), Relay: &l.opts, Client: Socket{FD: l.fds[0]}, Backend: Socket{FD: l.fds[1]}}
	o.Token = l.on.Join(&l.Link)
	l.Link.Start(o)
	for i, fd := range l.fds {
		if err := l.on.Watch(fd, o.Token, i, LinkEvents); err != nil {
			l.Link.Cancel(err)
		}
	}
}

func (s stopLink) Do() { s.Link.Cancel(s.cause) }

func linkOn(ctx context.Context, on *loop.Loop, client, backend Conn, opts Options) (Result, error) {
	l := &linked{opts: opts, on: on, answers: make(chan answer, 1)}
	for i, c := range []Conn{client, backend} {
		fd, err := loop.Steal(c.(*net.TCPConn))
		if err != nil {
			return Result{}, err
		}
		l.fds[i] = fd
	}
	on.Post((*startLink)(l))
	select {
	case a := <-l.answers:
		return a.res, a.err
	case <-ctx.Done():
		on.Post(stopLink{l, context.Cause(ctx)})
		a := <-l.answers
		return a.res, a.err
	}
}

func BenchmarkLinkThroughput(b *testing.B) { benchmarkThroughput(b, runLink) }
