package trace

import (
	"slices"
	"strings"
	"testing"
)

func TestRules(t *testing.T) {
	for _, c := range cases {
		t.Run(c.rule+" "+c.name, func(t *testing.T) {
			if r := check(t, c.fine, CheckOptions{}); !r.OK() {
				t.Errorf("this breaks no rule:\n%s", r)
			}
			if c.wrong == "" {
				return
			}
			r := check(t, c.wrong, CheckOptions{})
			if !slices.ContainsFunc(r.Findings, func(f Finding) bool { return f.Rule == c.rule && !f.Warning }) {
				t.Errorf("this breaks %s:\n%s", c.rule, r)
			}
			for _, f := range r.Findings {
				if f.Rule != c.rule {
					t.Errorf("this breaks %s alone, not %s: %s", c.rule, f.Rule, f.Text)
				}
			}
			if r = check(t, c.wrong, CheckOptions{Without: []string{c.rule}}); !r.OK() {
				t.Errorf("a rule that is left out was broken:\n%s", r)
			}
		})
	}
}

func TestEveryRuleHasATraceThatBreaksIt(t *testing.T) {
	for _, rule := range Rules() {
		tried := slices.ContainsFunc(cases, func(c struct{ rule, name, fine, wrong string }) bool {
			return c.rule == rule.Name && c.wrong != ""
		})
		if !tried && !rule.Warn {
			t.Errorf("no trace breaks %s: %s", rule.Name, rule.Text)
		}
	}
}

// TestLostLinesExcuse whatever they could explain, and nothing else.
func TestLostLinesExcuse(t *testing.T) {
	r := check(t, awake+`
		30s trace lost lost=7
		31s state changed from=stopping to=starting epoch=3
		31s operation begun operation=start epoch=3 waiting=1
		32s client ended client=c7
		33s operation ended operation=start epoch=3
		33s state changed from=starting to=ready epoch=3
		900s rouse ended`, CheckOptions{})
	if !r.OK() || r.Lost != 7 {
		t.Errorf("lines are missing, and it says\n%s", r)
	}
	r = check(t, awake+`
		30s trace lost lost=7
		31s state changed from=ready to=stopping epoch=3
		31s operation begun operation=stop epoch=3 held=1`, CheckOptions{})
	if r.OK() {
		t.Errorf("a stop under a client is one, whatever is missing:\n%s", r)
	}
}

func TestFlappingIsAWarning(t *testing.T) {
	r := check(t, waking+`
		3s operation ended operation=start epoch=1 error=broken
		3s state changed from=starting to=failed epoch=1
		4s state changed from=failed to=starting epoch=2 waiting=1
		4s operation begun operation=start epoch=2 waiting=1`, CheckOptions{})
	if !r.OK() || len(r.Findings) != 1 || r.Findings[0].Rule != ruleFlapping || !strings.HasSuffix(r.String(), "fine: no rule was broken, 1 warning\n") {
		t.Errorf("want one warning:\n%s", r)
	}
}

// TestWarningsHideNoViolation, neither from people nor from programs, however many they are.
func TestWarningsHideNoViolation(t *testing.T) {
	var r Report
	for range 2 * mostFindings {
		r.add(Finding{Rule: ruleFlapping, Warning: true})
	}
	if !r.OK() || r.verdict() != "fine: no rule was broken, 2000 warnings" {
		t.Errorf("warnings alone: %s", r.verdict())
	}
	r.add(Finding{Rule: ruleNoStopUnder, Text: "the one"})
	if r.OK() || r.verdict() != "not fine: 1 violation, 2000 warnings" || !strings.Contains(r.String(), "the one") || r.Unlisted != mostFindings {
		t.Errorf("with a violation: %v, %d unlisted, %s", r.OK(), r.Unlisted, r.verdict())
	}
}

func TestAHookWhoseEndNobodyToldIsAWarning(t *testing.T) {
	r := check(t, waking[:strings.LastIndex(waking, "2s")]+`
		2s rouse began run=7
		2s operation begun operation=check epoch=1
		2s operation ended operation=check epoch=1
		2s state changed from=unknown to=starting epoch=2
		2s operation begun operation=start epoch=2 waiting=1
		2s hook begun operation=start epoch=2 pid=60`, CheckOptions{Without: []string{ruleFlapping}})
	if !r.OK() || len(r.Findings) != 1 || r.Findings[0].Rule != ruleHookEnd {
		t.Errorf("want one warning:\n%s", r)
	}
}

func TestTally(t *testing.T) {
	r := check(t, stopped+`
		90s client waits client=c2
		91s client left client=c2 elapsed=1s
		92s rouse ended
		93s rouse began run=7
		94s rouse began run=8`, CheckOptions{})
	got := *r.Targets[0]
	want := Tally{Target: "web", Wakes: 1, Stops: 1, Clients: 1, Left: 1, Hooks: 2, LongestWait: 9e9}
	if got != want || r.Runs != 3 || r.Crashes != 1 || r.Open != 1 {
		t.Errorf("counted %+v and %+v\nwant    %+v", r, got, want)
	}
}
