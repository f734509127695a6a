package gate

import (
	"container/list"
	"sync"
)

// Seats are how many clients a target serves at once. Who finds none waits, and gets one in the order of arrival.
type Seats struct {
	mu    sync.Mutex // guards the fields below
	most  int
	taken int
	line  list.List // of *Seat
}

// A Seat is one client's, or its place in the line. The zero value is neither.
type Seat struct {
	given func()
	place *list.Element
	has   bool
}

// NewSeats returns so many seats.
func NewSeats(most int) *Seats { return &Seats{most: most} }

// Limit sets how many there are. Nobody loses one who has it.
func (s *Seats) Limit(most int) {
	s.mu.Lock()
	s.most = most
	given := s.give()
	s.mu.Unlock()
	tell(given)
}

// Take gives a seat, or a place in the line: then given is called once there is one, by whoever has left his, so it must be quick.
// It is not called after Leave has returned, but it may be while Leave is called.
func (s *Seats) Take(seat *Seat, given func()) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.line.Len() == 0 && s.taken < s.most {
		s.taken++
		seat.has = true
		return true
	}
	seat.given = given
	seat.place = s.line.PushBack(seat)
	return false
}

// Has reports whether the seat is the client's.
func (s *Seats) Has(seat *Seat) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return seat.has
}

// Leave gives the seat, or the place in the line, back. It does nothing for who has neither.
func (s *Seats) Leave(seat *Seat) {
	s.mu.Lock()
	if seat.place != nil {
		s.line.Remove(seat.place)
		seat.place = nil
	}
	if seat.has {
		seat.has = false
		s.taken--
	}
	given := s.give()
	s.mu.Unlock()
	tell(given)
}

// give lets those sit down for whom there is a seat, and returns whom to tell. The lock is held.
func (s *Seats) give() (given []func()) {
	for s.taken < s.most && s.line.Len() > 0 {
		seat := s.line.Remove(s.line.Front()).(*Seat)
		seat.place, seat.has = nil, true
		s.taken++
		given = append(given, seat.given)
	}
	return given
}

func tell(given []func()) {
	for _, f := range given {
		f()
	}
}
