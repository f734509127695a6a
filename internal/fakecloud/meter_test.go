package fakecloud

import (
	"errors"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rouse-proxy/rouse/internal/driver"
)

// reads fails the test unless the meter says so many seconds.
func (s *sky) reads(billed, needed float64) {
	s.t.Helper()
	if r := s.read(); r.Billed != billed || r.Needed != needed {
		s.t.Errorf("billed %v and needed %v, want %v and %v", r.Billed, r.Needed, billed, needed)
	}
}

func (s *sky) need(who string) (done func()) {
	s.t.Helper()
	done, err := s.Need("vm", who)
	s.must(err)
	return done
}

func TestBilledIsFromTheStartToStopped(t *testing.T) {
	open(t, Plan{}, func(s *sky) {
		time.Sleep(time.Hour)
		s.reads(0, 0)
		s.must(s.start())
		time.Sleep(boot + late) // nobody wants it, but it takes that long
		s.is(Running)
		s.reads(35, 35)
		time.Sleep(65 * time.Second) // leaks
		s.reads(100, 35)
		if !s.read().Stranded {
			t.Error("a machine that nobody wants is not stranded")
		}
		s.must(s.stop())
		s.reads(100, 35)
		if s.read().Stranded {
			t.Error("a machine on its way down is stranded")
		}
		time.Sleep(halt)
		s.is(Stopped)
		time.Sleep(time.Hour)
		s.reads(120, 55)
		if r := s.read(); r.Leak != 120.0/55 || r.Stranded {
			t.Errorf("leak %v, stranded %v", r.Leak, r.Stranded)
		}
	})
}

func TestNeedsAreAUnionAndEachHasItsAllowance(t *testing.T) {
	open(t, Plan{Allowance: 10 * time.Second}, func(s *sky) {
		s.awake() // 35
		time.Sleep(5 * time.Second)
		s.reads(40, 35) // 5 leaked
		a := s.need("a")
		time.Sleep(20 * time.Second)
		b := s.need("b")
		time.Sleep(20 * time.Second)
		a()
		a() // counts once
		time.Sleep(20 * time.Second)
		b()
		s.reads(100, 95)
		time.Sleep(4 * time.Second)
		c := s.need("a") // within the allowance
		time.Sleep(time.Second)
		c()
		s.reads(105, 100)
		time.Sleep(15 * time.Second) // 10 of them are allowed
		s.reads(120, 110)
		r := s.read()
		if r.NeededBy["a"] != 41 || r.NeededBy["b"] != 40 || r.Wanted != 0 {
			t.Errorf("needed by %v, wanted by %d", r.NeededBy, r.Wanted)
		}
	})
}

// TestWhatNobodyHasNeededIsNotFree: of a machine that boots in no time, nothing may have been needed.
func TestWhatNobodyHasNeededIsNotFree(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := New(Options{Listen: func(string) (net.Listener, error) { return nil, errors.New("not here") }})
		defer c.Close()
		if err := c.Add(Plan{Name: "vm", Address: "10.0.0.1:80"}); err != nil {
			t.Fatal(err)
		}
		if r, err := c.Read(t.Context(), "vm"); err != nil || r.Leak != 0 {
			t.Errorf("before the start: leak %v, %v", r.Leak, err)
		}
		if err := c.Start(t.Context(), "vm", "test"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		if r, err := c.Read(t.Context(), "vm"); err != nil || r.Billed != 3600 || r.Needed != 0 || r.Leak < 1e6 {
			t.Errorf("billed %v, needed %v, leak %v, %v", r.Billed, r.Needed, r.Leak, err)
		}
	})
}

func TestANeedOfAMachineThatIsDownCostsNothing(t *testing.T) {
	open(t, Plan{Allowance: time.Minute}, func(s *sky) {
		done := s.need("a")
		time.Sleep(time.Hour)
		done()
		s.reads(0, 0)
	})
}

func TestABootThatComesToNothingIsBilled(t *testing.T) {
	open(t, Plan{}, func(s *sky) {
		s.inject("stockout")
		s.must(s.start())
		time.Sleep(time.Hour)
		s.reads(30, 30)
	})
}

func TestOverlapsAreCounted(t *testing.T) {
	open(t, Plan{}, func(s *sky) {
		begin := func(kind string, alive func() bool) func() {
			end, err := s.Begin(Action{Machine: "vm", Kind: kind, By: "test", Alive: alive})
			s.must(err)
			return end
		}
		begin("start", nil)()
		begin("stop", nil)()
		gone := begin("start", func() bool { return false }) // died, and nobody has told
		start := begin("start", nil)
		status := begin("status", nil)
		stop := begin("stop", nil) // beside both
		start()
		status()
		stop()
		gone()
		if r := s.read(); r.Operations != 6 || r.Overlaps != 1 || r.StatusOverlaps != 2 {
			t.Errorf("%d operations, %d overlaps, %d with a status, want 6, 1, 2", r.Operations, r.Overlaps, r.StatusOverlaps)
		}
	})
}

func TestDriverWaitsUntilItHasComeAbout(t *testing.T) {
	open(t, Plan{Moves: true}, func(s *sky) {
		d := s.Driver("vm")
		began := time.Now()
		address, err := d.Start(s.t.Context(), driver.Op{Epoch: 1})
		if err != nil || address != "10.0.0.2:80" || time.Since(began) < boot {
			t.Errorf("start: %q, %v after %v", address, err, time.Since(began))
		}
		if running, err := d.Report(s.t.Context(), driver.Op{}); err != nil || !running {
			t.Errorf("report: %v, %v, want that it runs", running, err)
		}
		s.must(d.Stop(s.t.Context(), driver.Op{Epoch: 1}))
		s.is(Stopped)
		if running, err := d.Report(s.t.Context(), driver.Op{}); err != nil || running {
			t.Errorf("report: %v, %v, want that it does not run", running, err)
		}
		if r := s.read(); r.Operations != 4 || r.Overlaps+r.StatusOverlaps != 0 {
			t.Errorf("%d operations, %d overlaps", r.Operations, r.Overlaps)
		}
	})
}
