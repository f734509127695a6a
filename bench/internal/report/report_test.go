package report

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"math"
	"strings"
	"testing"
)

// sampled makes a run in which each candidate has the given values in each repeat.
func sampled(scenario, key string, values map[string][]float64) *Run {
	r := &Run{}
	for _, name := range []string{"direct", "haproxy", "nginx", "haproxy-tuned", "haproxy-retry", "rouse"} {
		for i, v := range values[name] {
			r.Samples = append(r.Samples, Sample{Scenario: scenario, Candidate: name, Repeat: i, Values: map[string]float64{key: v}})
		}
		if values[name] != nil {
			r.Subjects = append(r.Subjects, Subject{Name: name})
		}
	}
	return r
}

// verdict finds the verdict of a goal.
func verdict(t *testing.T, r *Run, axis, goal string) Verdict {
	t.Helper()
	for _, v := range r.Judge() {
		if v.Axis == axis && v.Goal == goal {
			return v
		}
	}
	t.Fatalf("no goal %q %q", axis, goal)
	return Verdict{}
}

func TestTheBetterAnchorCounts(t *testing.T) {
	low := sampled("up1", "cpu", map[string][]float64{"haproxy": {0.8}, "nginx": {0.6}, "rouse": {0.1, 0.33, 0.9}})
	v := verdict(t, low, "bulk CPU s/GB, 1 stream up", "≤ 0.50 × haproxy or nginx")
	if v.Anchor != "nginx" || math.Abs(v.Got-0.55) > 1e-9 || v.State != "not met" {
		t.Errorf("of least, against the least: %+v", v)
	}
	high := sampled("trips", "rate", map[string][]float64{"haproxy": {100}, "nginx": {80}, "rouse": {90}})
	v = verdict(t, high, "round trips/s, 64 connections", "~≥ 1.00 × haproxy or nginx")
	if v.Anchor != "haproxy" || v.Got != 0.9 || v.State != "met within slack" {
		t.Errorf("of most, against the most: %+v", v)
	}
}

func TestAGoalIsMetMissedOrUnknown(t *testing.T) {
	for want, values := range map[string][]float64{"met": {100, 512, 600}, "not met": {513}, "not measured": nil} {
		r := sampled("idle", "rss", map[string][]float64{"rouse": values})
		if v := verdict(t, r, "RSS per idle connection", "≤ 512 B"); v.State != want {
			t.Errorf("%v: %+v, want %q", values, v, want)
		}
	}
	worst := sampled("wake128", "last", map[string][]float64{"rouse": {100, 120, 260}})
	if v := verdict(t, worst, "last answered, backlog 128, worst repeat", "≤ 250 ms"); v.State != "not met" || v.Got != 260 {
		t.Errorf("the worst repeat was forgiven: %+v", v)
	}
	alone := sampled("up1", "cpu", map[string][]float64{"rouse": {1}})
	if v := verdict(t, alone, "bulk CPU s/GB, 1 stream up", "≤ 1.00 × sd-proxyd"); v.State != "not measured" {
		t.Errorf("without its anchor: %+v", v)
	}
}

func TestErrorsAreGoalsOfTheirOwn(t *testing.T) {
	r := sampled("halfclose", "checks", map[string][]float64{"rouse": {36, 36}})
	if v := verdict(t, r, "errors, halfclose", "0"); v.State != "met" {
		t.Errorf("without errors: %+v", v)
	}
	r.Samples[1].Errors, r.Samples[1].Note = 3, "0 of 1 bytes came"
	if v := verdict(t, r, "errors, halfclose", "0"); v.State != "not met" || v.Got != 3 {
		t.Errorf("with errors: %+v", v)
	}
	if sum := r.Of("halfclose", "rouse", "checks"); sum.N != 1 {
		t.Errorf("a repeat with errors counts: %+v", sum)
	}
}

func TestReadingsOfAGoBenchmark(t *testing.T) {
	const out = `goos: linux
BenchmarkFirstByte/settle=0s-2         	      30	 113203949 ns/op	         4.1 ms-max	         2.5 ms-median
BenchmarkBroken
PASS`
	got := ParseReadings(out)
	if len(got) != 1 || got[0].Values["ms-median"] != 2.5 || got[0].Values["ms-max"] != 4.1 || got[0].Values["ns/op"] != 113203949 {
		t.Fatalf("readings: %+v", got)
	}
	r := &Run{Readings: got}
	if v := verdict(t, r, "target listens → client's first byte, median (no settling)", "≤ 3 ms"); v.State != "met" || v.Got != 2.5 {
		t.Errorf("readiness: %+v", v)
	}
}

func TestThePageHasEveryFigure(t *testing.T) {
	r := sampled("up1", "gbps", map[string][]float64{"direct": {2, 3, 4}, "haproxy": {1, 1.5, 2}, "rouse": {1.8}})
	r.Samples = append(r.Samples, Sample{Scenario: "halfclose", Candidate: "haproxy", Errors: 2, Note: "lost | a\nbyte"})
	r.LeftOut = []Subject{{Name: "nginx", About: "nginx is not here"}}
	r.Setup.Quick = true
	var b strings.Builder
	if err := r.Write(&b, "docs/images"); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"| direct | 3 | 3.00 [2.00–4.00] ×1.00 |", "| haproxy | 3 | 1.50 [1.00–2.00] ×0.50 |", "| rouse | 1 | 1.80 ×0.60 |",
		"2: lost / a byte |", "left out: nginx is not here", "a quick run", "docs/images/bench-bulk.svg",
		"| bulk GB/s, 1 stream up | ≥ 1.30 × haproxy or nginx | 1.20 × haproxy | **not met** |",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in\n%s", want, b.String())
		}
	}
	if strings.Contains(b.String(), "NaN") {
		t.Error("the page has NaN in it")
	}
}

func TestPlotsAreWellFormedAndFit(t *testing.T) {
	r := sampled("conns", "rate", map[string][]float64{"direct": {100, 200}, "haproxy": {90}, "rouse": {0}})
	r.Samples = append(r.Samples,
		Sample{Scenario: "idle", Candidate: "haproxy", Values: map[string]float64{"rss": 3000, "slab": -5}},
		Sample{Scenario: "idle", Candidate: "<&\"", Values: map[string]float64{"rss": 2_700_000, "slab": 9000}},
		Sample{Scenario: "idle", Candidate: "rouse", Values: map[string]float64{"rss": 200, "slab": 8000}})
	figures := r.Figures()
	if len(figures) != 1 || len(figures[0].Panels) != 3 {
		t.Fatalf("figures: %+v", figures)
	}
	var b strings.Builder
	if err := figures[0].WriteSVG(&b); err != nil {
		t.Fatal(err)
	}
	for dec := xml.NewDecoder(strings.NewReader(b.String())); ; {
		_, err := dec.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("%v in\n%s", err, b.String())
		}
	}
	for _, want := range []string{`class="cut"`, `class="bar-none"`, `class="bar-ours"`, `class="range"`, "prefers-color-scheme: dark"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %s in\n%s", want, b.String())
		}
	}
	for _, bad := range []string{"NaN", "Inf", `width="-`} {
		if strings.Contains(b.String(), bad) {
			t.Errorf("%s in\n%s", bad, b.String())
		}
	}
}

func TestEveryGoalAndPanelNamesAColumn(t *testing.T) {
	columns := map[string]bool{"idle kept": true, "idlemost kept": true} // only the goals show it
	for _, s := range Scenarios {
		for _, c := range s.Columns {
			columns[s.Key+" "+c.Key] = true
		}
		if Headline(s.Key) != s.Columns[0].Key {
			t.Errorf("headline of %s is %q", s.Key, Headline(s.Key))
		}
	}
	for _, g := range goals() {
		if !columns[g.scenario+" "+g.key] {
			t.Errorf("goal %q looks at %s %s, which nobody measures", g.axis, g.scenario, g.key)
		}
	}
	if Headline("dance") != "" {
		t.Error("an unknown scenario has a headline")
	}
}

func TestKeptResultsGiveTheSamePage(t *testing.T) {
	r := sampled("up1", "gbps", map[string][]float64{"direct": {2, 3, 4}, "rouse": {1.8}})
	kept, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	var again Run
	if err := json.Unmarshal(kept, &again); err != nil {
		t.Fatal(err)
	}
	var a, b strings.Builder
	if err := errors.Join(r.Write(&a, "x"), again.Write(&b, "x")); err != nil || a.String() != b.String() {
		t.Errorf("the page differs (%v)", err)
	}
}
