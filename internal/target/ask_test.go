package target

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"
)

// A guest asks without waiting, and counts its answers.
type guest struct {
	Hold
	name    string
	answers []error
	then    func(error) // on the supervisor's goroutine
}

func (g *guest) Cause() string { return g.name }

func (g *guest) Answered(_ *Hold, err error) {
	g.answers = append(g.answers, err)
	if g.then != nil {
		g.then(err)
	}
}

// told asserts that g has had one answer.
func (g *guest) told(t *testing.T, want error) {
	t.Helper()
	if len(g.answers) != 1 || !errors.Is(g.answers[0], want) {
		t.Errorf("%s was told %v, want one answer: %v", g.name, g.answers, want)
	}
	g.answers = nil
}

func TestAskWakesAndIsAnswered(t *testing.T) {
	bubble(t, func(t *testing.T, m *machineRoom) {
		s := m.open()
		defer s.close()
		g := &guest{name: "client 1"}
		s.Ask(&g.Hold, g)
		time.Sleep(39 * time.Second)
		s.expect(Starting, 1, 0)
		if reason := m.lastOp.Load().Reason; reason != "client 1" || s.Status().Waiting != 1 {
			t.Errorf("started because of %q, %+v", reason, s.Status())
		}
		time.Sleep(time.Second)
		s.expect(Ready, 1, 0)
		g.told(t, nil)
		m.power(false)
		g.AskAgain(g)
		if st := s.settled(); st.Held != 0 || st.Waiting != 1 || st.State != Starting {
			t.Errorf("after a suspicion: %+v", st)
		}
		time.Sleep(40 * time.Second)
		s.expect(Ready, 2, 0)
		g.told(t, nil)
		g.Release()
		g.Release()
		if st := s.settled(); st.Held+st.Waiting != 0 {
			t.Errorf("after all have left: %+v", st)
		}
	})
}

func TestAskIsToldOfAFailure(t *testing.T) {
	bubble(t, func(t *testing.T, m *machineRoom) {
		m.startErr = func(int) error { return errBroken }
		s := m.open()
		defer s.close()
		g := &guest{name: "client 1"}
		s.Ask(&g.Hold, g)
		time.Sleep(6*time.Second + 500*time.Millisecond)
		s.expect(Failed, 1, 1)
		g.told(t, errBroken)
		g.Release() // nothing is held
		g.Withdraw()
		if st := s.settled(); st.Held+st.Waiting != 0 {
			t.Errorf("after a refusal: %+v", st)
		}
	})
}

func TestAskOfWhatHasEnded(t *testing.T) {
	bubble(t, func(t *testing.T, m *machineRoom) {
		s := m.open()
		waits, holds, late := &guest{name: "waits"}, &guest{name: "holds"}, &guest{name: "late"}
		s.Ask(&holds.Hold, holds)
		time.Sleep(time.Minute)
		s.expect(Ready, 1, 0)
		holds.told(t, nil)
		m.power(false)
		s.Ask(&late.Hold, late)
		s.expect(Ready, 1, 0)
		late.told(t, nil)
		late.AskAgain(late) // its backend has gone: it waits
		s.Ask(&waits.Hold, waits)
		s.close()
		waits.told(t, ErrEnding)
		late.told(t, ErrEnding)
		holds.AskAgain(holds)
		holds.told(t, ErrEnding)
		s.Ask(&waits.Hold, waits)
		waits.told(t, ErrEnding)
		waits.Withdraw()
		for _, g := range []*guest{waits, holds, late} {
			g.Release()
		}
		if st := s.Status(); st.Held != 0 {
			t.Errorf("after the end: %+v", st)
		}
	})
}

func TestWithdrawnWaitIsAnsweredOnce(t *testing.T) {
	bubble(t, func(t *testing.T, m *machineRoom) {
		s := m.open()
		defer s.close()
		leaves, stays := &guest{name: "leaves"}, &guest{name: "stays"}
		s.Ask(&leaves.Hold, leaves)
		s.Ask(&stays.Hold, stays)
		time.Sleep(time.Second)
		leaves.Withdraw()
		leaves.Withdraw()
		if st := s.settled(); st.Waiting != 1 {
			t.Errorf("after one has left: %+v", st)
		}
		leaves.told(t, context.Canceled)
		time.Sleep(time.Minute)
		s.expect(Ready, 1, 0)
		stays.told(t, nil)
		stays.Release()
		if len(leaves.answers) != 0 {
			t.Errorf("it was told once more: %v", leaves.answers)
		}
	})
}

// TestWithdrawCrossesAGrant: the grant has been decided when the wait is given up. It
// stands, and the withdrawal that comes too late says nothing about the next wait.
func TestWithdrawCrossesAGrant(t *testing.T) {
	bubble(t, func(t *testing.T, m *machineRoom) {
		s := m.open()
		defer s.close()
		first, second := &guest{name: "first"}, &guest{name: "second"}
		first.then = func(error) { second.Withdraw() }
		second.then = func(error) {
			second.then = nil
			second.Release()
			second.Hold = Hold{} // its memory is its own again
			s.Ask(&second.Hold, second)
		}
		s.Ask(&first.Hold, first)
		s.Ask(&second.Hold, second)
		time.Sleep(time.Minute)
		s.expect(Ready, 1, 0)
		first.told(t, nil)
		if len(second.answers) != 2 || second.answers[0] != nil || second.answers[1] != nil {
			t.Errorf("second was told %v, want two grants", second.answers)
		}
		if st := s.Status(); st.Held != 2 {
			t.Errorf("with both inside: %+v", st)
		}
		first.Release()
		second.Release()
		if st := s.settled(); st.Held+st.Waiting != 0 || st.StopAt.IsZero() {
			t.Errorf("after both have left: %+v", st)
		}
	})
}

func TestManyAreAnsweredInOrder(t *testing.T) {
	bubble(t, func(t *testing.T, m *machineRoom) {
		s := m.open()
		defer s.close()
		var order []string
		guests := make([]guest, 10000)
		for i := range guests {
			g := &guests[i]
			g.name = fmt.Sprint("client ", i)
			g.then = func(error) { order = append(order, g.name) }
			s.Ask(&g.Hold, g)
		}
		if st := s.settled(); st.Waiting != len(guests) {
			t.Errorf("all have asked: %+v", st)
		}
		time.Sleep(time.Minute)
		if st := s.settled(); st.Held != len(guests) || st.Waiting != 0 {
			t.Errorf("all are inside: %+v", st)
		}
		for i := range guests {
			if order[i] != guests[i].name {
				t.Fatalf("answer %d went to %s", i, order[i])
			}
			guests[i].Release()
		}
		if st := s.settled(); st.Held != 0 || st.StopAt.IsZero() {
			t.Errorf("all have left: %+v", st)
		}
	})
}
