package target

import (
	"testing"
	"time"
)

// settings are those of the machine room, changed.
func (m *machineRoom) settings(change func(*Options)) Options {
	opts := Options{
		Name: "web", Address: "vm:80", Driver: m, Prober: m, Store: m,
		Cooldown: 30 * time.Minute, StartTimeout: 5 * time.Minute, StopTimeout: 5 * time.Minute, Look: -1,
	}
	change(&opts)
	return opts
}

func TestAChangedCooldownRunsFromWhereItBegan(t *testing.T) {
	bubble(t, func(t *testing.T, m *machineRoom) {
		s := m.open()
		defer s.close()
		s.acquire().Release()
		time.Sleep(20 * time.Minute)
		m.rigged = true // the trace knows of the first cooldown alone
		if err := s.Change(m.settings(func(o *Options) { o.Cooldown = 25 * time.Minute })); err != nil {
			t.Fatal(err)
		}
		time.Sleep(5*time.Minute - time.Second)
		s.expect(Ready, 1, 0)
		time.Sleep(10 * time.Second)
		s.expect(Stopped, 1, 1)
	})
}

func TestAChangeWaitsForTheOperationAndKeepsWhoIsThere(t *testing.T) {
	bubble(t, func(t *testing.T, m *machineRoom) {
		s := m.open()
		defer s.close()
		s.expect(Stopped, 0, 0)
		c := ask(s.Target, Ordinary, nil)
		time.Sleep(500 * time.Millisecond) // in the start action
		other := &machineRoom{t: t}
		other.power(true)
		if err := s.Change(m.settings(func(o *Options) { o.Driver, o.Prober, o.StartTimeout, o.Address = other, other, time.Second, "vm:81" })); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		c.expect(t, nil) // by the old driver, in the old time
		if st := s.Status(); st.Address != "vm:81" || st.Epoch != 1 || st.Held != 1 {
			t.Errorf("%+v", st)
		}
		c.hold.Release()
		time.Sleep(31 * time.Minute)
		s.expect(Stopped, 1, 0) // by the new one
		if other.stops.Load() != 1 {
			t.Error("the new driver was not used")
		}
		m.rigged = true
	})
}

func TestAnAddressThatIsNoneChangesNothing(t *testing.T) {
	bubble(t, func(t *testing.T, m *machineRoom) {
		s := m.open()
		defer s.close()
		if err := s.Change(m.settings(func(o *Options) { o.Address = "vm" })); err == nil {
			t.Error("an address without a port is taken")
		}
	})
}

func TestATargetIsUpForAtLeastSoLong(t *testing.T) {
	bubble(t, func(t *testing.T, m *machineRoom) {
		s := m.open(func(o *Options) { o.Cooldown, o.MinUptime = time.Minute, 20*time.Minute })
		defer s.close()
		m.rigged = true // the trace knows of the cooldown alone
		s.acquire().Release()
		time.Sleep(15 * time.Minute)
		s.expect(Ready, 1, 0)
		s.acquire().Release()
		time.Sleep(6 * time.Minute)
		s.expect(Stopped, 1, 1)
	})
}
