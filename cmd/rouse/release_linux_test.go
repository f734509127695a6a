package main

import (
	"strconv"
	"testing"
	"time"
)

// TestReleaseRateKeepsThoseWhoWaitedApart: the flag says 20 a second, so the tenth comes 450 ms after the first. Only
// far less than that is a failure.
func TestReleaseRateKeepsThoseWhoWaitedApart(t *testing.T) {
	t.Parallel()
	const clients, least = 10, 200 * time.Millisecond
	s := newStage(t)
	s.hold("boot")
	r := s.start("--release-rate=20")
	var crowd []*client
	for i := range clients {
		c := r.dial()
		c.say(strconv.Itoa(i))
		crowd = append(crowd, c)
		r.awaitMsg("client waits")
	}
	s.release("boot")
	for i, c := range crowd {
		c.hear(strconv.Itoa(i))
		c.leave()
	}
	first := r.awaitMsg("client connected").Time
	last := first
	for range clients - 1 {
		last = r.awaitMsg("client connected").Time
	}
	if took := last.Sub(first); took < least {
		t.Errorf("%d clients were released within %v", clients, took)
	}
	r.end()
}
