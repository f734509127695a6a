//go:build linux

// Package course leads one run of the benchmarks: it starts the backend and the candidates,
// lets every repeat visit every candidate in rotated order, so that a neighbour's noise
// hits all alike, and gathers the samples. It starts every process itself and ends all of
// them, also when it is interrupted. Nothing here is measured by this process but what
// needs no precision: memory, descriptors and idle CPU.
package course

import (
	"io"
	"time"

	"github.com/rouse-proxy/rouse/bench/internal/candidate"
	"github.com/rouse-proxy/rouse/bench/internal/load"
	"github.com/rouse-proxy/rouse/bench/internal/report"
)

// Options bound a run in count and time.
type Options struct {
	Repeats     int           // visits to each candidate
	IdleRepeats int           // the same for idle connections, whose figures hardly vary
	Warm        time.Duration // before each measured window
	Window      time.Duration
	IdleConns   int
	IdleMost    int           // the same again with so many; 0 for not
	IdleWindow  time.Duration // over which idle CPU is measured
	IdleAfter   time.Duration // from closing the connections to the last look at memory
	WakeClients int
	// CrowdClients wait in a run of their own, if the candidates can hold so many within the limit.
	CrowdClients int
	WakeDelay    time.Duration // from the last held client to the backend's listen()
	ConnsMost    int           // short connections in one window
	VerifyBytes  int           // each way, on each of 4 streams
	Trials       int           // of half-closing
	Waiting      bool          // also measure the CPU of a long wait, which takes 20 s
	Profile      time.Duration // length of each look at where the time goes
	Only         []string      // scenarios to run; empty for all

	Candidates, Wakers []candidate.Candidate
	Symbols            string // a rouse whose functions have names, for the profile
	Self               string // the program whose sub-commands are the backend and the load
	Dir                string // an empty folder for everything
	Limit              int    // descriptors of one process
	ClientFDs          int    // descriptors that a held or relayed client may take in a candidate
	Log                io.Writer
}

// Full is the run that BENCHMARKS.md is made of.
func Full() Options {
	return Options{Repeats: 7, IdleRepeats: 3, Warm: 200 * time.Millisecond, Window: 500 * time.Millisecond,
		IdleConns: 5000, IdleMost: 9900, IdleWindow: 2 * time.Second, IdleAfter: 5 * time.Second, WakeClients: 2000, CrowdClients: 9900,
		WakeDelay: 1370 * time.Millisecond, ConnsMost: 20_000, VerifyBytes: 16 << 20, Trials: 36, Waiting: true, Profile: 2 * time.Second}
}

// Quick only shows that everything works.
func Quick() Options {
	return Options{Repeats: 2, IdleRepeats: 1, Warm: 30 * time.Millisecond, Window: 100 * time.Millisecond,
		IdleConns: 200, IdleWindow: 500 * time.Millisecond, IdleAfter: time.Second, WakeClients: 100,
		WakeDelay: 370 * time.Millisecond, ConnsMost: 1000, VerifyBytes: 2 << 20, Trials: 36, Profile: 300 * time.Millisecond}
}

// Setup tells the report how it was measured.
func (o Options) Setup() report.Setup {
	return report.Setup{Repeats: o.Repeats, IdleRepeats: o.IdleRepeats, IdleConns: o.IdleConns, IdleMost: o.IdleMost, WakeClients: o.wakeClients(), Crowd: o.crowd(),
		Window: o.Window.String(), WakeDelay: o.WakeDelay.String(), IdleAfter: o.IdleAfter.String()}
}

// idleConns is how many idle connections a candidate gets within its descriptor limit.
func (o Options) idleConns(c candidate.Candidate, most int) int {
	fds := c.FDs
	if fds == 0 {
		fds = o.ClientFDs
	}
	n := min(most, (o.Limit-spare)/fds)
	if c.Idle > 0 {
		n = min(n, c.Idle)
	}
	return n
}

// wakeClients is how many clients fit a proxy's descriptor limit while they are held.
func (o Options) wakeClients() int { return min(o.WakeClients, (o.Limit-spare)/o.ClientFDs) }

// spare descriptors are those that a process needs beside its clients', at most.
const spare = 200

// crowd is how many clients a candidate holds that takes no more than two descriptors for
// each; such a run is worth while only beyond the usual number of clients, else it is 0.
func (o Options) crowd() int {
	if n := min(o.CrowdClients, (o.Limit-spare)/2); o.ClientFDs <= 2 && n > o.WakeClients {
		return n
	}
	return 0
}

// scenario is one job that is carried out at every candidate.
type scenario struct {
	key    string
	job    load.Job
	pinned bool // client, proxy and backend share one processor
}

func (o Options) scenarios() []scenario {
	all := []scenario{
		{key: "verify", job: load.Job{Kind: "verify", Streams: 4, Most: o.VerifyBytes}},
		{key: "halfclose", job: load.Job{Kind: "halfclose", Streams: 4, Most: o.Trials}},
		{key: "up1", job: load.Job{Kind: "bulk", Streams: 1}},
		{key: "down1", job: load.Job{Kind: "bulk", Streams: 1, Down: true}},
		{key: "up8", job: load.Job{Kind: "bulk", Streams: 8}},
		{key: "down8", job: load.Job{Kind: "bulk", Streams: 8, Down: true}},
		{key: "pinned", job: load.Job{Kind: "pingpong", Streams: 1}, pinned: true},
		{key: "single", job: load.Job{Kind: "pingpong", Streams: 1}},
		{key: "trips", job: load.Job{Kind: "pingpong", Streams: 64}},
		{key: "conns", job: load.Job{Kind: "conns", Streams: 64, Most: o.ConnsMost}},
		{key: "mixed", job: load.Job{Kind: "mixed", Streams: 8, Window: 2 * o.Window}},
	}
	for i := range all {
		all[i].job.Warm = o.Warm
		all[i].job.Window = max(all[i].job.Window, o.Window)
	}
	return all
}
