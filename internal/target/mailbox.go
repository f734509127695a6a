package target

import "sync"

// request is what callers tell the supervisor.
type request struct {
	step stepKind
	hold *Hold         // of acquired, suspected, abandoned
	done chan struct{} // of retired: closed when the target is down
	opts *Options      // of changed

	order chan<- error // a person wants the target stopped, and gets the answer; the fields above are zero then
}

// A mailbox takes requests from anybody without making anybody wait. The supervisor
// takes all of them at once.
type mailbox struct {
	signal chan struct{} // capacity 1: there is something in it

	mu     sync.Mutex // guards the fields below; held for a moment only
	batch  []request
	closed bool
}

// put says whether r will be read.
func (m *mailbox) put(r request) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return false
	}
	m.batch = append(m.batch, r)
	select {
	case m.signal <- struct{}{}:
	default: // the supervisor has been told already
	}
	return true
}

// take empties the mailbox, in the order of arrival.
func (m *mailbox) take() []request {
	m.mu.Lock()
	defer m.mu.Unlock()
	batch := m.batch
	m.batch = nil
	return batch
}

// close takes what is left; nothing comes after it.
func (m *mailbox) close() []request {
	m.mu.Lock()
	m.closed = true
	m.mu.Unlock()
	return m.take()
}

// A queue is who waits, in order of arrival. The supervisor owns it, and of a hold in
// it the links. A withdrawal may come for a hold that has been answered and belongs to
// its owner again, so the set tells who is in the queue: such a hold must not be read.
type queue struct {
	first, last *Hold
	set         map[*Hold]struct{}
	ranks       [Commanding + 1]int // how many of each are in it
}

func (q *queue) len() int { return len(q.set) }

func (q *queue) has(h *Hold) bool {
	_, ok := q.set[h]
	return ok
}

func (q *queue) push(h *Hold) {
	if q.set == nil {
		q.set = map[*Hold]struct{}{}
	}
	q.set[h] = struct{}{}
	q.ranks[h.Rank]++
	h.prev, h.next = q.last, nil
	if q.last == nil {
		q.first = h
	} else {
		q.last.next = h
	}
	q.last = h
}

func (q *queue) remove(h *Hold) {
	delete(q.set, h)
	q.ranks[h.Rank]--
	if h.prev == nil {
		q.first = h.next
	} else {
		h.prev.next = h.next
	}
	if h.next == nil {
		q.last = h.prev
	} else {
		h.next.prev = h.prev
	}
	h.prev, h.next = nil, nil
}

// drain empties the queue and returns its first hold, the others linked behind it.
func (q *queue) drain() *Hold {
	first := q.first
	q.first, q.last, q.ranks = nil, nil, [Commanding + 1]int{}
	if len(q.set) > 100 {
		q.set = nil // a crowd's memory is not kept
	}
	clear(q.set)
	return first
}
