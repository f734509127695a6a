package fakecloud

import (
	"io"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"
)

func TestParseFault(t *testing.T) {
	for _, s := range []string{"crash", "crash=3s", "throttle", "throttle=4", "slow-boot=1.5s", "stranger=2"} {
		f, err := ParseFault(s)
		if err != nil || f.String() != s {
			t.Errorf("%q: %v, %v", s, f, err)
		}
	}
	for _, s := range []string{"", "earthquake", "crash=3", "crash=-3s", "throttle=3s", "throttle=0", "slow-boot="} {
		if f, err := ParseFault(s); err == nil {
			t.Errorf("%q gave %+v, want an error", s, f)
		}
	}
}

func TestDrawnFaultsAreReadAsTheyAreWritten(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	seen := map[Kind]bool{}
	for range 1000 {
		f := Draw(r, Plan{Boot: boot, Halt: halt, Allowance: time.Minute})
		again, err := ParseFault(f.String())
		if err != nil || again != f {
			t.Fatalf("%+v: %+v, %v", f, again, err)
		}
		seen[f.Kind] = true
	}
	if len(seen) != len(Kinds()) {
		t.Errorf("%d kinds were drawn, want %d", len(seen), len(Kinds()))
	}
}

// inject injects faults as they are written.
func (s *sky) inject(faults ...string) {
	s.t.Helper()
	for _, text := range faults {
		f, err := ParseFault(text)
		s.must(err)
		s.must(s.Inject("vm", f))
	}
}

// happened fails the test unless the fault has happened so often.
func (s *sky) happened(k Kind, times int) {
	s.t.Helper()
	if got := s.read().Faults[k]; got != times {
		s.t.Errorf("%s happened %d times, want %d", k, got, times)
	}
}

func TestRefusalsForATime(t *testing.T) {
	for fault, code := range map[string]string{
		"throttle=2": "RequestLimitExceeded", "quota=2": "InstanceLimitExceeded", "start-fails=2": "InternalError",
	} {
		open(t, Plan{}, func(s *sky) {
			s.inject(fault)
			s.refused(s.start(), code)
			s.refused(s.start(), code)
			s.awake()
			if r := s.read(); r.Refusals != 2 || r.Starts != 1 {
				t.Errorf("%d refusals, %d starts, want 2 and 1", r.Refusals, r.Starts)
			}
		})
	}
	open(t, Plan{}, func(s *sky) {
		s.awake()
		s.inject("stop-fails")
		s.refused(s.stop(), "InternalError")
		s.is(Running)
		s.must(s.stop())
		s.is(Stopping)
	})
}

func TestStockoutAfterAnOK(t *testing.T) {
	open(t, Plan{}, func(s *sky) {
		s.inject("stockout")
		s.must(s.start())
		s.is(Pending)
		time.Sleep(boot)
		s.is(Stopped)
		s.happened(Stockout, 1)
		s.awake()
	})
}

func TestSlowBootAndLatePort(t *testing.T) {
	open(t, Plan{}, func(s *sky) {
		s.inject("slow-boot=1m", "late-port=1m")
		s.must(s.start())
		time.Sleep(boot + time.Minute - 1)
		s.is(Pending)
		time.Sleep(time.Nanosecond)
		s.is(Running)
		time.Sleep(late + time.Minute - 1)
		s.expect(at, "refuses")
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		s.expect(at, "echo")
	})
}

func TestThePortOpensAndClosesAgain(t *testing.T) {
	open(t, Plan{}, func(s *sky) {
		s.inject("flap=10s")
		s.awake()
		c, err := s.net.Dial(s.t.Context(), at)
		s.must(err)
		defer c.Close()
		synctest.Wait()
		time.Sleep(10 * time.Second)
		synctest.Wait()
		s.expect(at, "refuses")
		if _, err := io.ReadAll(c); err == nil {
			t.Error("who was connected saw a clean end")
		}
		time.Sleep(10 * time.Second)
		synctest.Wait()
		s.expect(at, "echo")
		time.Sleep(time.Hour)
		s.expect(at, "echo")
	})
}

func TestAForwarderAcceptsAndResets(t *testing.T) {
	play := func(p Plan, lasts time.Duration, faults ...string) {
		open(t, p, func(s *sky) {
			s.inject(faults...)
			s.must(s.start())
			synctest.Wait()
			s.expect(at, "resets")
			time.Sleep(lasts - 1)
			s.expect(at, "resets")
			time.Sleep(time.Nanosecond)
			synctest.Wait()
			s.expect(at, "echo")
		})
	}
	play(Plan{}, boot+late+time.Minute, "forwarder=1m")
	play(Plan{Forwarder: true}, boot+late)
}

func TestStuckInStopping(t *testing.T) {
	open(t, Plan{}, func(s *sky) {
		s.awake()
		s.inject("stuck-stopping=10m")
		s.must(s.stop())
		time.Sleep(halt + 10*time.Minute - 1)
		s.is(Stopping)
		s.refused(s.start(), "IncorrectInstanceState")
		time.Sleep(time.Nanosecond)
		s.is(Stopped)
	})
}

func TestCrashPreemptionAndADeadApplication(t *testing.T) {
	for fault, then := range map[string]State{"crash": Stopped, "preempt": Stopping, "app-dies": Running} {
		open(t, Plan{}, func(s *sky) {
			s.awake()
			c, err := s.net.Dial(s.t.Context(), at)
			s.must(err)
			defer c.Close()
			synctest.Wait()
			s.inject(fault)
			time.Sleep(time.Nanosecond)
			s.is(then)
			s.expect(at, "refuses")
			if _, err := io.ReadAll(c); err == nil {
				t.Errorf("%s: who was connected saw a clean end", fault)
			}
			if r := s.read(); r.UnderClient != 0 {
				t.Errorf("%s: counted as a stop that was asked for", fault)
			}
			time.Sleep(time.Hour)
			s.must(s.stop())
			time.Sleep(halt)
			s.is(Stopped)
			s.awake()
		})
	}
}

func TestASuddenFaultMissesAMachineThatIsDown(t *testing.T) {
	open(t, Plan{}, func(s *sky) {
		s.inject("crash=1s", "preempt=1s", "app-dies=1s")
		time.Sleep(2 * time.Second)
		s.is(Stopped)
		if r := s.read(); len(r.Faults) != 0 {
			t.Errorf("happened: %v", r.Faults)
		}
	})
}

func TestAStrangerTakesTheOldAddress(t *testing.T) {
	open(t, Plan{}, func(s *sky) {
		s.awake()
		s.inject("stranger")
		s.must(s.stop())
		time.Sleep(halt)
		s.is(Stopped)
		c, err := s.net.Dial(s.t.Context(), at)
		s.must(err)
		defer c.Close()
		if _, err := io.WriteString(c, "secret"); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if r := s.read(); r.StrangerClients != 1 || r.StrangerBytes != 6 {
			t.Errorf("a stranger got %d bytes by %d connections, want 6 by 1", r.StrangerBytes, r.StrangerClients)
		}
		s.must(s.start())
		time.Sleep(boot + late)
		synctest.Wait()
		s.expect("10.0.0.2:80", "echo")
	})
}

func TestTheSameSeedDrawsTheSameFaults(t *testing.T) {
	run := func() (facts []string) {
		open(t, Plan{Chance: 0.5, StopsPending: true}, func(s *sky) {
			for range 200 {
				_ = s.start()
				time.Sleep(boot + late)
				_ = s.stop()
				time.Sleep(10 * boot)
			}
			for _, f := range s.facts {
				facts = append(facts, f.What+f.Detail)
			}
			s.Calm("vm")
			time.Sleep(time.Hour)
		})
		return facts
	}
	a, b := run(), run()
	if len(a) != len(b) {
		t.Fatalf("%d facts, then %d", len(a), len(b))
	}
	for i := range a {
		if a[i] != b[i] {
			t.Fatalf("fact %d is %q, then %q", i, a[i], b[i])
		}
	}
}
