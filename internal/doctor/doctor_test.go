package doctor

import (
	"bytes"
	"context"
	"errors"
	"net"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rouse-proxy/rouse/internal/driver"
	"github.com/rouse-proxy/rouse/internal/probe"
)

// patient is a target of the kinds that people have.
type patient struct {
	up       bool
	upAt     time.Time // when it answers
	boot     time.Duration
	halt     time.Duration
	starts   int
	stops    int
	startErr func(n int) error
	stopErr  func(n int) error
	onStart  func(n int)
	onStop   func(n int)
	greeting string
	learnt   string
	records  []bool
}

func (p *patient) Start(ctx context.Context, _ driver.Op) (string, error) {
	p.starts++
	if p.startErr != nil {
		if err := p.startErr(p.starts); err != nil {
			return "", err
		}
	}
	if !p.up {
		p.up, p.upAt = true, time.Now().Add(p.boot)
	}
	if p.onStart != nil {
		p.onStart(p.starts)
	}
	return p.learnt, nil
}

func (p *patient) Stop(ctx context.Context, _ driver.Op) error {
	p.stops++
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if p.stopErr != nil {
		if err := p.stopErr(p.stops); err != nil {
			return err
		}
	}
	if p.up {
		time.Sleep(p.halt)
	}
	p.up = false
	if p.onStop != nil {
		p.onStop(p.stops)
	}
	return nil
}

// reporting is a patient with a status hook.
type reporting struct{ *patient }

func (r reporting) Report(context.Context, driver.Op) (bool, error) { return r.up, nil }

var errRefused = errors.New("connection refused")

func (p *patient) Once(context.Context, string) (net.Conn, error) {
	if p.up && !time.Now().Before(p.upAt) {
		return nil, nil
	}
	return nil, errRefused
}

func (p *patient) Wait(ctx context.Context, address string) (net.Conn, error) {
	for {
		if conn, err := p.Once(ctx, address); err == nil {
			return conn, nil
		}
		select {
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
			return nil, errRefused
		}
	}
}

func (p *patient) Dial(context.Context, string) (net.Conn, error) {
	ours, theirs := net.Pipe()
	go func() {
		if p.greeting == "-" {
			_ = theirs.Close()
			return
		}
		if p.greeting != "" {
			_, _ = theirs.Write([]byte(p.greeting))
		}
		time.Sleep(time.Minute)
		_ = theirs.Close()
	}()
	return ours, nil
}

func (p *patient) subject() Subject {
	return Subject{
		Name: "web", Address: "10.0.0.5:80", Driver: reporting{p}, Prober: p,
		Words:        Words{Start: "/bin/start", Stop: "/bin/stop", Status: "/bin/status", Probe: "tcp"},
		StartTimeout: 5 * time.Minute, StopTimeout: 5 * time.Minute,
		Record: func(mayRun bool) error { p.records = append(p.records, mayRun); return nil },
	}
}

// rehearse does it in virtual time, and returns what was found and said.
func rehearse(t *testing.T, p *patient, change ...func(*Subject)) (*Report, string) {
	t.Helper()
	var out bytes.Buffer
	var r *Report
	synctest.Test(t, func(t *testing.T) {
		s := p.subject()
		for _, f := range change {
			f(&s)
		}
		r = s.Rehearse(t.Context(), &out)
		time.Sleep(2 * time.Minute) // whoever was dialled
	})
	return r, out.String()
}

func TestAHealthyTarget(t *testing.T) {
	p := &patient{boot: 25 * time.Second, halt: 4 * time.Second, greeting: "SSH-2.0-x"}
	r, said := rehearse(t, p)
	if !r.Well() || len(r.Warned) != 0 || r.Ready != 25*time.Second || r.Down != 4*time.Second {
		t.Errorf("%+v\n%s", r, said)
	}
	if p.starts != 2 || p.stops != 2 || p.up || !slices.Equal(p.records, []bool{true, false}) {
		t.Errorf("%d starts, %d stops, records %v", p.starts, p.stops, p.records)
	}
	for _, want := range []string{
		"1. Is it up? Running /bin/status", "2. Start it: /bin/start (at most 5m", "after 20s: it is not ready yet", "ready, 25s after",
		"3. Start it once more", `the server speaks first: "SSH-2.0-x"`, "5. Stop it", "6. Stop it once more", "start-timeout is 5m, which is enough (1m20s would be, too)", "all is well",
	} {
		if !strings.Contains(said, want) {
			t.Errorf("it does not say %q:\n%s", want, said)
		}
	}
}

func TestWhatIsWrongIsFoundAndTheTargetIsStopped(t *testing.T) {
	broken := errors.New("exit status 1")
	for name, c := range map[string]struct {
		patient patient
		change  func(*Subject)
		want    string
		mayRun  bool
		starts  int
		stops   int
	}{
		"up already":       {patient: patient{up: true}, want: "it is up already", starts: 0, stops: 0},
		"start fails":      {patient: patient{startErr: func(int) error { return broken }}, want: "the start failed: exit status 1", starts: 1, stops: 2},
		"never ready":      {patient: patient{boot: time.Hour}, want: "nobody was ready at 10.0.0.5:80 within 5m", starts: 1, stops: 2},
		"second start":     {patient: patient{startErr: func(n int) error { return on(n == 2, broken) }}, want: "a start of what runs must succeed", starts: 2, stops: 2},
		"second start ill": {patient: patient{}, change: func(s *Subject) { p := s.Driver.(reporting); p.onStart = func(n int) { p.up = n < 2 } }, want: "has disturbed it", starts: 2, stops: 2},
		"closes at once":   {patient: patient{greeting: "-"}, want: "ended the connection at once", starts: 2, stops: 2},
		"speaks first":     {patient: patient{greeting: "220 hi"}, change: func(s *Subject) { s.ClientFirst = true }, want: "both would wait", starts: 2, stops: 2},
		"stop fails":       {patient: patient{stopErr: func(int) error { return broken }}, want: "the stop failed: exit status 1", mayRun: true, starts: 2, stops: 1},
		"second stop":      {patient: patient{stopErr: func(n int) error { return on(n == 2, broken) }}, want: "a stop of what is down must succeed", starts: 2, stops: 2},
		"rises again":      {patient: patient{}, change: func(s *Subject) { p := s.Driver.(reporting); p.onStop = func(n int) { p.up = n == 2 } }, want: "it is up again", mayRun: true, starts: 2, stops: 2},
		"liar": {patient: patient{}, change: func(s *Subject) { s.Driver = liar{s.Driver.(reporting).patient} }, want: "its status hook says that it does not run", mayRun: false,
			starts: 2, stops: 2},
	} {
		t.Run(name, func(t *testing.T) {
			var change []func(*Subject)
			if c.change != nil {
				change = append(change, c.change)
			}
			r, said := rehearse(t, &c.patient, change...)
			if r.Well() || !strings.Contains(strings.Join(r.Failed, "\n"), c.want) || r.MayRun != c.mayRun {
				t.Errorf("%+v, want %q in it\n%s", r, c.want, said)
			}
			if c.patient.starts != c.starts || c.patient.stops != c.stops {
				t.Errorf("%d starts and %d stops, want %d and %d\n%s", c.patient.starts, c.patient.stops, c.starts, c.stops, said)
			}
			if c.mayRun != strings.Contains(said, "THE TARGET MAY STILL RUN") {
				t.Errorf("it does not say how things stand:\n%s", said)
			}
		})
	}
}

func on(yes bool, err error) error {
	if yes {
		return err
	}
	return nil
}

// liar says always that the target does not run.
type liar struct{ *patient }

func (l liar) Report(context.Context, driver.Op) (bool, error) { return false, nil }

func TestATargetThatIsUpIsStoppedIfThatIsAllowed(t *testing.T) {
	r, said := rehearse(t, &patient{up: true}, func(s *Subject) { s.EvenIfUp = true })
	if !r.Well() || !strings.Contains(said, "it was up already") {
		t.Errorf("%+v\n%s", r, said)
	}
}

func TestAnAddressIsLearnt(t *testing.T) {
	_, said := rehearse(t, &patient{learnt: "10.0.0.77"})
	if !strings.Contains(said, "Connect as a client to 10.0.0.77:80") {
		t.Error(said)
	}
}

func TestWithoutAStatusHookSilenceCounts(t *testing.T) {
	p := &patient{}
	r, said := rehearse(t, p, func(s *Subject) { s.Driver, s.Words.Status = driver.Driver(p), "" })
	if !r.Well() || len(r.Warned) != 1 || !strings.Contains(said, "without a status hook") {
		t.Errorf("%+v\n%s", r, said)
	}
}

// An hour-long boot under a short timeout is tight, and a temporary failure is waited out.
func TestTightTimeoutsAndTemporaryFailures(t *testing.T) {
	p := &patient{boot: 4 * time.Minute, startErr: func(n int) error { return on(n <= 3, driver.ErrTemporary) }}
	r, said := rehearse(t, p)
	if !r.Well() || p.starts != 5 || !strings.Contains(said, "start-timeout is 5m, which is tight; 13m would leave room") {
		t.Errorf("%+v, %d starts\n%s", r, p.starts, said)
	}
}

// Whoever interrupts it finds the target stopped.
func TestAnInterruptedRehearsalStopsTheTarget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &patient{boot: time.Minute}
		var out bytes.Buffer
		ctx, cancel := context.WithTimeoutCause(t.Context(), 10*time.Second, errors.New("interrupted"))
		defer cancel()
		r := p.subject().Rehearse(ctx, &out)
		if r.Well() || r.MayRun || p.up || p.stops != 1 || !strings.Contains(out.String(), "the rehearsal was ended: interrupted") {
			t.Errorf("%+v, up %v\n%s", r, p.up, out.String())
		}
	})
}

func TestWhatIsNeededIsLeftAsItWas(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		up := &patient{up: true}
		if woken, r := up.subject().Wake(t.Context(), &out); woken || !r.Well() || up.starts != 0 {
			t.Errorf("one that is up: %v, %+v", woken, r)
		}
		down := &patient{boot: time.Second}
		woken, r := down.subject().Wake(t.Context(), &out)
		if !woken || len(r.Failed) > 0 || !down.up {
			t.Errorf("one that is down: %v, %+v", woken, r)
		}
		if r := down.subject().Sleep(t.Context(), &out); !r.Well() || down.up {
			t.Errorf("afterwards: %+v", r)
		}
	})
}

func TestPropose(t *testing.T) {
	for measured, want := range map[time.Duration]time.Duration{
		time.Millisecond: 30 * time.Second, 11 * time.Second: 40 * time.Second, 25 * time.Second: 80 * time.Second,
		50 * time.Second: 3 * time.Minute, time.Hour: 3 * time.Hour,
	} {
		if got := Propose(measured); got != want {
			t.Errorf("for %v: %v, want %v", measured, got, want)
		}
	}
}

var _ Prober = (*probe.Prober)(nil)
