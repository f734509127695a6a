package loop

import (
	"container/heap"
	"time"
)

// A Timer runs a task once, on its loop. Only what is really due has one: idle connections have none.
type Timer struct {
	task  Task
	due   time.Time
	place int // in the heap, from 1; 0: not armed
}

// NewTimer returns a timer for t that is not armed.
func NewTimer(t Task) Timer { return Timer{task: t} }

// Armed says whether the timer will fire.
func (t *Timer) Armed() bool { return t.place > 0 }

// Arm sets t to fire after d from now, in place of what it was set to.
func (l *Loop) Arm(t *Timer, d time.Duration) {
	t.due = time.Now().Add(d)
	if t.place > 0 {
		heap.Fix(&l.timers, t.place-1)
		return
	}
	heap.Push(&l.timers, t)
}

// Disarm keeps t from firing.
func (l *Loop) Disarm(t *Timer) {
	if t.place > 0 {
		heap.Remove(&l.timers, t.place-1)
	}
}

// timers is a heap, the one that is due first in front.
type timers []*Timer

func (ts timers) Len() int           { return len(ts) }
func (ts timers) Less(i, j int) bool { return ts[i].due.Before(ts[j].due) }
func (ts timers) Swap(i, j int) {
	ts[i], ts[j] = ts[j], ts[i]
	ts[i].place, ts[j].place = i+1, j+1
}

// Push is for package heap.
func (ts *timers) Push(x any) {
	t := x.(*Timer)
	*ts = append(*ts, t)
	t.place = len(*ts)
}

// Pop is for package heap.
func (ts *timers) Pop() any {
	last := len(*ts) - 1
	t := (*ts)[last]
	(*ts)[last] = nil
	*ts = (*ts)[:last]
	t.place = 0
	return t
}

// pop takes one that is due at now.
func (ts *timers) pop(now time.Time) *Timer {
	if len(*ts) == 0 || (*ts)[0].due.After(now) {
		return nil
	}
	return heap.Pop(ts).(*Timer)
}

// next returns when the first is due; the zero time if there is none.
func (ts timers) next() time.Time {
	if len(ts) == 0 {
		return time.Time{}
	}
	return ts[0].due
}

// until returns how long it is until the first is due. There must be one.
func (ts timers) until(now time.Time) time.Duration { return max(ts[0].due.Sub(now), 0) }
