package loop

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// Events is what may have changed on a descriptor, as epoll_ctl(2) names it.
type Events uint32

// The events. Hup, Err and, once asked for, HangingUp come with what was watched for.
const (
	In        Events = unix.EPOLLIN
	Out       Events = unix.EPOLLOUT
	Urgent    Events = unix.EPOLLPRI
	HangingUp Events = unix.EPOLLRDHUP // the peer has ended its stream
	Err       Events = unix.EPOLLERR
	Hup       Events = unix.EPOLLHUP // neither direction carries anything more
	Edge      Events = 1 << 31       // once for each change, not for as long as it lasts
	Exclusive Events = unix.EPOLLEXCLUSIVE
)

// A Handler is called when something may have changed on a descriptor that is watched for it; tag is the one that was
// given to [Loop.Watch]. Contain is called when a method of the handler has panicked, with what it panicked with: it
// must give up what the handler holds.
type Handler interface {
	Ready(tag int, events Events)
	Contain(panicked any)
}

// A Task is work for a loop.
type Task interface{ Do() }

// A Token names a handler that has joined a loop. The zero value names none.
type Token struct{ slot, generation uint32 }

const (
	tagBits   = 3
	batchSize = 256 // events of one wait

	slotsAtOnce = 256      // growing by copies would leave five times as much behind
	scratch     = 64 << 10 // bytes; of [Loop.Scratch]
)

// maxTag is the highest tag.
const maxTag = 1<<tagBits - 1

// wakeSlot is in the events of the descriptor by which others wake the loop; no handler's slot.
const wakeSlot = -1

// wakeNumber is added to an eventfd(2) by each wake-up. It is never taken back: it takes ages to fill that.
var wakeNumber = binary.NativeEndian.AppendUint64(nil, 1)

type slot struct {
	handler    Handler
	generation uint32
}

// A Loop runs handlers on one goroutine. All methods but Post, Load, Claim and Yield are for that goroutine alone.
type Loop struct {
	group  *Group
	epoll  int
	idle   idle
	wakeup int // eventfd
	slots  []*[slotsAtOnce]slot
	joined uint32 // slots that were ever used
	free   []uint32
	events []unix.EpollEvent
	now    time.Time // of this turn
	timers timers

	yielded time.Time // when it last gave way
	again   []Task    // heavy work, in order
	buf     []byte
	pipes   []*Pipe

	load     atomic.Int32 // what it was told that it carries
	sleeping atomic.Bool
	mu       sync.Mutex // guards the fields below
	inbox    []Task
	closed   bool
}

func newLoop(g *Group) (*Loop, error) {
	epoll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("epoll_create1", err)
	}
	wakeup, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		_ = unix.Close(epoll)
		return nil, os.NewSyscallError("eventfd", err)
	}
	l := &Loop{group: g, epoll: epoll, wakeup: wakeup, events: make([]unix.EpollEvent, batchSize), now: time.Now(), buf: make([]byte, scratch)}
	event := unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLET, Fd: wakeSlot}
	if err := unix.EpollCtl(epoll, unix.EPOLL_CTL_ADD, wakeup, &event); err != nil {
		return nil, errors.Join(os.NewSyscallError("epoll_ctl", err), l.close())
	}
	if err := l.idle.open(l); err != nil {
		return nil, errors.Join(err, l.close())
	}
	return l, nil
}

// Now is the time of this turn: that of the newest wait's end.
func (l *Loop) Now() time.Time { return l.now }

// Clock is Now as the time since the group was made, which takes less room.
func (l *Loop) Clock() time.Duration { return l.now.Sub(l.group.born) }

// Scratch is a buffer that anything on the loop may use until it returns.
func (l *Loop) Scratch() []byte { return l.buf }

// Group returns the loops that this one belongs to.
func (l *Loop) Group() *Group { return l.group }

// Join gives h a place in the loop.
func (l *Loop) Join(h Handler) Token {
	if n := len(l.free); n > 0 {
		at := l.free[n-1]
		l.free = l.free[:n-1]
		l.slot(at).handler = h
		return Token{at, l.slot(at).generation}
	}
	at := l.joined
	if at%slotsAtOnce == 0 {
		l.slots = append(l.slots, new([slotsAtOnce]slot))
	}
	l.joined++
	*l.slot(at) = slot{h, 1}
	return Token{at, 1}
}

func (l *Loop) slot(at uint32) *slot { return &l.slots[at/slotsAtOnce][at%slotsAtOnce] }

// Leave takes the place back: no event reaches the handler any more. Its descriptors are to be closed or forgotten.
func (l *Loop) Leave(t Token) {
	if l.handler(t) == nil {
		return
	}
	s := l.slot(t.slot)
	s.handler = nil
	if s.generation++; s.generation == 0 { // which names nobody
		s.generation = 1
	}
	l.free = append(l.free, t.slot)
}

func (l *Loop) handler(t Token) Handler {
	if t.generation == 0 || t.slot >= l.joined || l.slot(t.slot).generation != t.generation {
		return nil
	}
	return l.slot(t.slot).handler
}

// Each calls f with every handler that has joined. f may let its own leave.
func (l *Loop) Each(f func(Handler)) {
	for at := range l.joined {
		if h := l.slot(at).handler; h != nil {
			f(h)
		}
	}
}

// Watch watches a descriptor for the handler that t names.
func (l *Loop) Watch(fd int, t Token, tag int, events Events) error {
	return l.control(unix.EPOLL_CTL_ADD, fd, t, tag, events)
}

// Forget ends the watch of a descriptor that stays open.
func (l *Loop) Forget(fd int) error { return l.control(unix.EPOLL_CTL_DEL, fd, Token{}, 0, 0) }

func (l *Loop) control(op, fd int, t Token, tag int, events Events) error {
	event := unix.EpollEvent{Events: uint32(events), Fd: int32(t.slot<<tagBits | uint32(tag)), Pad: int32(t.generation)}
	if err := epollCtl(l.epoll, op, fd, &event); err != nil {
		return os.NewSyscallError("epoll_ctl", err)
	}
	return nil
}

// Again runs t later: heavy work waits behind events, tasks and timers, and other heavy work that was there before. Between
// two pieces of it the loop looks for new events, so that a small thing never waits for more than one piece.
func (l *Loop) Again(t Task) { l.again = append(l.again, t) }

// Post gives the loop work from any goroutine. It never blocks. Tasks run in the order in which they were posted. It
// is false when the loop has ended and will not do it.
func (l *Loop) Post(t Task) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return false
	}
	l.inbox = append(l.inbox, t)
	if l.sleeping.CompareAndSwap(true, false) {
		_, _ = unix.Write(l.wakeup, wakeNumber) // under the lock: it is open then
	}
	return true
}

// Claim and Yield count what the loop carries, for [Loop.Quietest].
func (l *Loop) Claim(n int) { l.load.Add(int32(n)) }

// Yield takes a Claim back.
func (l *Loop) Yield(n int) { l.load.Add(int32(-n)) }

// Load is how much the loop carries.
func (l *Loop) Load() int { return int(l.load.Load()) }

// run is the loop. It ends after [Group.Stop], when all that was posted before has been done.
func (l *Loop) run() {
	for {
		n := l.wait()
		l.now = time.Now()
		for i := range l.events[:n] {
			l.dispatch(&l.events[i])
		}
		l.fire()
		if !l.drain() {
			return
		}
		l.heavy()
		if l.now.Sub(l.yielded) > yieldAfter {
			l.yielded = l.now
			runtime.Gosched()
		}
	}
}

// yieldAfter is how often a busy loop gives way for a moment, before the runtime's monitor takes it for one that hogs its
// place (10 ms) and interrupts it.
const yieldAfter = 8 * time.Millisecond

// turn is how long heavy work may take together before the loop looks for events again.
const turn = 100 * time.Microsecond

func (l *Loop) heavy() {
	done := 0
	for done < len(l.again) && (done == 0 || time.Since(l.now) < turn) {
		t := l.again[done]
		l.again[done] = nil
		done++
		doOne(t)
	}
	if done == len(l.again) {
		l.again = l.again[:0]
		return
	}
	l.again = l.again[done:]
}

// wait returns the number of events. It sleeps only while nothing else is to be done.
func (l *Loop) wait() int {
	timeout := time.Duration(-1)
	if len(l.timers) > 0 {
		timeout = l.timers.until(time.Now())
	}
	if len(l.again) > 0 {
		timeout = 0
	}
	if timeout != 0 {
		l.sleeping.Store(true)
		if l.posted() {
			timeout = 0
		}
	}
	n := l.sleep(timeout)
	l.sleeping.Store(false)
	return n
}

// briefly is how long a loop stays in epoll_pwait(2) before it lets the runtime wait for it.
const briefly = 2 * time.Millisecond

// sleep waits in two ways. The system call is the quicker one, and goes unseen by the scheduler: that sends a signal when it
// wants something, which ends the wait. Told of it, its monitor would wake up with the loop each time, and cost ten times
// what the loop does. But it is not for long: the loop keeps its place meanwhile. Then the runtime's poller waits.
func (l *Loop) sleep(timeout time.Duration) int {
	first := timeout
	if timeout < 0 || timeout > briefly {
		first = briefly
	}
	n, err := epollWait(l.epoll, l.events, first)
	if err == nil && n == 0 && first != timeout {
		n, err = l.idle.wait(l, l.timers.next())
	}
	if err != nil && !errors.Is(err, unix.EINTR) {
		panic(fmt.Sprintf("epoll_pwait: %v", err)) // a closed or wrong descriptor: nothing could go on
	}
	return max(n, 0)
}

func (l *Loop) posted() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.inbox) > 0 || l.closed
}

func (l *Loop) dispatch(e *unix.EpollEvent) {
	if e.Fd == wakeSlot {
		return // each write is an edge of its own: there is no need to take it back
	}
	h := l.handler(Token{uint32(e.Fd) >> tagBits, uint32(e.Pad)})
	if h == nil {
		return
	}
	defer contain(h)
	h.Ready(int(e.Fd)&maxTag, Events(e.Events))
}

// contain keeps a panic of one handler from ending the loop, and with it everybody else's connections.
func contain(h any) {
	if p := recover(); p != nil {
		if c, ok := h.(interface{ Contain(any) }); ok {
			c.Contain(p)
			return
		}
		panic(p)
	}
}

func (l *Loop) do(tasks []Task) {
	for _, t := range tasks {
		doOne(t)
	}
}

func doOne(t Task) {
	defer contain(t)
	t.Do()
}

func (l *Loop) fire() {
	for t := l.timers.pop(l.now); t != nil; t = l.timers.pop(l.now) {
		doOne(t.task)
	}
}

// drain does what was posted. It is false when the loop is to end.
func (l *Loop) drain() bool {
	l.mu.Lock()
	tasks, closed := l.inbox, l.closed
	l.inbox = nil
	l.mu.Unlock()
	l.do(tasks)
	return !closed
}

func (l *Loop) stop() {
	l.mu.Lock()
	l.closed = true
	l.mu.Unlock()
	_, _ = unix.Write(l.wakeup, wakeNumber)
}

func (l *Loop) close() error {
	for _, p := range l.pipes {
		p.close()
	}
	l.pipes = nil
	return errors.Join(unix.Close(l.wakeup), unix.Close(l.epoll), l.idle.close())
}
