//go:build linux

package course

import (
	"errors"
	"io"
	"slices"
	"testing"

	"github.com/rouse-proxy/rouse/bench/internal/candidate"
	"github.com/rouse-proxy/rouse/bench/internal/load"
	"github.com/rouse-proxy/rouse/bench/internal/report"
)

func TestWithoutPerfTheRunGoesOn(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	c := course{Options: Options{Candidates: []candidate.Candidate{candidate.Rouse("rouse", "/no/rouse")}, Log: io.Discard}, run: &report.Run{}}
	if err := c.profile(t.Context()); err != nil || c.run.NoProfile == "" || len(c.run.Profiles) > 0 {
		t.Errorf("profile = %v, found %+v", err, c.run)
	}
}

func TestEveryProfileHasItsLoad(t *testing.T) {
	for _, p := range report.Profiles {
		if p.Key != "wake" && !slices.ContainsFunc(Quick().scenarios(), func(s scenario) bool { return s.key == p.Key }) {
			t.Errorf("nobody carries out %s", p.Key)
		}
	}
	if Quick().Profile <= 0 || Full().Profile <= 0 {
		t.Error("a profile has no length")
	}
}

func TestOnlyRouseIsRunWithNames(t *testing.T) {
	c := course{Options: Options{Symbols: "/x/named"}}
	for _, cand := range candidate.All("/x/rouse") {
		if got := c.named(cand).Path; (got == "/x/named") != (cand.Name == "rouse") {
			t.Errorf("%s runs as %s", cand.Name, got)
		}
	}
}

func TestWhatPerfCouldNotSeeIsKeptWithItsReason(t *testing.T) {
	c := course{Options: Options{Log: io.Discard}, run: &report.Run{}}
	_, err := sound(load.Result{Errors: 2, Note: "refused"}, nil)
	if err := c.keepProfile(t.Context(), report.Profile{Candidate: "rouse"}, errors.Join(err, nil)); err != nil {
		t.Fatal(err)
	}
	if got := c.run.Profiles; len(got) != 1 || got[0].Note != "2 errors: refused" {
		t.Errorf("kept: %+v", got)
	}
}
