package report

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/rouse-proxy/rouse/bench/internal/stats"
)

// subject is the candidate whose goals are judged.
const subject = "rouse"

// slack is what a goal marked as approximate may miss by: less than that is no result on a
// shared machine.
const slack = 0.15

// goal is one promise about a figure: an absolute bound, or one on the ratio to the better
// of some others in the same run.
type goal struct {
	axis     string
	scenario string
	key      string
	least    bool     // the figure is to be at least the bound; else at most
	bound    float64  // of the figure, or of its ratio
	against  []string // the anchors; of several the better one. None: the bound is absolute
	rough    bool     // slack is granted
	worst    bool     // judge the worst repeat instead of the median
	unit     string   // of the absolute bound
}

// Verdict is how one goal came out.
type Verdict struct {
	Axis, Goal, Anchor string
	Got                float64 // NaN if it was not measured
	Unit               string
	State              string // "met", "met within slack", "not met", "not measured"
}

// plain are the two proxies as they are usually configured.
var plain = []string{"haproxy", "nginx"}

func goals() []goal {
	var all []goal
	for _, d := range []struct {
		key, text string
		cpu, rate float64
	}{{"up1", "1 stream up", 0.5, 1.3}, {"down1", "1 stream down", 0.5, 1.3}, {"up8", "8 streams up", 0.4, 1.25}, {"down8", "8 streams down", 0.4, 1.25}} {
		all = append(all,
			goal{axis: "bulk CPU s/GB, " + d.text, scenario: d.key, key: "cpu", bound: d.cpu, against: plain},
			goal{axis: "bulk CPU s/GB, " + d.text, scenario: d.key, key: "cpu", bound: 1, against: []string{"haproxy-tuned"}, rough: true},
			goal{axis: "bulk CPU s/GB, " + d.text, scenario: d.key, key: "cpu", bound: 1, against: []string{"sd-proxyd"}},
			goal{axis: "bulk GB/s, " + d.text, scenario: d.key, key: "gbps", least: true, bound: d.rate, against: plain},
			goal{axis: "bulk GB/s, " + d.text, scenario: d.key, key: "gbps", least: true, bound: 1, against: []string{"haproxy-tuned"}})
	}
	return append(all, otherGoals()...)
}

func otherGoals() []goal {
	nginx, haproxy, retry := []string{"nginx"}, []string{"haproxy"}, []string{"haproxy-retry"}
	return []goal{
		{axis: "latency p50, 1 connection, one core", scenario: "pinned", key: "p50", bound: 1, against: nginx, rough: true},
		{axis: "latency p50, 1 connection, one core", scenario: "pinned", key: "p50", bound: 0.85, against: haproxy},
		{axis: "round trips/s, 64 connections", scenario: "trips", key: "rate", least: true, bound: 1, against: plain, rough: true},
		{axis: "CPU per round trip, 64 connections", scenario: "trips", key: "cpu", bound: 0.9, against: plain},
		{axis: "short connections/s", scenario: "conns", key: "rate", least: true, bound: 1, against: plain, rough: true},
		{axis: "CPU per short connection", scenario: "conns", key: "cpu", bound: 0.95, against: nginx},
		{axis: "p99 beside 8 bulk streams", scenario: "mixed", key: "p99", bound: 0.9, against: haproxy},
		{axis: "bulk GB/s beside the ping-pong", scenario: "mixed", key: "gbps", least: true, bound: 1, against: haproxy},
		{axis: "RSS per idle connection", scenario: "idle", key: "rss", bound: 512, unit: "B"},
		{axis: "descriptors per idle connection", scenario: "idle", key: "fds", bound: 2.005, unit: ""},
		{axis: "idle CPU", scenario: "idle", key: "cpu", bound: 0.1, unit: "%"},
		{axis: "idle wake-ups a second", scenario: "idle", key: "wakeups", bound: 2, unit: ""},
		{axis: "RSS kept after closing all", scenario: "idle", key: "kept", bound: 5, unit: "MB"},
		{axis: "RSS per idle connection, most of them", scenario: "idlemost", key: "rss", bound: 512, unit: "B"},
		{axis: "descriptors per idle connection, most of them", scenario: "idlemost", key: "fds", bound: 2.005, unit: ""},
		{axis: "idle CPU, most of them", scenario: "idlemost", key: "cpu", bound: 0.1, unit: "%"},
		{axis: "idle wake-ups a second, most of them", scenario: "idlemost", key: "wakeups", bound: 2, unit: ""},
		{axis: "RSS kept after closing all, most of them", scenario: "idlemost", key: "kept", bound: 5, unit: "MB"},
		{axis: "RSS per waiting client", scenario: "wake", key: "rss", bound: 4096, unit: "B"},
		{axis: "descriptors per waiting client", scenario: "wake", key: "fds", bound: 1.01, unit: ""},
		{axis: "last of the waiting answered", scenario: "wake", key: "last", bound: 1.1, against: retry},
		{axis: "CPU of the wake", scenario: "wake", key: "cpu", bound: 0.15, against: retry},
		{axis: "last answered, backlog 128, worst repeat", scenario: "wake128", key: "last", bound: 250, worst: true, unit: "ms"},
		{axis: "last of the crowd answered", scenario: "crowd", key: "last", bound: 0.9, against: retry},
		{axis: "last of the crowd answered, worst repeat", scenario: "crowd", key: "last", bound: 1000, worst: true, unit: "ms"},
		{axis: "RSS per waiting client in the crowd", scenario: "crowd", key: "rss", bound: 4096, unit: "B"},
		{axis: "CPU of the first 10 s of waiting", scenario: "waiting", key: "early", bound: 4, unit: "%"},
		{axis: "CPU of waiting after 10 s", scenario: "waiting", key: "late", bound: 1, unit: "%"},
	}
}

// Judge compares the run with every goal.
func (r *Run) Judge() []Verdict {
	var all []Verdict
	for _, g := range goals() {
		all = append(all, r.judge(g))
	}
	all = append(all, r.readiness()...)
	for _, key := range []string{"verify", "halfclose", "wake", "wake128", "crowd"} {
		all = append(all, r.correct(key))
	}
	return all
}

func (r *Run) judge(g goal) Verdict {
	v := Verdict{Axis: g.axis, Goal: g.text(), Got: math.NaN(), Unit: g.unit}
	sum := r.Of(g.scenario, subject, g.key)
	if sum.N > 0 {
		v.Got = sum.Median
		if g.worst {
			v.Got = sum.Max
		}
	}
	if len(g.against) > 0 {
		anchor, name := r.better(g)
		v.Anchor = name
		v.Got = stats.Ratio(v.Got, anchor)
	}
	v.State = g.state(v.Got)
	return v
}

// better gives the median of the better anchor.
func (r *Run) better(g goal) (best float64, name string) {
	for _, candidate := range g.against {
		sum := r.Of(g.scenario, candidate, g.key)
		if sum.N > 0 && (name == "" || g.least == (sum.Median > best)) {
			best, name = sum.Median, candidate
		}
	}
	return best, name
}

func (g goal) text() string {
	sign := "≤ "
	if g.least {
		sign = "≥ "
	}
	if g.rough {
		sign = "~" + sign
	}
	if len(g.against) == 0 {
		return strings.TrimSpace(sign + strconv.FormatFloat(math.Floor(g.bound*10)/10, 'f', -1, 64) + " " + g.unit)
	}
	return fmt.Sprintf("%s%.2f × %s", sign, g.bound, strings.Join(g.against, " or "))
}

func (g goal) state(got float64) string {
	over := got/g.bound - 1 // how far beyond the bound
	if g.least {
		over = 1 - got/g.bound
	}
	switch {
	case math.IsNaN(got):
		return "not measured"
	case over <= 0:
		return "met"
	case g.rough && over <= slack:
		return "met within slack"
	default:
		return "not met"
	}
}

// readiness judges the Go benchmark that wakes a real daemon again and again.
func (r *Run) readiness() []Verdict {
	median := goal{axis: "target listens → client's first byte, median (no settling)", bound: 3, unit: "ms"}
	worst := goal{axis: "target listens → client's first byte, worst (no settling)", bound: 8, unit: "ms"}
	got := map[string]float64{"ms-median": math.NaN(), "ms-max": math.NaN()}
	for _, reading := range r.Readings {
		if !strings.Contains(reading.Name, "settle=0s") {
			continue
		}
		for unit := range got {
			if v, ok := reading.Values[unit]; ok {
				got[unit] = v
			}
		}
	}
	return []Verdict{
		{Axis: median.axis, Goal: median.text(), Got: got["ms-median"], Unit: "ms", State: median.state(got["ms-median"])},
		{Axis: worst.axis, Goal: worst.text(), Got: got["ms-max"], Unit: "ms", State: worst.state(got["ms-max"])},
	}
}

// correct wants no error at all.
func (r *Run) correct(scenario string) Verdict {
	errors, repeats, _ := r.Errors(scenario, subject)
	v := Verdict{Axis: "errors, " + scenario, Goal: "0", Got: float64(errors), State: "met"}
	switch {
	case repeats == 0:
		v.Got, v.State = math.NaN(), "not measured"
	case errors > 0:
		v.State = "not met"
	}
	return v
}
