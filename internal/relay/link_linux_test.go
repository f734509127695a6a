package relay

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/rouse-proxy/rouse/internal/loop"
)

func init() {
	engines["loop"] = onGroup(loop.Options{Pipes: 4}, nil)
	engines["loop without pipes"] = onGroup(loop.Options{}, nil)
	engines["loop with small pipes"] = onGroup(loop.Options{Pipes: pipes}, shrinkPipes)
	engines["loop that hands bulk over"] = onGroup(loop.Options{Loops: 2, Pipes: 4}, nil)
}

// pipes is how many a loop keeps for the next one who wants some.
const pipes = 4

// onGroup relays on loops of its own, in the manner of Run. If there are two, bulk moves from one to the other.
func onGroup(group loop.Options, prepare func(*loop.Loop) error) engine {
	return func(ctx context.Context, client, backend Conn, opts Options) (Result, error) {
		g, err := loop.New(group)
		if err != nil {
			return Result{}, err
		}
		defer g.Close()
		if prepare != nil {
			if err := prepare(g.Loops()[0]); err != nil {
				return Result{}, err
			}
		}
		g.Start()
		defer g.Stop()
		return linkOn(ctx, g.Loops(), client, backend, opts)
	}
}

var runLink = onGroup(loop.Options{Pipes: 4}, nil)

// shrinkPipes makes the loop's pipes as small as those of a user who has very many.
func shrinkPipes(l *loop.Loop) error {
	before, err := pipeFDs()
	if err != nil {
		return err
	}
	for range pipes {
		defer l.GivePipe(l.TakePipe())
	}
	after, err := pipeFDs()
	for fd := range after {
		if !before[fd] {
			_, sizeErr := unix.FcntlInt(uintptr(fd), unix.F_SETPIPE_SZ, 1)
			err = errors.Join(err, sizeErr)
		}
	}
	return err
}

// pipeFDs are the descriptors of all pipes of the process.
func pipeFDs() (map[int]bool, error) {
	entries, err := os.ReadDir("/proc/self/fd")
	fds := map[int]bool{}
	for _, e := range entries {
		link, linkErr := os.Readlink("/proc/self/fd/" + e.Name())
		if fd, numErr := strconv.Atoi(e.Name()); linkErr == nil && numErr == nil && strings.HasPrefix(link, "pipe:") {
			fds[fd] = true
		}
	}
	return fds, err
}

// A linked is a link that was asked for, and its answer.
type linked struct {
	Link
	opts    Options
	loops   []*loop.Loop // it begins on the first, and bulk goes on on the last
	gone    bool         // to the last; the first's alone
	fds     [2]int
	answers chan answer
}

type answer struct {
	res Result
	err error
}

func (l *linked) RelayEnded(res Result, err error) { l.answers <- answer{res, err} }

var handed atomic.Int32 // links, from one loop to another

// RelayHeavy is for the link.
func (l *linked) RelayHeavy() bool {
	if len(l.loops) == 1 {
		return false
	}
	l.Leave()
	l.gone = true
	handed.Add(1)
	l.loops[1].Post((*enterLink)(l))
	return true
}

// What the loops do: start and enter watch both sockets, stop goes where the link has gone.
type (
	startLink linked
	enterLink linked
	stopLink  struct {
		*linked
		cause error
	}
)

func (l *startLink) Do() {
	on := l.loops[0]
	o := LinkOptions{Patrol: NewPatrol(on, l.opts), Owner: (*linked)(l), Client: Socket{FD: l.fds[0]}, Backend: Socket{FD: l.fds[1]}}
	o.Token = on.Join(&l.Link)
	l.Link.Start(o)
	(*linked)(l).watch(on, o.Token)
}

func (l *enterLink) Do() {
	token := l.loops[1].Join(&l.Link)
	l.Enter(NewPatrol(l.loops[1], l.opts), token)
	(*linked)(l).watch(l.loops[1], token)
}

func (l *linked) watch(on *loop.Loop, token loop.Token) {
	for i, fd := range l.fds {
		if err := on.Watch(fd, token, i, LinkEvents); err != nil {
			l.Cancel(err)
		}
	}
}

func (s stopLink) Do() {
	if s.gone {
		s.loops[1].Post(cancelLink(s))
		return
	}
	s.Cancel(s.cause)
}

// cancelLink is a stopLink that has arrived.
type cancelLink stopLink

func (c cancelLink) Do() { c.Cancel(c.cause) }

func linkOn(ctx context.Context, loops []*loop.Loop, client, backend Conn, opts Options) (Result, error) {
	l := &linked{opts: opts, loops: loops, answers: make(chan answer, 1)}
	for i, c := range []Conn{client, backend} {
		fd, err := loop.Steal(c.(*net.TCPConn))
		if err != nil {
			return Result{}, err
		}
		l.fds[i] = fd
	}
	loops[0].Post((*startLink)(l))
	select {
	case a := <-l.answers:
		return a.res, a.err
	case <-ctx.Done():
		loops[0].Post(stopLink{l, context.Cause(ctx)})
		a := <-l.answers
		return a.res, a.err
	}
}

// TestBulkIsHandedOver: the engine that hands it over does so, and nothing is lost in between.
func TestBulkIsHandedOver(t *testing.T) {
	client, near := loopback(t)
	far, backend := loopback(t)
	r := &rig{t: t, client: client, backend: backend}
	before := handed.Load()
	r.start(engines["loop that hands bulk over"], near, far, Options{})
	defer r.stop()
	sent := noise(64 << 20)
	done := make(chan struct{})
	go func() {
		defer close(done)
		r.write(client, sent)
		r.closeWrite(client)
	}()
	r.wantRead(backend, sent, io.EOF)
	<-done
	r.closeWrite(backend)
	r.wantRead(client, nil, io.EOF)
	r.wantEnd(EndClosed)
	if handed.Load() == before {
		t.Error("it was not handed over")
	}
}

func BenchmarkLinkThroughput(b *testing.B) { benchmarkThroughput(b, runLink) }
