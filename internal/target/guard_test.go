package target

import (
	"context"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/rouse-proxy/rouse/internal/driver"
	"github.com/rouse-proxy/rouse/internal/state"
)

// TestTimerNeverStopsWhatIsWanted feeds the timer to any machine at all, reachable or not: the count decides, whatever else
// the machine believes.
func TestTimerNeverStopsWhatIsWanted(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		flip := func(name string) bool { return rapid.Bool().Draw(t, name) }
		count := func(name string) int { return rapid.IntRange(0, 3).Draw(t, name) }
		m := machine{
			state: State(rapid.IntRange(0, int(Failed)).Draw(t, "state")), op: operation(rapid.IntRange(0, int(opStop)).Draw(t, "op")),
			armed: alarmIdle, waiting: count("waiting"), starts: count("starts"), stops: count("stops"),
			mayRun: flip("may run"), starting: flip("starting"), undoing: flip("undoing"), retiring: flip("retiring"),
		}
		before := m
		held := count("held")
		out := m.step(input{kind: stepExpired, held: held})
		switch {
		case out.run == opStop && held+before.waiting > 0:
			t.Fatalf("stopped while %d hold it and %d wait: %+v", held, before.waiting, before)
		case out.run != opNone && before.op != opNone:
			t.Fatalf("%v begun beside another operation: %+v", out.run, before)
		}
	})
}

// slowToGo is a target that runs on for a while after its stop action, and does not answer any more.
type slowToGo struct {
	reporting
	offAt time.Time
}

func (g *slowToGo) Stop(ctx context.Context, op driver.Op) error {
	g.deaf.Store(true)
	return nil
}

func (g *slowToGo) Report(context.Context, driver.Op) (bool, error) {
	if g.deaf.Load() && time.Now().After(g.offAt) {
		g.power(false)
	}
	return g.upAt.Load() != 0, nil
}

// A target that is silent may still run, and cost money. Its driver knows.
func TestStopIsNotOverWhileTheDriverSaysItRuns(t *testing.T) {
	bubble(t, func(t *testing.T, m *machineRoom) {
		g := &slowToGo{reporting: reporting{machineRoom: m}, offAt: time.Now().Add(m.startTime + m.bootTime + 32*time.Minute)}
		s := m.open(func(o *Options) { o.Driver = g })
		defer s.close()
		s.acquire().Release()
		time.Sleep(31 * time.Minute)
		s.expect(Stopping, 1, 0)
		time.Sleep(2 * time.Minute)
		s.expect(Stopped, 1, 0)
	})
}

// The machine gets a new address at each start, and another may have the old one by now.
func TestAddressOfTheLastRunIsNotUsedAgain(t *testing.T) {
	bubble(t, func(t *testing.T, m *machineRoom) {
		m.address = "10.0.0.7"
		s := m.open()
		defer s.close()
		h := s.acquire()
		m.power(false) // it dies, and nobody can say so
		m.address = ""
		if err := h.Suspect(t.Context()); err != nil {
			t.Fatal(err)
		}
		if h.Address() != "vm:80" || h.Epoch() != 2 {
			t.Errorf("served at %s in epoch %d, want the configured address in the second", h.Address(), h.Epoch())
		}
		h.Release()
	})
}

// A fault may come between letting clients in and writing down that the stop before has failed.
func TestNothingIsTakenUpUnderClientsAfterAFault(t *testing.T) {
	m := machine{state: Ready, mayRun: true, starting: true, undoing: true, epoch: 3}
	next := m.successor(1)
	if out := next.step(input{kind: stepBooted, held: 1}); out.run != opCheck {
		t.Errorf("it begins with a %v under a client", out.run)
	}
	next = m.successor(0)
	if out := next.step(input{kind: stepBooted}); out.run != opStop || !out.resume {
		t.Errorf("it begins with a %v, want the stop taken up", out.run)
	}
}

// slowDisk takes its time to save.
type slowDisk struct{ *machineRoom }

func (d slowDisk) Save(r state.Record) error {
	time.Sleep(2 * time.Second)
	return d.machineRoom.Save(r)
}

// The machine room sees to it that the record is there when its start action begins.
func TestStartWaitsForASlowDisk(t *testing.T) {
	bubble(t, func(t *testing.T, m *machineRoom) {
		s := m.open(func(o *Options) { o.Store = slowDisk{m} })
		defer s.close()
		s.acquire().Release()
		s.expect(Ready, 1, 0)
	})
}

// One whose client waits for its turn to dial, while the target dies and is started again somewhere else, goes there.
func TestAHoldThatWasKeptLearnsWhereTheTargetIsNow(t *testing.T) {
	bubble(t, func(t *testing.T, m *machineRoom) {
		m.address = "10.0.0.7"
		s := m.open()
		defer s.close()
		kept, other := s.acquire(), s.acquire()
		m.power(false)
		m.address = "10.0.0.8"
		if err := other.Suspect(t.Context()); err != nil {
			t.Fatal(err)
		}
		kept.Refresh()
		if kept.Address() != "10.0.0.8:80" || kept.Epoch() != 2 {
			t.Errorf("it would be dialled at %s in epoch %d", kept.Address(), kept.Epoch())
		}
		kept.Release()
		other.Release()
	})
}
