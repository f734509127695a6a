//go:build linux

package course

import (
	"slices"
	"testing"
	"time"

	"github.com/rouse-proxy/rouse/bench/internal/candidate"
	"github.com/rouse-proxy/rouse/bench/internal/report"
)

func TestEveryCandidateComesFirstInTurn(t *testing.T) {
	all := []string{"a", "b", "c"}
	var firsts []string
	for repeat := range 3 {
		got := rotated(all, repeat)
		firsts = append(firsts, got[0])
		slices.Sort(got)
		if !slices.Equal(got, all) {
			t.Errorf("repeat %d visits %v", repeat, got)
		}
	}
	if !slices.Equal(firsts, all) {
		t.Errorf("first come %v", firsts)
	}
	if got := rotated([]string(nil), 5); got != nil {
		t.Errorf("nobody is visited as %v", got)
	}
}

func TestClientsFitTheDescriptorLimit(t *testing.T) {
	o := Full()
	o.Limit, o.ClientFDs = 1024, 6
	if got := o.wakeClients(); got != 137 {
		t.Errorf("%d clients wait within 1024 descriptors", got)
	}
	if got := o.idleConns(candidate.Candidate{}, o.IdleConns); got != 137 {
		t.Errorf("%d idle connections within 1024 descriptors", got)
	}
	o.Limit = 20_000
	if got := o.wakeClients(); got != 2000 {
		t.Errorf("%d clients wait within 20,000 descriptors", got)
	}
	if got := o.idleConns(candidate.Candidate{Idle: 500}, o.IdleConns); got != 500 {
		t.Errorf("a candidate with a bound of its own gets %d", got)
	}
	if got := o.crowd(); got != 0 {
		t.Errorf("%d clients crowd a candidate that takes six descriptors for each", got)
	}
	o.ClientFDs = 2
	if got := o.crowd(); got != 9900 {
		t.Errorf("a crowd of %d within 20,000 descriptors", got)
	}
}

func TestEveryScenarioHasItsTable(t *testing.T) {
	for _, s := range Quick().scenarios() {
		if report.Headline(s.key) == "" {
			t.Errorf("scenario %s is in no table", s.key)
		}
		if s.job.Window <= 0 || s.job.Kind == "" {
			t.Errorf("scenario %s: %+v", s.key, s.job)
		}
	}
}

func TestOnlyWhatIsWantedRuns(t *testing.T) {
	for _, c := range []struct {
		only []string
		want map[string]bool
	}{
		{nil, map[string]bool{"idle": true, "rates": true, "wake": true}},
		{[]string{"up1"}, map[string]bool{"idle": false, "rates": true, "wake": false}},
		{[]string{"wake"}, map[string]bool{"idle": false, "rates": false, "wake": true}},
	} {
		course := course{Options: Options{Only: c.only}}
		for part, want := range c.want {
			if got := course.wants(part); got != want {
				t.Errorf("only %v: %s is %v", c.only, part, got)
			}
		}
	}
}

func TestRawResultsKeepFiveDigits(t *testing.T) {
	got := rounded(map[string]float64{"a": 1234567.8, "b": 0.123456789, "c": 0})
	if got["a"] != 1234600 || got["b"] != 0.12346 || got["c"] != 0 {
		t.Errorf("rounded to %v", got)
	}
	if d := Full().Window; d < 100*time.Millisecond {
		t.Errorf("a window of %v holds few ticks", d)
	}
}
