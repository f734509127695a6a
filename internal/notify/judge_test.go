package notify

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/rouse-proxy/rouse/internal/event"
	"github.com/rouse-proxy/rouse/internal/gate"
)

// everything is wanted.
func everything() map[string]bool {
	all := map[string]bool{}
	for _, g := range Groups {
		all[g] = true
	}
	return all
}

func refusedAt(at time.Duration, target string, err error) event.Event {
	return event.Event{Time: noon.Add(at), Kind: event.ClientRefused, Target: target, Client: "192.0.2.7:1", Err: err}
}

func TestWhatIsToldOfEachEvent(t *testing.T) {
	spent := &gate.Refusal{Gate: gate.Spending, Text: "spent"}
	resumed := wake("web")
	resumed.Resumed = true
	j := newJudge()
	for _, c := range []struct {
		what string
		e    event.Event
		want string
	}{
		{"the first failure", failed(0, "start", errBoot), Failures},
		{"the same again", failed(time.Minute, "start", errBoot), ""},
		{"a stop that is fine", failed(2*time.Minute, "stop", nil), ""},
		{"a start of which nobody knows", failed(3*time.Minute, "start", nil), ""},
		{"after hours", failed(7*time.Hour, "start", errBoot), Failures},
		{"it is over", state(8*time.Hour, "failed", "ready"), Recovered},
		{"and stays so", state(9*time.Hour, "unknown", "ready"), ""},
		{"another failure", failed(9*time.Hour, "start", errBoot), Failures},
		{"of the other kind", failed(9*time.Hour, "stop", errBoot), ""},
		{"one of two is over", state(9*time.Hour, "starting", "ready"), ""},
		{"both are", failed(9*time.Hour, "stop", nil), Recovered},
		{"a stop that has failed", failed(10*time.Hour, "stop", errBoot), Failures},
		{"somebody else has stopped it", state(10*time.Hour, "unknown", "stopped"), Recovered},
		{"a check", failed(10*time.Hour, "check", errBoot), ""},
		{"a budget", refusedAt(0, "web", fmt.Errorf("x: %w", spent)), Budget},
		{"the same budget", refusedAt(time.Hour, "web", spent), ""},
		{"that of another", refusedAt(0, "db", spent), Budget},
		{"a refusal", refusedAt(0, "web", errBoot), Refusals},
		{"a refusal without a reason", refusedAt(0, "web", nil), Refusals},
		{"a crash loop", crash("web"), CrashLoop},
		{"the same crash loop", crash("web"), ""},
		{"a crash loop without a reason", event.Event{Time: noon, Kind: event.CrashLooping, Target: "db"}, CrashLoop},
		{"a wake", wake("web"), Wakes},
		{"a wake that a rouse before has begun", resumed, ""},
		{"a stop", state(0, "stopping", "stopped"), Stops},
		{"a look that found nothing", state(0, "unknown", "stopped"), ""},
		{"a client", event.Event{Time: noon, Kind: event.ClientServed, Target: "web"}, ""},
		{"a disk that is full", event.Event{Time: noon, Kind: event.StateNotSaved, Target: "web", Err: errBoot}, Failures},
		{"for another target too", event.Event{Time: noon, Kind: event.StateNotSaved, Target: "db", Err: errBoot}, ""},
		{"it takes the one", event.Event{Time: noon, Kind: event.StateSaved, Target: "web"}, ""},
		{"and the other", event.Event{Time: noon, Kind: event.StateSaved, Target: "db"}, Recovered},
		{"and goes on", event.Event{Time: noon, Kind: event.StateSaved, Target: "db"}, ""},
	} {
		if got := j.hear(c.e, everything()).Kind; got != c.want {
			t.Errorf("%s: %q, want %q", c.what, got, c.want)
		}
	}
}

func TestTheQuietDefaultIsWhatSomebodyHasToLookAt(t *testing.T) {
	host, requests := service(t, 200)
	n, _ := startOne(t, Channel{Name: "phone", URL: "http://" + host + "/"})
	for _, e := range []event.Event{wake("web"), state(0, "stopping", "stopped"), refusedAt(0, "web", errBoot), failed(0, "check", errBoot)} {
		n.Sink(e)
	}
	n.Sink(crash("web"))
	if g := <-requests; !strings.Contains(g.body, `"kind":"crash-loop"`) {
		t.Errorf("told of %s", g.body)
	}
}

func TestAFailureSaysWhyAndWhatTheHookSaid(t *testing.T) {
	j := newJudge()
	j.hear(wake("web"), everything())
	m := j.hear(failed(0, "start", fmt.Errorf("start hook: %sthe last line", strings.Repeat("x\x1b[31m\x00", 5000))), everything())
	for _, want := range []string{"start hook: x", "the last line", "client 192.0.2.7"} {
		if !strings.Contains(m.Text, want) {
			t.Errorf("no %q in %q", want, m.Text)
		}
	}
	if m.Cause != "client 192.0.2.7" || !strings.HasSuffix(m.Error, "the last line") || m.Title != "web could not be started" {
		t.Errorf("%+v", m)
	}
	if strings.ContainsAny(m.Text+m.Error, "\x1b\x00") || len([]rune(m.Text)) > mostText || len([]rune(m.Error)) > mostText {
		t.Errorf("not fit to be shown: %d characters", len(m.Text))
	}
}

func TestAFloodOfRefusalsIsNotLookedAtIfNobodyWantsToKnow(t *testing.T) {
	j, e := newJudge(), refusedAt(0, "web", errBoot)
	if n := testing.AllocsPerRun(100, func() { j.hear(e, map[string]bool{Failures: true}) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestWhoNeverStopsIsTheOneThatNobodyUses(t *testing.T) {
	j := newJudge()
	client := func(at time.Duration, kind event.Kind) event.Event {
		return event.Event{Time: noon.Add(at), Kind: kind, Target: "web"}
	}
	told := func(at time.Duration) int { return len(j.idlers(noon.Add(at))) }
	j.hear(state(0, "starting", "ready"), everything())
	j.hear(client(time.Hour, event.ClientServed), everything())
	if told(30*time.Hour) != 0 {
		t.Error("told of one that is used")
	}
	j.hear(client(31*time.Hour, event.ClientEnded), everything())
	if told(54*time.Hour) != 0 {
		t.Error("told too soon")
	}
	if told(56*time.Hour) != 1 || told(57*time.Hour) != 0 || told(80*time.Hour) != 1 {
		t.Error("not told once a day")
	}
	j.hear(state(81*time.Hour, "stopping", "stopped"), everything())
	if told(200*time.Hour) != 0 {
		t.Error("told of one that is stopped")
	}
}
