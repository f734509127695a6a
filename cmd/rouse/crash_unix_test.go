//go:build unix

package main

import (
	"os"
	"testing"
)

// A phase is a moment in the life of a target in which rouse is killed.
type phase struct {
	name  string
	reach func(*stage, *child) // brings the first rouse there

	// What the next rouse does, first with nobody connecting, then with a client. An
	// empty text means that this is not looked at.
	alone, asked string

	adopt func(*stage, *child) // lets go of what the phase holds, once the next rouse has seen it
}

// phases are all moments that differ in what the next rouse finds.
var phases = []phase{
	{
		name: "asleep", asked: "start stop",
		reach: func(_ *stage, r *child) { r.awaitState("stopped") },
	},
	{
		name: "start hook runs", alone: "start stop", asked: "start stop",
		reach: func(s *stage, r *child) {
			s.hold("start")
			r.dial().say("hello")
			s.awaitRuns("start", 1)
			s.awaitRecord()
		},
		adopt: func(s *stage, r *child) {
			r.awaitMsg("waiting for a hook that was left running")
			s.release("start")
		},
	},
	{
		name: "target boots", alone: "start stop", asked: "start stop",
		reach: func(s *stage, r *child) {
			s.hold("boot")
			r.dial().say("hello")
			s.eventually("the start hook has ended", func() bool { return s.runs() == "start" && s.open() == 0 })
		},
		adopt: func(s *stage, r *child) {
			r.awaitMsg("taking up what the last rouse began")
			s.release("boot")
		},
	},
	{
		name: "client is served", alone: "start stop", asked: "start stop",
		reach: func(_ *stage, r *child) { r.dial().ask("hello") },
	},
	{
		name: "cooldown runs", alone: "start stop", asked: "start stop",
		reach: func(_ *stage, r *child) {
			c := r.dial()
			c.ask("hello")
			c.leave()
			r.awaitMsg("cooldown begins")
		},
	},
	{
		name: "stop hook runs", alone: "start stop", asked: "start stop start stop",
		reach: func(s *stage, r *child) {
			s.hold("stop")
			c := r.dial()
			c.ask("hello")
			c.leave()
			s.awaitRuns("stop", 1)
			s.awaitRecord()
		},
		adopt: func(s *stage, r *child) {
			r.awaitMsg("waiting for a hook that was left running")
			s.release("stop")
		},
	},
	{
		name: "target goes down", alone: "start stop", asked: "start stop start stop",
		reach: func(s *stage, r *child) {
			s.hold("down")
			c := r.dial()
			c.ask("hello")
			c.leave()
			s.eventually("the stop hook has ended", func() bool { return s.runs() == "start stop" && s.open() == 0 })
		},
		adopt: func(s *stage, r *child) {
			r.await("the stop", func(e entry) bool { return e.Msg == "state changed" && e.To == "stopping" })
			s.release("down")
		},
	},
}

// awaitRecord waits until rouse has written down which hook runs.
func (s *stage) awaitRecord() {
	s.Helper()
	s.eventually("the running hook is recorded", func() bool { return exists(s.path("state/web.hook")) })
}

func TestNextRunAdoptsWhatAKilledOneLeft(t *testing.T) {
	t.Parallel()
	for _, p := range phases {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			s := p.crash(t)
			r := s.start("--cooldown-period=300ms")
			if p.alone == "" {
				r.awaitState("stopped")
				r.end()
				s.expectRuns("")
				return
			}
			if p.adopt != nil {
				p.adopt(s, r)
			}
			s.finish(r, p.alone)
		})
	}
}

func TestClientOfTheNextRunIsServed(t *testing.T) {
	t.Parallel()
	for _, p := range phases {
		if p.asked == "" {
			continue
		}
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			s := p.crash(t)
			r := s.start("--on-exit=stop")
			c := r.dial()
			c.say("hello")
			if p.adopt != nil {
				p.adopt(s, r)
			}
			c.hear("hello")
			if s.open() != 0 {
				t.Errorf("the client is served while a hook runs: %q", s.lines("journal"))
			}
			c.leave()
			r.end()
			s.expectRuns(p.asked)
			s.expectAsleep()
		})
	}
}

// crash kills a rouse in the phase.
func (p phase) crash(t *testing.T) *stage {
	t.Helper()
	s := newStage(t)
	cooldown := "300ms"
	if p.name == "cooldown runs" {
		cooldown = "10m"
	}
	first := s.start("--cooldown-period=" + cooldown)
	p.reach(s, first)
	first.crash()
	return s
}

func TestKilledAgainAndAgainHooksNeverOverlap(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	// Each round leaves the hook of the round before running.
	s.hold("start")
	for range 4 {
		r := s.start()
		r.dial().say("hello")
		r.await("operation", func(e entry) bool { return e.Msg == "operation begun" && e.Operation == "start" })
		s.awaitRuns("start", 1)
		s.awaitRecord()
		r.crash()
	}
	last := s.start("--cooldown-period=300ms")
	last.awaitMsg("waiting for a hook that was left running")
	s.release("start")
	s.finish(last, "start stop")
}

func TestStateDirectoryIsFreeAfterACrash(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.start().crash()
	if _, err := os.Stat(s.path("state/lock")); err != nil {
		t.Errorf("the lock is not where this test believes: %v", err)
	}
	s.start().end()
}
