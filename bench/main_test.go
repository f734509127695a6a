//go:build linux

package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rouse-proxy/rouse/bench/internal/report"
)

func TestFlagsChangeAFullOrAQuickRun(t *testing.T) {
	full, err := parse(nil)
	if err != nil || full.options.Repeats != 7 || full.firsts != 30 || full.options.ClientFDs != 2 {
		t.Errorf("by default: %+v, %v", full, err)
	}
	quick, err := parse(strings.Fields("-quick -repeats 1 -window 1s -only up1,idle -firsts 0 -client-fds 3 -wake-clients 9 -idle-conns 8"))
	o := quick.options
	if err != nil || o.Repeats != 1 || o.IdleRepeats != 1 || o.Window != time.Second || len(o.Only) != 2 ||
		quick.firsts != 0 || o.ClientFDs != 3 || o.WakeClients != 9 || o.IdleConns != 8 || o.IdleMost != 0 {
		t.Errorf("as asked for: %+v, %v", quick, err)
	}
	for _, line := range []string{"-no-such-flag", "stray"} {
		if _, err := parse([]string{line}); err == nil {
			t.Errorf("%q was accepted", line)
		}
	}
}

func TestKeptResultsBecomeAPageAndPlots(t *testing.T) {
	dir := t.TempDir()
	run := report.Run{Samples: []report.Sample{{Scenario: "up1", Candidate: "rouse", Values: map[string]float64{"gbps": 2, "cpu": 0.3}}}}
	text, err := json.Marshal(run)
	if err != nil {
		t.Fatal(err)
	}
	raw, page := filepath.Join(dir, "r.json"), filepath.Join(dir, "B.md")
	if err := os.WriteFile(raw, text, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := dispatch([]string{"-from", raw, "-out", page, "-images", filepath.Join(dir, "images")}); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(page)
	if err != nil || !strings.Contains(string(got), "images/bench-cpu.svg") {
		t.Errorf("the page: %v\n%s", err, got)
	}
	if _, err := os.Stat(filepath.Join(dir, "images", "bench-bulk.svg")); err != nil {
		t.Error(err)
	}
}
