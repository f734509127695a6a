package target

import (
	"context"
	"fmt"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rouse-proxy/rouse/internal/state"
)

// TestSuspendedMachineDoesNotLengthenACooldown: timers stand still while the machine that rouse runs on is suspended; what
// runs elsewhere does not.
func TestSuspendedMachineDoesNotLengthenACooldown(t *testing.T) {
	bubble(t, func(t *testing.T, m *machineRoom) {
		var lid atomic.Int64
		s := m.open(func(o *Options) { o.Suspended = func() time.Duration { return time.Duration(lid.Load()) } })
		defer s.close()
		s.acquire().Release()
		time.Sleep(10 * time.Minute)
		lid.Store(int64(15 * time.Minute))
		time.Sleep(4 * time.Minute)
		s.expect(Ready, 1, 0)
		time.Sleep(2*time.Minute + 5*time.Second) // a minute is left, and the question comes within another
		s.expect(Stopped, 1, 1)

		s.acquire().Release()
		time.Sleep(29 * time.Minute) // a suspension that is over does not count again
		s.expect(Ready, 2, 1)
	})
}

// TestClientOfAResumedMachineIsSeenBeforeTheQuestion: the cooldown was over while the machine was suspended, and a client
// comes as soon as it runs again.
func TestClientOfAResumedMachineIsSeenBeforeTheQuestion(t *testing.T) {
	bubble(t, func(t *testing.T, m *machineRoom) {
		var lid atomic.Int64
		s := m.open(func(o *Options) { o.Suspended = func() time.Duration { return time.Duration(lid.Load()) } })
		defer s.close()
		s.acquire().Release()
		time.Sleep(time.Minute - 1)
		lid.Store(int64(8 * time.Hour))
		time.Sleep(1 + lateTimer/2)
		h := s.acquire()
		time.Sleep(time.Hour)
		s.expect(Ready, 1, 0)
		h.Release()
	})
}

// TestWallClockThatJumpsBoundsACooldown: the only wall-clock time that decides anything is that of the record, and whatever
// it says, the target is stopped neither under a client nor later than a full cooldown.
func TestWallClockThatJumpsBoundsACooldown(t *testing.T) {
	for _, jump := range []time.Duration{-10 * 365 * 24 * time.Hour, -time.Hour, time.Hour, 10 * 365 * 24 * time.Hour} {
		t.Run(fmt.Sprint(jump), func(t *testing.T) {
			bubble(t, func(t *testing.T, m *machineRoom) {
				m.bootTime = 0
				m.power(true)
				then := time.Now().Add(jump).Round(0)
				m.record.Store(&state.Record{Target: "web", MayRun: true, Epoch: 1, Since: then, LastUsed: then})
				s := m.open(func(o *Options) { o.Prober = thoughtful{m} })
				defer s.close()
				h := s.acquire() // while the target is asked, before anything is decided
				time.Sleep(time.Hour)
				s.expect(Ready, 0, 0)
				h.Release()
				time.Sleep(30*time.Minute - time.Second)
				s.expect(Ready, 0, 0)
				time.Sleep(time.Second + 7*time.Second)
				s.expect(Stopped, 0, 1)
			})
		})
	}
}

// thoughtful is a prober that takes its time to ask once.
type thoughtful struct{ *machineRoom }

func (th thoughtful) Once(ctx context.Context, address string) (net.Conn, error) {
	time.Sleep(time.Second)
	return th.machineRoom.Once(ctx, address)
}

// TestWallClockOfARecordNeverLengthensACooldown: nobody comes after the restart.
func TestWallClockOfARecordNeverLengthensACooldown(t *testing.T) {
	bubble(t, func(t *testing.T, m *machineRoom) {
		m.bootTime = 0
		m.power(true)
		then := time.Now().Add(10 * 365 * 24 * time.Hour).Round(0)
		m.record.Store(&state.Record{Target: "web", MayRun: true, Epoch: 1, Since: then, LastUsed: then})
		s := m.open()
		defer s.close()
		time.Sleep(30*time.Minute - time.Second)
		s.expect(Ready, 0, 0)
		time.Sleep(time.Second + 5*time.Second)
		s.expect(Stopped, 0, 1)
	})
}

// TestPausedProcessSeesItsClientsFirst freezes rouse for a thousand lengths around the end of the cooldown; in each a client
// has connected, and is counted in the moment after the thaw. It is never stopped under it (R15, F3).
func TestPausedProcessSeesItsClientsFirst(t *testing.T) {
	bubble(t, func(t *testing.T, m *machineRoom) {
		tg := m.open()
		tg.close()
		for n := range 1000 {
			s := newSupervisor(tg.Target)
			s.machine = machine{state: Ready, mayRun: true, armed: alarmIdle}
			over := lateTimer + time.Duration(n+1)*time.Millisecond*100
			s.deadline, s.suspended = time.Now().Add(-over), s.opts.Suspended()
			s.expire(t.Context()) // the runtime fires the timer before anybody has looked at the listener
			if s.machine.state != Ready {
				t.Fatalf("frozen for %v beyond the cooldown: it decided before it looked", over)
			}
			s.door.admit(1) // now it has
			s.expire(t.Context())
			if s.machine.state != Ready || s.machine.op != opNone {
				t.Fatalf("frozen for %v beyond the cooldown: stopped under a client: %+v", over, s.machine)
			}
			s.door.drop()
			s.timer.Stop()
			s.progress.Stop()
		}
	})
}
