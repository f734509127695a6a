package loop

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

func TestTimersFireInOrder(t *testing.T) {
	l := started(t, Options{}).Loops()[0]
	const many = 50
	fired := make(chan int, many)
	timers := make([]Timer, many)
	within(t, l, func() {
		for _, i := range rand.Perm(many) {
			timers[i] = NewTimer(task(func() { fired <- i }))
			l.Arm(&timers[i], 20*time.Millisecond+time.Duration(i)*time.Millisecond)
		}
	})
	var order []int
	for range many {
		order = append(order, receive(t, fired))
	}
	if !slices.IsSorted(order) {
		t.Errorf("fired in the order %v", order)
	}
}

func TestTimersAreNeverEarly(t *testing.T) {
	l := started(t, Options{}).Loops()[0]
	for _, d := range []time.Duration{0, time.Microsecond, time.Millisecond, 3500 * time.Microsecond, 20 * time.Millisecond} {
		fired := make(chan time.Time, 1)
		var timer Timer
		began := time.Now()
		within(t, l, func() {
			timer = NewTimer(task(func() { fired <- time.Now() }))
			l.Arm(&timer, d)
		})
		if took := receive(t, fired).Sub(began); took < d {
			t.Errorf("a timer for %v fired after %v", d, took)
		}
	}
}

// TestTimersThatAreDisarmedOrSetAnew: the one does not fire, the other fires once, when it was last set to.
func TestTimersThatAreDisarmedOrSetAnew(t *testing.T) {
	l := started(t, Options{}).Loops()[0]
	fired := make(chan string, 10)
	tell := func(name string) Timer { return NewTimer(task(func() { fired <- name })) }
	off, sooner, later, last := tell("off"), tell("sooner"), tell("later"), tell("last")
	within(t, l, func() {
		l.Disarm(&off) // says nothing of one that is not armed
		l.Arm(&off, time.Millisecond)
		l.Arm(&sooner, time.Hour)
		l.Arm(&later, time.Millisecond)
		l.Arm(&last, 60*time.Millisecond)
		l.Arm(&sooner, 10*time.Millisecond)
		l.Arm(&later, 30*time.Millisecond)
		l.Disarm(&off)
		if off.Armed() || !sooner.Armed() || !later.Armed() {
			t.Error("the timers are not armed as they were set")
		}
	})
	for _, want := range []string{"sooner", "later", "last"} {
		if got := receive(t, fired); got != want {
			t.Errorf("%q fired, want %q", got, want)
		}
	}
	within(t, l, func() {
		if len(fired) > 0 || len(l.timers) > 0 || later.Armed() {
			t.Errorf("%d more have fired, %d are armed", len(fired), len(l.timers))
		}
	})
}

// TestTimerThatArmsItselfDoesNotHoldTheLoop: with no pause at all, other work is still done in between.
func TestTimerThatArmsItselfDoesNotHoldTheLoop(t *testing.T) {
	l := started(t, Options{}).Loops()[0]
	rounds := 0
	var timer Timer
	timer = NewTimer(task(func() {
		rounds++
		l.Arm(&timer, 0)
	}))
	within(t, l, func() { l.Arm(&timer, 0) })
	for range 100 {
		within(t, l, func() {})
	}
	within(t, l, func() {
		l.Disarm(&timer)
		if rounds == 0 {
			t.Error("it never fired")
		}
	})
}

// TestTimerDisarmedByAnotherOfTheSameTurn does not fire.
func TestTimerDisarmedByAnotherOfTheSameTurn(t *testing.T) {
	l := started(t, Options{}).Loops()[0]
	fired := make(chan string, 2)
	var first, second Timer
	first = NewTimer(task(func() { l.Disarm(&second); fired <- "first" }))
	second = NewTimer(task(func() { fired <- "second" }))
	within(t, l, func() {
		l.Arm(&first, time.Millisecond)
		l.Arm(&second, time.Millisecond)
		time.Sleep(5 * time.Millisecond) // both are due in the next turn
	})
	if got := receive(t, fired); got != "first" {
		t.Errorf("%q fired", got)
	}
	within(t, l, func() {
		if len(fired) > 0 {
			t.Error("the other one fired too")
		}
	})
}
