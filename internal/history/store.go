// Package history keeps what has happened: facts, connections, and how long each target was in which state. Everything is taken in memory
// and written by one goroutine, in batches, to one SQLite file: nothing waits for it, and a disk that is full, slow or dead costs history
// and nothing else. What is old, or too much, is forgotten.
package history

import (
	"database/sql"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/rouse-proxy/rouse/internal/event"
)

const (
	mostQueued  = 1 << 15 // entries that wait for the disk; more are lost, and counted
	mostRecent  = 1000    // facts that are remembered beside the file
	crowdTime   = time.Minute
	crowdSome   = 20              // facts of a crowd that are kept one by one, in that time
	mostLive    = 200_000         // connections that are followed
	longStay    = 2 * time.Second // after which a connection is written before it ends
	mostRefused = 20              // refusals that are remembered for each target
)

// Options say what is kept.
type Options struct {
	Path   string        // of the file; empty: only what fits in memory is kept
	Keep   time.Duration // how long; 0: 400 days
	Size   int64         // bytes that the file may have; 0: 256 MiB
	Logger *slog.Logger
}

// A Store takes what happens. Its methods never wait for the disk, but for Close.
type Store struct {
	opts Options
	wake chan struct{} // buffered: there is something to be written
	end  chan struct{} // closed by Close
	done chan struct{} // closed when the writer has ended

	mu        sync.Mutex // guards the fields below
	queue     []entry
	lost      int
	last      int64  // the newest ID
	recent    []Fact // the newest ones, by ID
	news      chan struct{}
	crowds    map[crowd]*burst
	targets   map[string]*Now
	live      map[liveKey][]*Connection
	lives     int
	unwritten int     // of live, neither written nor ended
	reader    *Reader // nil: the file is not open (yet)
	running   bool
}

// entry is what is to be written: one of its pointers is set.
type entry struct {
	fact    *Fact
	ended   *Connection
	change  *change
	traffic *traffic
}

// change is a change of state.
type change struct {
	target, from, to string
	at               time.Time
	after            time.Duration
}

type traffic struct {
	target         string
	at             time.Time
	sent, received int64
}

type crowd struct {
	kind   event.Kind
	target string
}

type burst struct {
	began time.Time
	kept  int
	more  *Fact // stands for those that are not kept one by one
}

type liveKey struct{ target, client, route string }

// New returns a store that takes facts at once. [Store.Start] has them written.
func New(o Options) *Store {
	if o.Keep == 0 {
		o.Keep = 400 * 24 * time.Hour
	}
	if o.Size == 0 {
		o.Size = 256 << 20
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return &Store{
		opts: o, wake: make(chan struct{}, 1), end: make(chan struct{}), done: make(chan struct{}), news: make(chan struct{}),
		crowds: map[crowd]*burst{}, targets: map[string]*Now{}, live: map[liveKey][]*Connection{},
	}
}

// Sink takes an event.
func (s *Store) Sink(e event.Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.follow(e)
	if e.Kind == event.StateChanged {
		s.put(entry{change: &change{e.Target, e.From, e.To, e.Time, e.Elapsed}})
	}
	if !kept(e) {
		return
	}
	s.calm(e.Time)
	f := factOf(e)
	if crowded(e.Kind) && s.crowd(f) {
		return
	}
	s.keep(f)
}

// Traffic takes how many bytes were carried for a target since the last call.
func (s *Store) Traffic(target string, at time.Time, sent, received int64) {
	if sent == 0 && received == 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.put(entry{traffic: &traffic{target, at, sent, received}})
}

// crowd counts a fact that is one of many, and says whether it is not kept by itself. The lock is held.
func (s *Store) crowd(f Fact) bool {
	c := crowd{f.Kind, f.Target}
	b := s.crowds[c]
	if b == nil {
		b = &burst{began: f.At}
		s.crowds[c] = b
	}
	if b.kept < crowdSome {
		b.kept++
		return false
	}
	if b.more == nil {
		b.more = &f
		b.more.Times = 0
	}
	b.more.Times++
	return true
}

// calm ends the crowds whose time is over. The lock is held.
func (s *Store) calm(now time.Time) {
	for c, b := range s.crowds {
		if d := now.Sub(b.began); d < crowdTime && d >= 0 {
			continue
		}
		delete(s.crowds, c)
		if b.more != nil {
			b.more.Text = sentence(*b.more)
			s.keep(*b.more)
		}
	}
}

// keep gives a fact its ID, remembers it, and has it written. The lock is held.
func (s *Store) keep(f Fact) {
	f.ID = s.nextID(f.At)
	s.recent = append(s.recent, f)
	if len(s.recent) >= 2*mostRecent {
		s.recent = slices.Clone(s.recent[len(s.recent)-mostRecent:])
	}
	close(s.news)
	s.news = make(chan struct{})
	s.put(entry{fact: &f})
}

// nextID returns one that is above all others. It is about the time in microseconds, so it stays so over a restart, for which nothing
// need be read. The lock is held.
func (s *Store) nextID(at time.Time) int64 {
	s.last = max(s.last+1, at.UnixMicro())
	return s.last
}

// put has an entry written. The lock is held.
func (s *Store) put(e entry) {
	if s.opts.Path == "" {
		return
	}
	if len(s.queue) >= mostQueued {
		s.lost++
		return
	}
	s.queue = append(s.queue, e)
	s.nudge()
}

// nudge tells the writer that there is something to do.
func (s *Store) nudge() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// Recent returns the facts after an ID that are remembered, oldest first, whether these are all, and what is closed when there are more.
func (s *Store) Recent(after int64) (facts []Fact, all bool, more <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i, _ := slices.BinarySearchFunc(s.recent, after+1, func(f Fact, id int64) int { return int(f.ID - id) })
	all = i > 0 || len(s.recent) < mostRecent && after >= s.began()
	return slices.Clone(s.recent[i:]), all, s.news
}

// began is the ID below which nothing is remembered. The lock is held.
func (s *Store) began() int64 {
	if len(s.recent) == 0 {
		return s.last
	}
	return s.recent[0].ID - 1
}

// Reader returns who reads the file; nil if there is none, or it could not be opened so far.
func (s *Store) Reader() *Reader {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.reader
}

// opened notes that the file can be read, or with nil that it cannot, and which ID is its newest.
func (s *Store) opened(db *sql.DB, last int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reader = nil
	if db != nil {
		s.reader = &Reader{db: db}
	}
	s.last = max(s.last, last)
}
