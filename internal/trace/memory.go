package trace

import (
	"slices"
	"sync"
	"time"

	"github.com/rouse-proxy/rouse/internal/event"
)

// A Memory is a trace that is kept in memory, of one or several runs in one process. Its t is
// that of the events, so it is virtual in a bubble.
type Memory struct {
	mu    sync.Mutex
	lines []Line
	run   int
	ended bool // the newest run
}

// Begin notes that a run begins.
func (m *Memory) Begin(settings map[string]Settings) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.run, m.ended = m.run+1, false
	now := time.Now()
	l := firstLine(now.UnixNano(), now, m.run, Options{Settings: settings})
	m.put(*l)
}

// End notes that the run has ended in order. A run that was killed has no end.
func (m *Memory) End() {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := time.Now()
	m.put(Line{T: now.UnixNano(), At: now.Round(0), Kind: event.RouseEnded, Run: m.run})
	m.ended = true
}

// Sink takes one event of the newest run. What comes behind its end is not in a file either: that of a status hook, say, which
// was told to end.
func (m *Memory) Sink(e event.Event) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.ended {
		return
	}
	m.put(lineOf(e.Time.UnixNano(), m.run, &e))
}

func (m *Memory) put(l Line) {
	l.File, l.Number = "memory", len(m.lines)+1
	m.lines = append(m.lines, l)
}

// Lines returns what has been noted so far.
func (m *Memory) Lines() []Line {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.lines)
}

// Check judges what has been noted so far.
func (m *Memory) Check(o CheckOptions) *Report { return Check(slices.Values(m.Lines()), o) }
