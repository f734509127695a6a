package relay

import (
	"errors"
	"io"
	"math/rand/v2"
	"syscall"
	"testing"
	"time"

	"github.com/rouse-proxy/rouse/internal/loop"
	"github.com/rouse-proxy/rouse/internal/peek"
)

// A do is a task made of a function.
type do func()

func (d do) Do() { d() }

// A stand is a link on a loop of its own, with a patrol that the test sends round.
type stand struct {
	*rig
	loop *loop.Loop // that the link is on
	next *loop.Loop // that it may move to
	link *linked
}

// onStand runs f with a link that relays.
func onStand(t *testing.T, f func(*stand)) {
	t.Helper()
	g, err := loop.New(loop.Options{Loops: 2, Pipes: pipes})
	if err != nil {
		t.Fatal(err)
	}
	g.Start()
	defer g.Close()
	defer g.Stop()
	client, near := loopback(t)
	far, backend := loopback(t)
	s := &stand{rig: &rig{t: t, client: client, backend: backend}, loop: g.Loops()[0], next: g.Loops()[1]}
	s.link = &linked{opts: Options{Stall: time.Hour}, loops: g.Loops()[:1], answers: make(chan answer, 1)}
	if s.link.fds[0], err = loop.Steal(near); err != nil {
		t.Fatal(err)
	}
	if s.link.fds[1], err = loop.Steal(far); err != nil {
		t.Fatal(err)
	}
	s.loop.Post((*startLink)(s.link))
	defer client.Close()
	defer backend.Close()
	f(s)
	s.do(func() { s.link.Cancel(errors.New("the test ends")) })
}

// do runs f on the loop.
func (s *stand) do(f func()) {
	done := make(chan struct{})
	s.loop.Post(do(func() { defer close(done); f() }))
	<-done
}

// move takes the link to the next loop, once it is at rest.
func (s *stand) move() {
	s.t.Helper()
	for by, left := time.Now().Add(time.Minute), false; !left; time.Sleep(time.Millisecond) {
		s.do(func() {
			if left = s.link.Movable(); left {
				s.link.Leave()
			}
		})
		if time.Now().After(by) {
			s.t.Fatal("the link cannot be moved")
		}
	}
	s.loop = s.next
	s.do(func() {
		token := s.loop.Join(&s.link.Link)
		s.link.Enter(NewPatrol(s.loop, s.link.opts), token)
		s.link.watch(s.loop, token)
	})
}

// round lets the patrol look, and returns how many links it follows then.
func (s *stand) round() (followed int) {
	s.do(func() {
		s.link.patrol.Do()
		followed = s.link.patrol.count
		if followed > 0 && !s.link.patrol.timer.Armed() {
			s.t.Errorf("%d links are followed, and no round will come", followed)
		}
	})
	return followed
}

// ends waits for the link's end, which is that of a peer that has vanished.
func (s *stand) ends(want End) {
	s.t.Helper()
	a := <-s.link.answers
	if n := s.followed(s.link.patrol); n != 0 {
		s.t.Errorf("%d links are followed after the end of the only one", n)
	}
	if a.res.End != want || !errors.Is(a.err, peek.ErrVanished) {
		s.t.Errorf("it ended as %q, %v", a.res.End, a.err)
	}
}

// TestPatrolFollowsOnlyWhatIsUnderWay: an idle link costs nothing; one whose peer does not read is looked at for ever.
func TestPatrolFollowsOnlyWhatIsUnderWay(t *testing.T) {
	onStand(t, func(s *stand) {
		if n := s.round(); n != 0 {
			t.Errorf("%d links are followed before anything was sent", n)
		}
		sent := noise(100)
		s.write(s.client, sent)
		if _, err := s.backend.Read(make([]byte, 100)); err != nil {
			t.Fatal(err)
		}
		s.settles()
		s.fill(s.client)
		for range 10 {
			if n := s.round(); n != 1 {
				t.Fatalf("%d links are followed while one's peer does not read", n)
			}
		}
	})
}

// settles waits until nothing is followed any more.
func (s *stand) settles() {
	s.t.Helper()
	for by := time.Now().Add(time.Minute); s.round() != 0; time.Sleep(time.Millisecond) {
		if time.Now().After(by) {
			s.t.Fatal("a link to which nothing is under way is still followed")
		}
	}
}

// followed says how many links a patrol follows now.
func (s *stand) followed(p *Patrol) (n int) {
	s.do(func() { n = p.count })
	return n
}

// TestPatrolFollowsAnEnd: it must be acknowledged like bytes.
func TestPatrolFollowsAnEnd(t *testing.T) {
	for _, first := range []side{theClient, theBackend} {
		t.Run(first.String(), func(t *testing.T) {
			onStand(t, func(s *stand) {
				it, other := s.of(first)
				s.settles()
				s.closeWrite(it)
				s.wantRead(other, nil, io.EOF)
				if n := s.followed(s.link.patrol); n != 1 {
					t.Errorf("%d links are followed after an end was passed on", n)
				}
				s.settles()
			})
		})
	}
}

// TestPatrolIsThatOfTheLoop: a link that moves is followed where it is.
func TestPatrolIsThatOfTheLoop(t *testing.T) {
	onStand(t, func(s *stand) {
		s.settles()
		there, here := NewPatrol(s.loop, Options{}), s.link.patrol
		s.do(func() {
			here.follow(&s.link.Link)
			s.link.Leave()
			token := s.loop.Join(&s.link.Link)
			s.link.Enter(there, token)
			s.link.watch(s.loop, token)
		})
		if was, is := s.followed(here), s.followed(there); was != 0 || is != 1 {
			t.Errorf("%d links are followed where it was, %d where it is", was, is)
		}
		s.settles()
	})
}

// TestLinkFreesWhoHasVanished: what the side that is gone had sent arrives, and then no end that it never sent.
func TestLinkFreesWhoHasVanished(t *testing.T) {
	for _, gone := range []side{theClient, theBackend} {
		t.Run(gone.String(), func(t *testing.T) {
			onStand(t, func(s *stand) {
				it, other := s.of(gone)
				sent := noise(100_000)
				s.write(it, sent)
				s.arrived(it)
				s.do(func() { s.link.vanish(gone) })
				s.wantRead(other, sent, syscall.ECONNRESET)
				s.ends(ofReset(gone))
			})
		})
	}
}

// TestPatrolFailsALinkWhosePeerHasVanished: what the kernel says is what becomes of the link.
func TestPatrolFailsALinkWhosePeerHasVanished(t *testing.T) {
	onStand(t, func(s *stand) {
		s.fill(s.client)
		s.do(func() { s.link.patrol.vanished = func(peek.FD) (bool, error) { return false, nil } })
		if n := s.round(); n != 1 {
			t.Fatalf("%d links are followed", n)
		}
		s.do(func() { s.link.patrol.vanished = func(peek.FD) (bool, error) { return true, nil } })
		s.round()
		s.ends(EndBackendReset)
		s.do(func() {
			if n := s.link.patrol.count; n != 0 {
				t.Errorf("%d links are followed behind the end", n)
			}
		})
	})
}

// TestPatrolFollowsALinkThatMoves: the one that it leaves knows nothing of it any more, the one that it enters does, although
// nothing moves there.
func TestPatrolFollowsALinkThatMoves(t *testing.T) {
	onStand(t, func(s *stand) {
		s.fill(s.client)
		if n := s.round(); n != 1 {
			t.Fatalf("%d links are followed", n)
		}
		var before *Patrol
		s.do(func() { before = s.link.patrol })
		s.move()
		s.do(func() {
			if s.link.place != 1 || s.link.patrol.count != 1 {
				t.Errorf("it has place %d of %d where it is now", s.link.place, s.link.patrol.count)
			}
		})
		if before.count != 0 { // its loop does nothing any more
			t.Errorf("%d links are followed where it was", before.count)
		}
		if t.Failed() {
			return
		}
		s.do(func() { s.link.patrol.vanished = func(peek.FD) (bool, error) { return true, nil } })
		s.round()
		s.ends(EndBackendReset)
	})
}

// TestLinkFreesWhoHasVanishedBehindBytesThatNobodyReads: they are in a pipe, in a copy and on the way.
func TestLinkFreesWhoHasVanishedBehindBytesThatNobodyReads(t *testing.T) {
	for _, gone := range []side{theClient, theBackend} {
		t.Run(gone.String(), func(t *testing.T) {
			onStand(t, func(s *stand) {
				it, other := s.of(gone)
				sent := s.fill(it)
				s.do(func() { s.link.vanish(gone) })
				if n, err := io.Copy(io.Discard, other); !isReset(err) || n > int64(sent) {
					t.Errorf("the other side read %d of %d bytes and then %v, want a reset", n, sent, err)
				}
				s.ends(ofReset(gone))
			})
		})
	}
}

// TestPatrolKeepsItsPlaces: links come and go in any order, also in the middle of a round.
func TestPatrolKeepsItsPlaces(t *testing.T) {
	g, err := loop.New(loop.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	p := NewPatrol(g.Loops()[0], Options{})
	links := make([]Link, 3*patrolMost)
	src := rand.New(rand.NewPCG(1, 2))
	for i := range links {
		links[i].patrol = p
		links[i].ends = [2]end{{fd: -1}, {fd: -1}} // nothing is known of it, so a look lets it go
	}
	for range 20_000 {
		k := &links[src.IntN(len(links))]
		switch src.IntN(500) {
		case 0:
			p.Do()
		default:
			if src.IntN(2) == 0 {
				p.follow(k)
			} else {
				p.forget(k)
			}
		}
	}
	followed := 0
	for i := range links {
		if at := links[i].place; at > 0 {
			followed++
			if *p.at(at) != &links[i] {
				t.Fatalf("place %d has another link", at)
			}
		}
	}
	if followed != p.count {
		t.Errorf("%d links have a place, of %d", followed, p.count)
	}
	for p.Do(); p.left > 0; p.Do() { // a round in parts
	}
	for p.Do(); p.left > 0; p.Do() { // and a second, of those that came in the middle of the first
	}
	if p.count != 0 {
		t.Errorf("%d links are still followed", p.count)
	}
}

// TestPatrolGoesRoundInParts: so that others have their turn in between.
func TestPatrolGoesRoundInParts(t *testing.T) {
	onStand(t, func(s *stand) {
		s.settles()
		links, p := make([]Link, 3*patrolMost), s.link.patrol
		s.do(func() {
			for i := range links {
				links[i].patrol = p
				links[i].ends = [2]end{{fd: -1}, {fd: -1}} // nothing is known of it, so a look lets it go
				p.follow(&links[i])
			}
			s.loop.Disarm(&p.timer) // the round begins
			p.Do()
			if p.count != 2*patrolMost || p.timer.Armed() {
				t.Errorf("%d links are followed after the first part; the next waits for a round: %v", p.count, p.timer.Armed())
			}
		})
		for by := time.Now().Add(time.Minute); s.followed(p) > 0; {
			if time.Now().After(by) {
				t.Fatal("the other parts do not come")
			}
		}
	})
}

// TestPatrolOfAShortLinkAllocatesNothing: it comes and goes between two rounds.
func TestPatrolOfAShortLinkAllocatesNothing(t *testing.T) {
	g, err := loop.New(loop.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	p := NewPatrol(g.Loops()[0], Options{})
	stays, comes := &Link{patrol: p}, &Link{patrol: p}
	p.follow(stays)
	if n := testing.AllocsPerRun(1000, func() { p.follow(comes); p.forget(comes) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkPatrolOfAShortLink(b *testing.B) {
	g, err := loop.New(loop.Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer g.Close()
	p := NewPatrol(g.Loops()[0], Options{})
	k := &Link{patrol: p}
	for b.Loop() {
		p.follow(k)
		p.forget(k)
	}
}
