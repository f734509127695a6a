//go:build linux

package town

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rouse-proxy/rouse/internal/fakecloud"
	"github.com/rouse-proxy/rouse/test/chaos/internal/crowd"
)

// tribunal is a town of which only the judges are there.
func tribunal(t *testing.T, acts ...string) *Town {
	t.Helper()
	town := &Town{Options: Options{Dir: t.TempDir()}, rouse: &rouse{}}
	for _, name := range acts {
		if _, ok := nemeses[name]; !ok {
			t.Fatalf("there is no nemesis %q", name)
		}
		town.Plan.Acts = append(town.Plan.Acts, Act{Nemesis: name})
	}
	return town
}

func TestClientsAreBelieved(t *testing.T) {
	noon := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	killed := span{noon.Add(time.Second), noon.Add(2 * time.Second)}
	for _, c := range []struct {
		name    string
		act     string
		dead    []span
		outcome crowd.Outcome
		bad     bool
	}{
		{"a wrong byte is never right", "kill", []span{killed}, crowd.Wrong, true},
		{"silence is never right", "kill", []span{killed}, crowd.Silent, true},
		{"a clean end too early", "crash", nil, crowd.Early, true},
		{"a clean end when rouse was killed", "kill", []span{killed}, crowd.Early, false},
		{"a clean end after rouse was killed", "kill", []span{{noon.Add(-time.Second), noon}}, crowd.Early, true},
		{"a reset where something failed", "crash", nil, crowd.Reset, false},
		{"a reset where nothing failed for good", "slow-boot", nil, crowd.Reset, true},
		{"a refusal where nothing failed for good", "freeze", nil, crowd.Refused, true},
		{"one who was served", "slow-boot", nil, crowd.Served, false},
		{"one who left", "slow-boot", nil, crowd.Left, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			town := tribunal(t, c.act)
			town.rouse.dead = c.dead
			town.judgeClients([]crowd.Verdict{{Outcome: c.outcome, Born: noon.Add(time.Millisecond), Ended: noon.Add(3 * time.Second)}})
			if bad := len(town.complaints) > 0; bad != c.bad {
				t.Errorf("complaints: %v", town.complaints)
			}
		})
	}
}

func TestTheMeterIsBelieved(t *testing.T) {
	for name, r := range map[string]fakecloud.Reading{
		"operations at once":   {Overlaps: 1},
		"a status at once":     {StatusOverlaps: 1},
		"bytes for a stranger": {StrangerBytes: 1},
		"a fault of the cloud": {Problems: []string{"no address"}},
	} {
		town := tribunal(t)
		if town.judgeMeter(r); len(town.complaints) != 1 {
			t.Errorf("%s: complaints %q", name, town.complaints)
		}
	}
	town := tribunal(t, "kill")
	town.rouse.runs = 2
	if town.judgeMeter(fakecloud.Reading{StatusOverlaps: 1}); len(town.complaints) > 0 {
		t.Errorf("complaints of the status hook of a killed rouse: %q", town.complaints)
	}
	town = tribunal(t)
	if town.judgeMeter(fakecloud.Reading{Starts: 3, Stops: 3}); len(town.complaints) > 0 {
		t.Errorf("complaints of nothing: %q", town.complaints)
	}
}

// A stop under a client that the provider saw is one, unless packets were lost and no client was hurt.
func TestStopsUnderClients(t *testing.T) {
	noon := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	hurt := crowd.Verdict{Outcome: crowd.Reset, Checked: 10, Born: noon.Add(-time.Second), Ended: noon.Add(time.Second)}
	well := hurt
	well.Outcome = crowd.Served
	for _, c := range []struct {
		act    string
		client crowd.Verdict
		bad    bool
	}{
		{"crash", well, true},
		{"loss", well, false},
		{"loss", hurt, true},
		{"cut-target", hurt, true},
	} {
		town := tribunal(t, c.act)
		line, err := json.Marshal(fakecloud.Fact{At: noon, Machine: machine, What: "stop under a client"})
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(town.Dir, cloudLog), append(line, '\n'), 0o644); err != nil {
			t.Fatal(err)
		}
		town.judgeStops(1, []crowd.Verdict{c.client})
		if bad := len(town.complaints) > 0; bad != c.bad {
			t.Errorf("with %s and a client who was %s: complaints %q", c.act, c.client.Outcome, town.complaints)
		}
	}
}

func TestRefusedStopsAreExcused(t *testing.T) {
	noon := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	town := tribunal(t)
	var log []byte
	for _, f := range []fakecloud.Fact{
		{At: noon, What: "stop asked"}, {At: noon, What: "stop refused"},
		{At: noon.Add(time.Second), What: "stop asked"}, {At: noon.Add(time.Second), What: "stop refused"},
		{At: noon.Add(time.Minute), What: "stop asked"}, {At: noon.Add(time.Minute), What: "state"},
		{At: noon.Add(time.Hour), What: "state"},
	} {
		line, err := json.Marshal(f)
		if err != nil {
			t.Fatal(err)
		}
		log = append(append(log, line...), '\n')
	}
	if err := os.WriteFile(filepath.Join(town.Dir, cloudLog), log, 0o644); err != nil {
		t.Fatal(err)
	}
	if got, want := town.refused(), time.Second+longestPause; got != want {
		t.Errorf("excused %v, want %v", got, want)
	}
}

func TestTheLogIsRead(t *testing.T) {
	for text, bad := range map[string]bool{
		`{"msg":"ended"}`:                               false,
		"WARNING: DATA RACE":                            true,
		"panic: runtime error":                          true,
		"fatal error: all goroutines are asleep":        true,
		`{"msg":"a fault of rouse itself has cut one"}`: true,
	} {
		town := tribunal(t)
		if err := os.WriteFile(filepath.Join(town.Dir, "rouse.log"), []byte(text+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		if town.judgeLog(); len(town.complaints) > 0 != bad {
			t.Errorf("%q: complaints %q", text, town.complaints)
		}
	}
}

func TestADeathThatNobodyAskedFor(t *testing.T) {
	for act, bad := range map[string]bool{"kill": true, "no-forks": false} {
		town := tribunal(t, act)
		town.rouse.deaths = []death{{how: "exit status 2"}}
		if town.judgeDeaths(); len(town.complaints) > 0 != bad {
			t.Errorf("with %s: complaints %q", act, town.complaints)
		}
	}
}

func TestBrokenRulesAreQuoted(t *testing.T) {
	report := "74 lines\n\nS3  broken: no start before the stop\n    trace.jsonl:46\n        a start begins\n\nL6  look at this: flapping\n    trace.jsonl:61\n\nnot fine\n"
	got := broken(report)
	if want := "S3  broken: no start before the stop; trace.jsonl:46; a start begins"; got != want {
		t.Errorf("quoted %q, want %q", got, want)
	}
	if got := broken("this is not a trace"); !strings.Contains(got, "not a trace") {
		t.Errorf("quoted %q", got)
	}
}

func TestNemesesAreWhole(t *testing.T) {
	for _, name := range Nemeses() {
		n := nemeses[name]
		if n.begin == nil || n.least > n.most || n.most > 10*time.Second {
			t.Errorf("%s: %+v", name, n)
		}
	}
}
