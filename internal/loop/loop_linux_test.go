package loop

import (
	"math"
	"sync"
	"sync/atomic"
	"testing"
)

func TestEventsReachTheHandlerWithTheirTag(t *testing.T) {
	l := started(t, Options{}).Loops()[0]
	near, far := pair(t)
	h := newTold()
	within(t, l, func() {
		if err := l.Watch(near, l.Join(h), maxTag, In|HangingUp|Edge); err != nil {
			t.Error(err)
		}
	})
	say(t, far, "hello")
	if got := receive(t, h.events); got[0] != maxTag || Events(got[1])&In == 0 {
		t.Errorf("told of %v", got)
	}
	if err := Shutdown(far); err != nil {
		t.Error(err)
	}
	if got := receive(t, h.events); Events(got[1])&HangingUp == 0 {
		t.Errorf("told of %v", got)
	}
	within(t, l, func() { _ = l.Forget(near) })
}

// TestNoEventReachesWhoHasLeft, not even one of the same turn, nor does whoever has its place now hear of it.
func TestNoEventReachesWhoHasLeft(t *testing.T) {
	l := started(t, Options{}).Loops()[0]
	first, firstFar := pair(t)
	second, secondFar := pair(t)
	a, b, heir := newTold(), newTold(), newTold()
	var tokens [2]Token
	leave := func(other int) func() { // whoever is called first makes the other one leave
		return func() {
			l.Leave(tokens[other])
			l.Join(heir)
		}
	}
	within(t, l, func() { // both events are there when the loop looks next
		tokens = [2]Token{l.Join(a), l.Join(b)}
		a.ready, b.ready = leave(1), leave(0)
		say(t, firstFar, "hello")
		say(t, secondFar, "hello")
		_, _ = l.Watch(first, tokens[0], 0, In|Edge), l.Watch(second, tokens[1], 0, In|Edge)
	})
	within(t, l, func() {})
	within(t, l, func() {
		if len(a.events)+len(b.events) != 1 || len(heir.events) != 0 {
			t.Errorf("%d, %d and %d events, want one of the first two", len(a.events), len(b.events), len(heir.events))
		}
		_, _ = l.Forget(first), l.Forget(second)
	})
}

// TestGenerationsDoNotRunOut: one place is used again four billion times in the life of a busy process.
func TestGenerationsDoNotRunOut(t *testing.T) {
	l := made(t, Options{}).Loops()[0]
	h := newTold()
	token := l.Join(h)
	l.slot(token.slot).generation = math.MaxUint32
	token.generation = math.MaxUint32
	l.Leave(token)
	next := l.Join(h)
	if next.slot != token.slot || l.handler(next) == nil {
		t.Errorf("the place after %v is %v, whose handler is %v", token, next, l.handler(next))
	}
	l.Leave(next)
	if l.handler(next) != nil {
		t.Error("it cannot leave")
	}
}

func TestManyPlaces(t *testing.T) {
	l := made(t, Options{}).Loops()[0]
	const many = 3*slotsAtOnce + 1
	tokens := map[Token]bool{}
	for range many {
		tokens[l.Join(newTold())] = true
	}
	for token := range tokens {
		if token.slot%2 == 0 {
			l.Leave(token)
			l.Leave(token) // says nothing the second time
			delete(tokens, token)
		}
	}
	count := 0
	l.Each(func(Handler) { count++ })
	if count != len(tokens) {
		t.Errorf("%d handlers, want %d", count, len(tokens))
	}
	for range many - count {
		token := l.Join(newTold())
		if tokens[token] || int(token.slot) >= many {
			t.Errorf("a place was given twice, or is one too many: %v", token)
		}
		tokens[token] = true
	}
	if l.handler(Token{}) != nil || l.handler(Token{many, 1}) != nil {
		t.Error("nobody's token names somebody")
	}
}

// TestPostFromManyGoroutines: nothing is lost, and each one's tasks keep their order.
func TestPostFromManyGoroutines(t *testing.T) {
	l := started(t, Options{}).Loops()[0]
	const posters, each = 20, 500
	var done atomic.Int32
	all := make(chan struct{})
	last := [posters]int{}
	var posting sync.WaitGroup
	for p := range posters {
		posting.Go(func() {
			for i := range each {
				l.Post(task(func() {
					if last[p] != i {
						t.Errorf("task %d of %d came as number %d", i, p, last[p])
					}
					last[p]++
					if done.Add(1) == posters*each {
						close(all)
					}
				}))
			}
		})
	}
	posting.Wait()
	receive(t, all)
}

// TestPostWakesASleepingLoop, each time anew.
func TestPostWakesASleepingLoop(t *testing.T) {
	g := started(t, Options{Loops: 2})
	for range 500 {
		for _, l := range g.Loops() {
			within(t, l, func() {})
		}
	}
}

func TestPanicsAreContained(t *testing.T) {
	l := started(t, Options{}).Loops()[0]
	near, far := pair(t)
	bad, good := newTold(), newTold()
	bad.ready = func() { panic("a bug") }
	goodNear, goodFar := pair(t)
	within(t, l, func() {
		_, _ = l.Watch(near, l.Join(bad), 0, In|Edge), l.Watch(goodNear, l.Join(good), 0, In|Edge)
	})
	say(t, far, "x")
	if p := receive(t, bad.faults); p != "a bug" {
		t.Errorf("contained %v", p)
	}
	timed, posted, again := &unlucky{make(chan any, 1)}, &unlucky{make(chan any, 1)}, &unlucky{make(chan any, 1)}
	timer := NewTimer(timed)
	within(t, l, func() {
		l.Arm(&timer, 0)
		l.Again(again)
	})
	l.Post(posted)
	for _, u := range []*unlucky{timed, posted, again} {
		if p := receive(t, u.faults); p != "a bug" {
			t.Errorf("contained %v", p)
		}
	}
	say(t, goodFar, "x")
	receive(t, good.events)
	within(t, l, func() { _, _ = l.Forget(near), l.Forget(goodNear) })
}

// unlucky is a task that panics.
type unlucky struct{ faults chan any }

func (u *unlucky) Do()                  { panic("a bug") }
func (u *unlucky) Contain(panicked any) { u.faults <- panicked }

// TestStopDoesWhatWasPosted before it, and says so of what comes later.
func TestStopDoesWhatWasPosted(t *testing.T) {
	g := made(t, Options{Loops: 2})
	g.Start()
	var done, promised atomic.Int32
	var posting sync.WaitGroup
	for _, l := range g.Loops() {
		posting.Go(func() {
			for l.Post(task(func() { done.Add(1) })) {
				promised.Add(1)
			}
		})
	}
	for promised.Load() < 1000 {
		within(t, g.Loops()[0], func() {})
	}
	g.Stop()
	posting.Wait()
	if done.Load() != promised.Load() {
		t.Errorf("%d of %d tasks were done", done.Load(), promised.Load())
	}
}

// TestAgainComesBehindEvents: heavy work that begets itself starves nobody.
func TestAgainComesBehindEvents(t *testing.T) {
	l := started(t, Options{}).Loops()[0]
	near, far := pair(t)
	h := newTold()
	rounds := 0
	var work func()
	work = func() {
		if rounds++; rounds < 1000 || len(h.events) == 0 {
			l.Again(task(work))
		}
	}
	within(t, l, func() {
		_ = l.Watch(near, l.Join(h), 0, In|Edge)
		l.Again(task(work))
	})
	say(t, far, "x")
	receive(t, h.events)
	within(t, l, func() { _ = l.Forget(near) })
}

func TestQuietest(t *testing.T) {
	g := made(t, Options{Loops: 3})
	a, b, c := g.Loops()[0], g.Loops()[1], g.Loops()[2]
	for _, try := range []struct {
		a, b, c int
		want    *Loop
	}{
		{0, 0, 0, a},
		{slack, 0, 0, a}, // not worth while
		{slack + 1, 0, 0, b},
		{slack + 2, 1, 0, c},
		{1000, 900, 950, a},
		{1000, 700, 600, c},
		{5, 1000, 1000, a},
	} {
		a.Claim(try.a)
		b.Claim(try.b)
		c.Claim(try.c)
		if got := a.Quietest(); got != try.want {
			t.Errorf("%+v: it is the one with %d", try, got.Load())
		}
		a.Yield(try.a)
		b.Yield(try.b)
		c.Yield(try.c)
	}
}
