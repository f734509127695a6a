package target

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// purse is a budget of so many starts that is never filled again.
type purse struct {
	left, saved int
	up          []bool
}

var errBroke = errors.New("the wake budget is spent")

func (p *purse) Spent(time.Time) error {
	if p.left <= 0 {
		return errBroke
	}
	return nil
}
func (p *purse) Begun(time.Time)            { p.left-- }
func (p *purse) Awake(up bool, _ time.Time) { p.up = append(p.up, up) }
func (p *purse) Save() error                { p.saved++; return nil }

// caller waits for its answer.
type caller struct {
	hold   Hold
	why    error
	answer chan error
}

func ask(t *Target, rank Rank, why error) *caller {
	c := &caller{why: why, answer: make(chan error, 1)}
	c.hold.Rank = rank
	if t.TryHold(&c.hold) {
		c.answer <- nil
		return c
	}
	t.Ask(&c.hold, c)
	return c
}

func (c *caller) Answered(_ *Hold, err error) { c.answer <- err }
func (c *caller) Cause() string               { return "a test" }
func (c *caller) Why() error                  { return c.why }

// expect asserts what has come of an ask once everything has settled: nil, an error, or nothing yet.
func (c *caller) expect(t *testing.T, want error) {
	t.Helper()
	synctest.Wait()
	select {
	case err := <-c.answer:
		if !errors.Is(err, want) || want == nil && err != nil {
			t.Fatalf("answered with %v, want %v", err, want)
		}
	default:
		t.Fatalf("not answered, want %v", want)
	}
}

func (c *caller) expectNone(t *testing.T) {
	t.Helper()
	synctest.Wait()
	select {
	case err := <-c.answer:
		t.Fatalf("answered with %v, want nothing yet", err)
	default:
	}
}

var errStranger = errors.New("gate wake-from: a stranger")

func TestOneWhoMayNotWakeIsTurnedAwayAtOnce(t *testing.T) {
	bubble(t, func(t *testing.T, m *machineRoom) {
		s := m.open()
		defer s.close()
		s.expect(Stopped, 0, 0)
		c := ask(s.Target, Meek, errStranger)
		c.expect(t, ErrAsleep)
		ask(s.Target, Meek, errStranger).expect(t, errStranger)
		s.expect(Stopped, 0, 0)
	})
}

func TestOneWhoMayNotWakeIsServedByAStartOfAnother(t *testing.T) {
	bubble(t, func(t *testing.T, m *machineRoom) {
		s := m.open()
		defer s.close()
		s.expect(Stopped, 0, 0)
		other := ask(s.Target, Ordinary, nil)
		s.expect(Starting, 1, 0)
		c := ask(s.Target, Meek, errStranger)
		c.expectNone(t)
		time.Sleep(time.Minute)
		c.expect(t, nil)
		other.expect(t, nil)
		other.hold.Release()
		time.Sleep(time.Hour)
		s.expect(Ready, 1, 0) // who may not wake it keeps it awake
		c.hold.Release()
		time.Sleep(time.Hour)
		s.expect(Stopped, 1, 1)
	})
}

func TestOneWhoMayNotWakeKeepsNoFailedTargetTrying(t *testing.T) {
	bubble(t, func(t *testing.T, m *machineRoom) {
		m.startErr = func(int) error { return errBroken }
		s := m.open()
		defer s.close()
		s.expect(Stopped, 0, 0)
		other, c := ask(s.Target, Ordinary, nil), ask(s.Target, Meek, errStranger)
		other.hold.Withdraw()
		other.expect(t, context.Canceled)
		time.Sleep(time.Hour)
		c.expect(t, errBroken)
		ask(s.Target, Meek, errStranger).expect(t, ErrAsleep)
		time.Sleep(time.Hour)
		s.expect(Stopped, 1, 1)
	})
}

func TestASuspicionOfOneWhoMayNotWakeOnlyAsks(t *testing.T) {
	bubble(t, func(t *testing.T, m *machineRoom) {
		s := m.open()
		defer s.close()
		s.acquire().Release()
		c := ask(s.Target, Meek, errStranger)
		c.expect(t, nil)
		m.power(false)
		c.hold.AskAgain(c)
		time.Sleep(time.Minute)
		c.expect(t, ErrAsleep)
		if n := m.starts.Load(); n != 1 {
			t.Errorf("%d starts, want the first alone", n)
		}
	})
}

func TestASpentBudgetTurnsAwayAllButTheExempt(t *testing.T) {
	bubble(t, func(t *testing.T, m *machineRoom) {
		p := &purse{left: 1}
		s := m.open(func(o *Options) { o.Budget = p })
		defer s.close()
		s.acquire().Release()
		time.Sleep(time.Hour)
		s.expect(Stopped, 1, 1)
		if p.saved != 1 || !slices.Equal(p.up, []bool{false, true, false}) { // as it is found, and what comes of it
			t.Errorf("saved %d times, awake %v", p.saved, p.up)
		}
		c := ask(s.Target, Ordinary, nil)
		c.expect(t, errBroke)
		s.expect(Stopped, 1, 1)
		exempt := ask(s.Target, Exempt, nil)
		c = ask(s.Target, Ordinary, nil) // the start is under way
		time.Sleep(time.Minute)
		exempt.expect(t, nil)
		c.expect(t, nil)
		s.expect(Ready, 2, 1)
	})
}

func TestARetryIsPaidForToo(t *testing.T) {
	bubble(t, func(t *testing.T, m *machineRoom) {
		p := &purse{left: 2}
		m.startErr = func(int) error { return errBroken }
		s := m.open(func(o *Options) { o.Budget = p })
		defer s.close()
		for range 20 {
			_, _ = s.Acquire(t.Context(), "client test")
			time.Sleep(10 * time.Second)
		}
		if n := m.starts.Load(); n != 2 {
			t.Errorf("%d starts within a budget of 2", n)
		}
	})
}

func TestAWindowStopsAllButACommand(t *testing.T) {
	bubble(t, func(t *testing.T, m *machineRoom) {
		night := errors.New("it is night")
		s := m.open(func(o *Options) { o.NeverWake = func() error { return night } })
		defer s.close()
		s.expect(Stopped, 0, 0)
		ask(s.Target, Exempt, nil).expect(t, night)
		c := ask(s.Target, Commanding, nil)
		time.Sleep(time.Minute)
		c.expect(t, nil)
		s.expect(Ready, 1, 0)
	})
}
