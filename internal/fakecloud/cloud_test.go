package fakecloud

import (
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/rouse-proxy/rouse/internal/memnet"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	boot = 30 * time.Second
	late = 5 * time.Second
	halt = 20 * time.Second
	at   = "10.0.0.1:80"
)

// A sky is a cloud with one machine on a network in memory.
type sky struct {
	*Cloud
	t     *testing.T
	net   memnet.Network
	facts []Fact // guarded by the cloud
}

// open runs f in a bubble with a cloud.
func open(t *testing.T, p Plan, f func(s *sky)) {
	t.Helper()
	p.Name, p.Address = "vm", at
	p.Boot, p.Late, p.Halt = boot, late, halt
	synctest.Test(t, func(t *testing.T) {
		s := &sky{t: t}
		s.Cloud = New(Options{Listen: s.listen, Seed: 1, Record: func(f Fact) { s.facts = append(s.facts, f) }})
		if err := s.Add(p); err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		f(s)
		if r := s.read(); len(r.Problems) > 0 {
			t.Errorf("problems: %v", r.Problems)
		}
	})
}

func (s *sky) listen(address string) (net.Listener, error) {
	ln, err := s.net.Listen(address)
	if err != nil {
		return nil, err // not ln: a nil *Listener in a net.Listener is not nil
	}
	return ln, nil
}

func (s *sky) read() Reading {
	s.t.Helper()
	r, err := s.Read(s.t.Context(), "vm")
	if err != nil {
		s.t.Fatal(err)
	}
	return r
}

func (s *sky) start() error { return s.Start(s.t.Context(), "vm", "test") }
func (s *sky) stop() error  { return s.Stop(s.t.Context(), "vm", "test") }

// must fails the test on an error.
func (s *sky) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// refused fails the test unless err is the refusal named.
func (s *sky) refused(err error, code string) {
	s.t.Helper()
	if r, ok := errors.AsType[*Refusal](err); !ok || r.Code != code {
		s.t.Errorf("got %v, want %s", err, code)
	}
}

// is fails the test unless the machine is in a state.
func (s *sky) is(want State) {
	s.t.Helper()
	synctest.Wait()
	if got, err := s.Describe(s.t.Context(), "vm"); err != nil || got.State != want {
		s.t.Errorf("it is %v, %v, want %v", got.State, err, want)
	}
}

// answers says how an address takes "hello": "echo", "refuses", "resets", or what it answered.
func (s *sky) answers(address string) string {
	c, err := s.net.Dial(s.t.Context(), address)
	if err != nil {
		return "refuses"
	}
	defer c.Close()
	if _, err := io.WriteString(c, "hello"); err != nil {
		return "resets"
	}
	_ = c.CloseWrite()
	got, err := io.ReadAll(c)
	switch {
	case err != nil:
		return "resets"
	case string(got) == "hello":
		return "echo"
	}
	return string(got)
}

func (s *sky) expect(address, want string) {
	s.t.Helper()
	if got := s.answers(address); got != want {
		s.t.Errorf("%s: %s, want %s", address, got, want)
	}
}

// awake is a machine that has just come up.
func (s *sky) awake() {
	s.t.Helper()
	s.must(s.start())
	time.Sleep(boot + late)
	s.is(Running)
	s.expect(at, "echo")
}

func TestStatesAndWhatIsRefusedInThem(t *testing.T) {
	reach := map[State]func(s *sky){
		Stopped:  func(*sky) {},
		Pending:  func(s *sky) { s.must(s.start()) },
		Running:  (*sky).awake,
		Stopping: func(s *sky) { s.awake(); s.must(s.stop()) },
	}
	for _, row := range []struct {
		from         State
		pending      bool // a stop while PENDING is accepted
		start, stop  string
		after, ended State // of the start, or else of the stop
	}{
		{Stopped, false, "", "", Pending, Stopped},
		{Pending, false, "", "IncorrectInstanceState", Pending, Pending},
		{Pending, true, "", "", Pending, Stopping},
		{Running, false, "", "", Running, Stopping},
		{Stopping, false, "IncorrectInstanceState", "", Stopping, Stopping},
	} {
		open(t, Plan{StopsPending: row.pending}, func(s *sky) {
			reach[row.from](s)
			s.check("start", s.start(), row.start)
			s.is(row.after)
		})
		open(t, Plan{StopsPending: row.pending}, func(s *sky) {
			reach[row.from](s)
			s.check("stop", s.stop(), row.stop)
			s.is(row.ended)
		})
	}
}

func (s *sky) check(what string, err error, code string) {
	s.t.Helper()
	if code == "" && err != nil {
		s.t.Errorf("%s: %v", what, err)
	}
	if code != "" {
		s.refused(err, code)
	}
}

func TestAStartComesAboutLater(t *testing.T) {
	open(t, Plan{}, func(s *sky) {
		s.must(s.start())
		s.is(Pending)
		s.expect(at, "refuses")
		time.Sleep(boot)
		s.is(Running)
		s.expect(at, "refuses")
		time.Sleep(late)
		s.is(Running)
		s.expect(at, "echo")
		s.must(s.stop())
		s.is(Stopping)
		s.expect(at, "refuses")
		time.Sleep(halt)
		s.is(Stopped)
	})
}

func TestAStopResetsWhoIsConnected(t *testing.T) {
	open(t, Plan{}, func(s *sky) {
		s.awake()
		c, err := s.net.Dial(s.t.Context(), at)
		s.must(err)
		defer c.Close()
		synctest.Wait()
		if r := s.read(); r.Clients != 1 {
			t.Errorf("%d clients, want 1", r.Clients)
		}
		s.must(s.stop())
		if _, err := io.ReadAll(c); err == nil {
			t.Error("the client saw a clean end")
		}
		if r := s.read(); r.UnderClient != 1 || r.Clients != 0 {
			t.Errorf("%d stops under a client, %d clients left, want 1 and 0", r.UnderClient, r.Clients)
		}
	})
}

func TestAStopIsNotUnderAClientThatHasGone(t *testing.T) {
	open(t, Plan{}, func(s *sky) {
		s.awake()
		c, err := s.net.Dial(s.t.Context(), at)
		s.must(err)
		synctest.Wait()
		c.Close()
		s.must(s.stop()) // the application may not have seen the end yet
		if r := s.read(); r.UnderClient != 0 {
			t.Errorf("%d stops under a client, want 0", r.UnderClient)
		}
	})
}

func TestApplications(t *testing.T) {
	for app, want := range map[App]string{
		Echo:   "echo",
		SHA256: "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824",
		Banner: Greeting("vm") + "hello",
	} {
		open(t, Plan{App: app}, func(s *sky) {
			s.must(s.start())
			time.Sleep(boot + late)
			synctest.Wait()
			s.expect(at, want)
		})
	}
}

func TestEachStartHasANewAddress(t *testing.T) {
	open(t, Plan{Moves: true}, func(s *sky) {
		for _, want := range []string{"10.0.0.2:80", "10.0.0.3:80"} {
			s.must(s.start())
			if d, _ := s.Describe(s.t.Context(), "vm"); d.Address != want {
				t.Errorf("the address is %s, want %s", d.Address, want)
			}
			time.Sleep(boot + late)
			synctest.Wait()
			s.expect(want, "echo")
			s.must(s.stop())
			time.Sleep(halt)
			s.is(Stopped)
		}
	})
}

func TestBadPlansAreRefused(t *testing.T) {
	c := New(Options{})
	good := Plan{Name: "vm", Address: at}
	if err := c.Add(good); err != nil {
		t.Fatal(err)
	}
	for want, p := range map[string]Plan{
		"needs a name": {Address: at},
		"already":      good,
		"IP:PORT":      {Name: "a", Address: "host:80"},
		"negative":     {Name: "b", Address: at, Halt: -1},
		"chance":       {Name: "c", Address: at, Chance: 2},
		"application":  {Name: "d", Address: at, App: "telnet"},
	} {
		if err := c.Add(p); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want something of %q", p, err, want)
		}
	}
	if _, err := c.Read(t.Context(), "nobody"); err == nil {
		t.Error("a machine that does not exist was read")
	}
}

func TestFactsAreToldInOrder(t *testing.T) {
	open(t, Plan{}, func(s *sky) {
		s.awake()
		s.must(s.stop())
		time.Sleep(halt)
		s.is(Stopped)
		var got []string
		for _, f := range s.facts {
			got = append(got, f.What)
		}
		want := []string{"start asked", "state", "start accepted", "state", "stop asked", "state", "stop accepted", "state"}
		if !slices.Equal(got, want) {
			t.Errorf("facts: %q, want %q", got, want)
		}
	})
}
