package notify

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	mostQueued   = 100
	usualPause   = time.Minute
	refusalPause = 10 * time.Minute // of what strangers can bring about
)

// A line is what is put together: the newest message of it says how things are.
type line struct{ what, target string }

// lineOf is the line of a message. That it has failed and that it has recovered are one, so that the last to be told is true.
func lineOf(m Message) line {
	switch m.Kind {
	case Failures, Recovered:
		return line{"health", m.Target}
	}
	return line{m.Kind, m.Target}
}

// An item is a message that waits, and for how many.
type item struct {
	Message
	line   line
	queued time.Time // from when on it is tried for an hour
	first  time.Time // of what was put together
	due    time.Time
	counts map[string]int // by group
}

// queue has at most one item of each line, in order of arrival of the newest of each.
type queue struct {
	pause time.Duration
	news  chan struct{} // holds one if something came since the last look

	mu    sync.Mutex // guards the fields below
	items []*item
	last  map[line]time.Time // when the last was taken
	lost  int
}

func newQueue(pause time.Duration) queue {
	return queue{pause: pause, news: make(chan struct{}, 1), last: map[line]time.Time{}}
}

// put adds a message, or drops one and counts it if too many wait.
func (q *queue) put(m Message, now time.Time) {
	q.mu.Lock()
	defer q.mu.Unlock()
	it := &item{Message: m, line: lineOf(m), queued: now, first: m.At, due: now, counts: map[string]int{m.Kind: 1}}
	if i := slices.IndexFunc(q.items, func(o *item) bool { return o.line == it.line }); i >= 0 {
		old := q.items[i]
		old.counts[m.Kind]++
		it.counts, it.first, it.due = old.counts, old.first, old.due
		q.items = slices.Delete(q.items, i, i+1)
	} else if last, told := q.last[it.line]; told {
		it.due = last.Add(q.pauseOf(m.Kind))
	}
	if len(q.items) >= mostQueued && !q.makeRoom(m) {
		q.lost++
		return
	}
	q.items = append(q.items, it)
	select {
	case q.news <- struct{}{}:
	default:
	}
}

func (q *queue) pauseOf(group string) time.Duration {
	if group == Refusals {
		return max(q.pause, refusalPause)
	}
	return q.pause
}

// makeRoom drops what nobody has to look at for what somebody has to.
func (q *queue) makeRoom(m Message) bool {
	if !slices.Contains(Quiet, m.Kind) {
		return false
	}
	i := slices.IndexFunc(q.items, func(o *item) bool { return !slices.Contains(Quiet, o.Kind) })
	if i < 0 {
		return false
	}
	q.lost += total(q.items[i].counts)
	q.items = slices.Delete(q.items, i, i+1)
	return true
}

// take returns the first item that is due, or else how long nothing is; -1: nothing waits.
func (q *queue) take(now time.Time) (it *item, wait time.Duration) {
	q.mu.Lock()
	defer q.mu.Unlock()
	wait = -1
	for i, o := range q.items {
		left := o.due.Sub(now)
		if left <= 0 {
			q.items = slices.Delete(q.items, i, i+1)
			q.last[o.line] = now
			return o, 0
		}
		if wait < 0 || left < wait {
			wait = left
		}
	}
	return nil, wait
}

// drain returns all that waits, due or not, and how many were lost of which nobody was told.
func (q *queue) drain() (items []*item, lost int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	items, lost = q.items, q.lost
	q.items, q.lost = nil, 0
	return items, lost
}

// back puts an item first that was taken and not delivered.
func (q *queue) back(it *item) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.items = slices.Insert(q.items, 0, it)
}

// missed says how many were lost since it was last asked.
func (q *queue) missed() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	lost := q.lost
	q.lost = 0
	return lost
}

func total(counts map[string]int) int {
	n := 0
	for _, c := range counts {
		n += c
	}
	return n
}

// message is what is sent of an item, and of those that were lost before it.
func (it *item) message(lost int) Message {
	m := it.Message
	m.Count = total(it.counts)
	if m.Count > 1 {
		m.Text += fmt.Sprintf("\n\nThis is the last of %d since %s", m.Count, it.first.Format("15:04:05"))
		if len(it.counts) > 1 {
			var parts []string
			for _, group := range slices.Sorted(maps.Keys(it.counts)) {
				parts = append(parts, fmt.Sprintf("%s %d", group, it.counts[group]))
			}
			m.Text += ": " + strings.Join(parts, ", ")
		}
		m.Text += "."
	}
	if lost > 0 {
		m.Text += fmt.Sprintf("\n\nMessages before it were lost, for too many waited: %d. The log has what happened.", lost)
	}
	return m
}
