package report

import (
	"slices"
	"strings"
	"testing"

	"github.com/rouse-proxy/rouse/bench/internal/perf"
)

// profiled is a run with two profiles of round trips.
func profiled() *Run {
	return &Run{Profiles: []Profile{
		{Scenario: "trips", Candidate: "nginx", Work: 100, Calls: map[string]float64{perf.All: 402, "recvfrom": 200, "writev": 200}},
		{Scenario: "trips", Candidate: "rouse", Work: 200,
			Samples: map[string]int{"sendto": 500, "read": 291, "fsync": 9, perf.Edge: 80, perf.Own: 90, perf.Runtime: 30},
			Calls:   map[string]float64{perf.All: 850, "sendto": 400, "read": 390, "recvfrom": 10, "futex": 1}},
	}}
}

func page(t *testing.T, r *Run) string {
	t.Helper()
	var b strings.Builder
	if err := r.Write(&b, "x"); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestTheProfileSaysWhereTheTimeGoes(t *testing.T) {
	got := page(t, profiled())
	for _, want := range []string{
		"## Where the time goes",
		"the kernel takes 88 %, rouse's own code 9 % and the Go runtime 3 % (1000 samples)",
		"System calls for each round trip: rouse 4.25, nginx 4.02.",
		"|  | rouse's CPU | calls/round trip: rouse | nginx |",
		"| sendto/writev | 50.0 % | 2.00 | 2.00 |\n| read/recvfrom | 29.1 % | 2.00 | 2.00 |\n| other system calls | 0.9 % | 0.25 | 0.02 |",
		"| rouse's own code | 9.0 % |  |  |", "| all | 100.0 % | 4.25 | 4.02 |",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
	if at := strings.Index(got, "## Where"); at > strings.Index(got, "# All tables") || at < strings.Index(got, "## Goals") {
		t.Error("the profile is not between the goals and all tables")
	}
}

func TestWhatWasNotProfiledIsSaid(t *testing.T) {
	if got := page(t, &Run{}); strings.Contains(got, "Where the time goes") {
		t.Error("a run without profiles has a section for them")
	}
	if got := page(t, &Run{NoProfile: "perf is not here"}); !strings.Contains(got, "Not measured: perf is not here.") {
		t.Errorf("no reason in\n%s", got)
	}
	r := profiled()
	r.Profiles[1].Samples, r.Profiles[1].Note = nil, "perf:\nnot permitted."
	got := page(t, r)
	for _, want := range []string{"Not all of rouse could be measured: perf: not permitted.\n", "| sendto/writev | – | 2.00 | 2.00 |", "| all | – | 4.25 | 4.02 |"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
	r.Profiles[0].Calls, r.Profiles[1].Calls = nil, nil
	if got := page(t, r); !strings.Contains(got, "Not measured: perf: not permitted.\n") || strings.Contains(got, "round trip:") {
		t.Errorf("without any figure:\n%s", got)
	}
	r = profiled()
	r.Profiles[1].Calls = nil
	if got := page(t, r); !strings.Contains(got, "| sendto/writev | 50.0 % | – | 2.00 |") {
		t.Errorf("without counts:\n%s", got)
	}
}

func TestACallThatTookTimeIsNotSaidToBeNever(t *testing.T) {
	v := view{shares: map[string]float64{"poll": 2}, calls: map[string]float64{perf.All: 5, "futex": 0.001}}
	for call, want := range map[string]string{"poll": "–", "splice": "0", "futex": "<0.01", perf.All: "5.00"} {
		if got := v.number(call); got != want {
			t.Errorf("%s: %s, want %s", call, got, want)
		}
	}
}

func TestEveryProfileIsOfAScenario(t *testing.T) {
	for _, p := range Profiles {
		if !slices.ContainsFunc(Scenarios, func(s Scenario) bool { return s.Key == p.Key }) {
			t.Errorf("there is no scenario %s", p.Key)
		}
	}
}
