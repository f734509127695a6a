package loop

import (
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// benchLoop starts one loop that runs until the benchmark ends.
func benchLoop(b *testing.B) *Loop {
	b.Helper()
	g, err := New(Options{})
	if err != nil {
		b.Fatal(err)
	}
	g.Start()
	b.Cleanup(func() {
		g.Stop()
		if err := g.Close(); err != nil {
			b.Error(err)
		}
	})
	return g.Loops()[0]
}

// A reply is a task that tells whoever posted it.
type reply chan struct{}

func (t reply) Do() { t <- struct{}{} }

// postAndWait posts t and waits until the loop has done it.
func postAndWait(b *testing.B, l *Loop, t Task, done <-chan struct{}) {
	if !l.Post(t) {
		b.Fatal("the loop has ended")
	}
	<-done
}

// BenchmarkPost is the way to a loop and back, for a goroutine that waits for it: the loop is woken each time.
func BenchmarkPost(b *testing.B) {
	l, t := benchLoop(b), make(reply, 1)
	b.ReportAllocs()
	for b.Loop() {
		postAndWait(b, l, t, t)
	}
}

// BenchmarkPostBusy is what a task costs a loop that need not be woken, among a thousand others.
func BenchmarkPostBusy(b *testing.B) {
	const many = 1000
	l, t := benchLoop(b), make(reply, many)
	b.ReportAllocs()
	for b.Loop() {
		for range many {
			l.Post(t)
		}
		for range many {
			<-t
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*many), "ns/task")
}

// An errand is a task that has the loop to itself.
type errand struct {
	do   func()
	done chan struct{}
}

func (w errand) Do() {
	w.do()
	w.done <- struct{}{}
}

// onLoop runs f on the loop, as everything that is the loop's own must.
func onLoop(b *testing.B, l *Loop, f func()) {
	w := errand{f, make(chan struct{}, 1)}
	postAndWait(b, l, w, w.done)
}

// BenchmarkTimer arms a timer and disarms it, beside ten thousand others.
func BenchmarkTimer(b *testing.B) {
	l := benchLoop(b)
	others := make([]Timer, 10_000)
	one := NewTimer(make(reply))
	b.ReportAllocs()
	onLoop(b, l, func() {
		for i := range others {
			others[i] = NewTimer(make(reply))
			l.Arm(&others[i], time.Hour+time.Duration(i)*time.Second)
		}
		for b.Loop() {
			l.Arm(&one, time.Minute)
			l.Disarm(&one)
		}
		for i := range others {
			l.Disarm(&others[i])
		}
	})
}

// BenchmarkJoin gives a handler a place and takes it back, beside ten thousand others.
func BenchmarkJoin(b *testing.B) {
	l := benchLoop(b)
	b.ReportAllocs()
	onLoop(b, l, func() {
		for range 10_000 {
			l.Join(&parrot{})
		}
		h := &parrot{}
		for b.Loop() {
			l.Leave(l.Join(h))
		}
	})
}

// A parrot is a handler that sends back what it gets.
type parrot struct {
	loop  *Loop
	token Token
	fd    int
	err   error
}

func (e *parrot) Ready(int, Events) {
	n, err := Recv(e.fd, e.loop.Scratch())
	if n > 0 {
		_, err = Send(e.fd, e.loop.Scratch()[:n])
	}
	if err != nil && err != unix.EAGAIN {
		e.err = err
	}
}

func (e *parrot) Contain(panicked any) { panic(panicked) }

func (e *parrot) enter() {
	e.token = e.loop.Join(e)
	e.err = e.loop.Watch(e.fd, e.token, 0, In|Edge)
}

func (e *parrot) leave() {
	_ = e.loop.Forget(e.fd)
	e.loop.Leave(e.token)
}

// BenchmarkEcho is a trip of one byte to a handler and back, through a pair of sockets. Half of it is the caller's.
func BenchmarkEcho(b *testing.B) {
	near, far := benchPair(b)
	e := &parrot{loop: benchLoop(b), fd: far}
	onLoop(b, e.loop, e.enter)
	defer onLoop(b, e.loop, e.leave)
	b.ReportAllocs()
	buf := []byte{'?'}
	for b.Loop() {
		if _, err := unix.Write(near, buf); err != nil {
			b.Fatal(err)
		}
		if n, err := unix.Read(near, buf); n != 1 || err != nil {
			b.Fatal(n, err)
		}
	}
	onLoop(b, e.loop, func() {
		if e.err != nil {
			b.Error(e.err)
		}
	})
}

// benchPair returns the two ends of a connection: one that blocks, and one for a loop.
func benchPair(b *testing.B) (near, far int) {
	b.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { Close(fds[0]); Close(fds[1]) })
	if err := unix.SetNonblock(fds[1], true); err != nil {
		b.Fatal(err)
	}
	return fds[0], fds[1]
}
