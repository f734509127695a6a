//go:build linux

package town

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/rouse-proxy/rouse/test/chaos/internal/crowd"
)

const (
	clientHouses = 3  // that clients live in
	stormEvery   = 5  // of so many rounds one is a storm
	stormActs    = 14 // in a storm, of which some have no place
	crowdMost    = 60 // clients of a wave in a round that is crowded
)

// A Plan is all that happens in a round. The same seed and number give the same plan.
type Plan struct {
	Seed  uint64
	Round int

	Cooldown, Boot, Late, Halt time.Duration

	Moves        bool // the machine has a new address at each start
	StopsPending bool // the cloud accepts a stop while PENDING
	Forwarder    bool // something in front of the machine accepts and resets until the application is up
	Status       bool // rouse has a status hook
	Mute         bool // a machine that is off does not refuse connections, it says nothing
	StopsAtExit  bool // rouse stops the machine when it is told to end

	Drain   time.Duration // rouse's drain timeout
	Release int           // rouse's release rate

	Acts  []Act
	Crowd []crowd.Plan
}

// An Act is one nemesis at work.
type Act struct {
	Nemesis string
	At      time.Duration // since the round's begin
	For     time.Duration // until it is healed
	Amount  int           // what it means is the nemesis's own
	House   int           // of the clients concerned, as an index
}

// String is the act in one line.
func (a Act) String() string {
	return fmt.Sprintf("%s at %v for %v, amount %d, house %d", a.Nemesis, a.At, a.For, a.Amount, a.House)
}

// NewPlan makes the plan of a round.
func NewPlan(seed uint64, round int) Plan {
	r := rand.New(rand.NewPCG(seed, uint64(round)))
	p := Plan{
		Seed: seed, Round: round,
		Cooldown: between(r, time.Second, 2*time.Second),
		Boot:     between(r, 50*time.Millisecond, 800*time.Millisecond),
		Late:     between(r, 0, 200*time.Millisecond),
		Halt:     between(r, 50*time.Millisecond, 500*time.Millisecond),
		Moves:    r.IntN(3) == 0, StopsPending: r.IntN(2) == 0, Forwarder: r.IntN(4) == 0, Status: r.IntN(3) > 0,
		Mute: r.IntN(2) == 0, StopsAtExit: r.IntN(4) == 0,
		Drain: time.Duration(r.IntN(3)) * time.Second, Release: r.IntN(2) * (10 + r.IntN(90)),
	}
	p.cast(r)
	p.invite(r)
	return p
}

// cast chooses the acts. The first goes round all nemeses, so that each has its turn; others join it.
func (p *Plan) cast(r *rand.Rand) {
	names := Nemeses()
	turns := rand.New(rand.NewPCG(p.Seed, uint64(p.Round/len(names)))).Perm(len(names))
	p.add(r, names[turns[p.Round%len(names)]])
	more := r.IntN(4)
	if p.Round%stormEvery == 0 {
		more = stormActs
	}
	for range more {
		p.add(r, names[r.IntN(len(names))])
	}
	for _, a := range p.Acts {
		p.Status = p.Status || nemeses[a.Nemesis].status
	}
	slices.SortStableFunc(p.Acts, func(a, b Act) int { return int(a.At - b.At) })
}

// add adds an act unless it would meet another that it cannot be with.
func (p *Plan) add(r *rand.Rand, name string) {
	n := nemeses[name]
	a := Act{
		Nemesis: name, At: between(r, 200*time.Millisecond, 6*time.Second), For: between(r, n.least, n.most),
		Amount: r.IntN(1 << 16), House: r.IntN(clientHouses),
	}
	for _, b := range p.Acts {
		if nemeses[b.Nemesis].group == n.group && a.At < b.At+b.For+time.Second && b.At < a.At+a.For+time.Second {
			return
		}
	}
	p.Acts = append(p.Acts, a)
}

// invite chooses the clients. They come in waves, so that the machine falls asleep between some of them.
func (p *Plan) invite(r *rand.Rand) {
	at := between(r, 0, 500*time.Millisecond)
	most := 7
	if r.IntN(6) == 0 {
		most = crowdMost
	}
	for range 2 + r.IntN(3) {
		for range 2 + r.IntN(most) {
			p.Crowd = append(p.Crowd, p.client(r, at+between(r, 0, time.Second)))
		}
		at += time.Second + between(r, 0, 2*p.Cooldown+p.Halt)
	}
	slices.SortStableFunc(p.Crowd, func(a, b crowd.Plan) int { return int(a.At - b.At) })
	for i := range p.Crowd {
		p.Crowd[i].ID = i + 1
	}
}

func (p *Plan) client(r *rand.Rand, at time.Duration) crowd.Plan {
	kinds := crowd.Kinds()
	c := crowd.Plan{Kind: kinds[r.IntN(len(kinds))], House: r.IntN(clientHouses), At: at, Seed: r.Uint64(), Size: 1 + r.IntN(4096), Turns: 1}
	switch c.Kind {
	case crowd.Long:
		c.Turns, c.Pause = 2+r.IntN(6), between(r, 50*time.Millisecond, 800*time.Millisecond)
	case crowd.Bulk:
		c.Size = 1<<20 + r.IntN(7<<20)
	case crowd.Half:
		c.Size, c.Pause = 1+r.IntN(32<<10), between(r, 0, 300*time.Millisecond)
	case crowd.Leaver, crowd.Rude:
		c.Pause = between(r, 0, time.Second)
	}
	return c
}

// between returns a duration of the range, in whole milliseconds.
func between(r *rand.Rand, least, most time.Duration) time.Duration {
	return least + time.Duration(r.Int64N((most-least).Milliseconds()+1))*time.Millisecond
}

// Names are the nemeses of the plan, in order.
func (p Plan) Names() []string {
	var names []string
	for _, a := range p.Acts {
		names = append(names, a.Nemesis)
	}
	return names
}

// String is the plan for people.
func (p Plan) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "seed %d, round %d: cooldown %v, boot %v, port %v later, halt %v\n", p.Seed, p.Round, p.Cooldown, p.Boot, p.Late, p.Halt)
	fmt.Fprintf(&b, "new address at each start: %t, stop while PENDING: %t, forwarder: %t, status hook: %t, mute: %t\n", p.Moves, p.StopsPending, p.Forwarder, p.Status, p.Mute)
	fmt.Fprintf(&b, "stops at exit: %t, drain %v, release rate %d\n", p.StopsAtExit, p.Drain, p.Release)
	for _, a := range p.Acts {
		fmt.Fprintln(&b, a)
	}
	for _, c := range p.Crowd {
		fmt.Fprintln(&b, c)
	}
	return b.String()
}
