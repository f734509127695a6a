package fakecloud

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net"
	"slices"
	"sync"
	"time"
)

// A State is what the provider says of a machine.
type State string

// The states of a machine, in the order of its life.
const (
	Stopped  State = "STOPPED"
	Pending  State = "PENDING"
	Running  State = "RUNNING"
	Stopping State = "STOPPING"
)

// A Fact is one thing that happened.
type Fact struct {
	At      time.Time `json:"at"`
	Machine string    `json:"machine"`
	What    string    `json:"what"`         // "start asked", "start done", "start refused", "state", "fault", "stop under a client", ...
	By      string    `json:"by,omitempty"` // who asked
	Detail  string    `json:"detail,omitempty"`
}

// Options describe a cloud. Listen is needed.
type Options struct {
	Listen func(address string) (net.Listener, error) // the network that the machines are on
	Seed   uint64                                     // of the faults that are drawn
	Record func(Fact)                                 // told of every fact, in order; it must be quick
}

// A Plan describes a machine. Name and Address are needed; a zero duration is none.
type Plan struct {
	Name    string
	Address string // IP:PORT of its port; the first one if it moves
	Moves   bool   // each start gets the next address, same port
	App     App    // what answers there; an echo when empty

	Boot time.Duration // PENDING to RUNNING
	Late time.Duration // RUNNING to the open port
	Halt time.Duration // STOPPING to STOPPED

	StopsPending bool          // accepts a stop while PENDING
	Forwarder    bool          // something in front accepts and resets from PENDING until the application is up
	Allowance    time.Duration // how long after the last need it may run on: a cooldown
	Chance       float64       // of a fault drawn at each start that is asked for, 0 to 1
}

// A Cloud has machines. [New] makes one.
type Cloud struct {
	opts   Options
	random *rand.Rand // guarded by mu
	wg     sync.WaitGroup

	mu        sync.Mutex // guards the fields below and all of every machine
	machines  map[string]*machine
	strangers []*port
	closed    bool
}

// New returns a cloud without machines.
func New(opts Options) *Cloud {
	return &Cloud{opts: opts, random: rand.New(rand.NewPCG(opts.Seed, 0)), machines: map[string]*machine{}}
}

// Add makes a machine, which is STOPPED.
func (c *Cloud) Add(p Plan) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if p.App == "" {
		p.App = Echo
	}
	switch {
	case p.Name == "":
		return errors.New("a machine needs a name")
	case c.machines[p.Name] != nil:
		return fmt.Errorf("there is a machine %q already", p.Name)
	case !slices.Contains(apps, p.App):
		return fmt.Errorf("machine %q: there is no application %q; choose one of %v", p.Name, p.App, apps)
	case p.Chance < 0 || p.Chance > 1:
		return fmt.Errorf("machine %q: a chance is from 0 to 1, not %v", p.Name, p.Chance)
	case min(p.Boot, p.Late, p.Halt, p.Allowance) < 0:
		return fmt.Errorf("machine %q: a duration is negative", p.Name)
	}
	if _, err := nextAddress(p.Address); err != nil {
		return fmt.Errorf("machine %q: %w", p.Name, err)
	}
	m := &machine{plan: p, cloud: c, state: Stopped, address: p.Address, clients: map[net.Conn]bool{}}
	m.meter = newMeter(p.Allowance)
	c.machines[p.Name] = m
	return nil
}

// Close takes every machine's power away and waits until nothing of the cloud runs any more.
func (c *Cloud) Close() {
	c.shut()
	c.wg.Wait()
}

func (c *Cloud) shut() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	for _, m := range c.machines {
		m.powerOff("the cloud closes")
	}
	for _, s := range c.strangers {
		s.close()
	}
}

// Machines returns the names of all machines.
func (c *Cloud) Machines() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Sorted(maps.Keys(c.machines))
}

// find returns a machine. It needs mu.
func (c *Cloud) find(name string) (*machine, error) {
	if m := c.machines[name]; m != nil && !c.closed {
		return m, nil
	}
	return nil, &Refusal{Code: "InvalidInstanceID.NotFound", Text: fmt.Sprintf("there is no machine %q", name)}
}

// An API is what callers see of a cloud: each call is answered at once, and what was asked for comes about later.
type API interface {
	Start(ctx context.Context, machine, by string) error
	Stop(ctx context.Context, machine, by string) error
	Describe(ctx context.Context, machine string) (Description, error)
}

var _ API = (*Cloud)(nil)

// A Description is the answer to Describe.
type Description struct {
	Machine string `json:"machine"`
	State   State  `json:"state"`
	Address string `json:"address,omitempty"` // while PENDING or RUNNING
}

// Start asks for a machine to be started. by says who asks, for the record.
func (c *Cloud) Start(_ context.Context, name, by string) error {
	return c.ask(call{name, "start", by}, (*machine).start)
}

// Stop asks for a machine to be stopped.
func (c *Cloud) Stop(_ context.Context, name, by string) error {
	return c.ask(call{name, "stop", by}, (*machine).stop)
}

// A call is one that changes a machine.
type call struct{ machine, what, by string }

func (c *Cloud) ask(q call, do func(m *machine, by string) error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	m, err := c.find(q.machine)
	if err != nil {
		return err
	}
	m.note(q.what+" asked", q.by, string(m.state))
	if err = do(m, q.by); err != nil {
		m.meter.refusals++
		m.note(q.what+" refused", q.by, err.Error())
		return err
	}
	m.note(q.what+" accepted", q.by, string(m.state))
	return nil
}

// Describe says how a machine is.
func (c *Cloud) Describe(_ context.Context, name string) (Description, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	m, err := c.find(name)
	if err != nil {
		return Description{}, err
	}
	if m.take(Throttle) != nil {
		return Description{}, errThrottled
	}
	d := Description{Machine: name, State: m.state}
	if m.state == Pending || m.state == Running {
		d.Address = m.address
	}
	return d, nil
}

// Inject makes faults happen to a machine: those of operations at the next one, crash and its like now.
func (c *Cloud) Inject(name string, faults ...Fault) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	m, err := c.find(name)
	if err != nil {
		return err
	}
	for _, f := range faults {
		m.inject(f)
	}
	return nil
}

// Calm takes back the faults of a machine that have not happened yet, and draws none any more.
func (c *Cloud) Calm(name string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	m, err := c.find(name)
	if err == nil {
		m.faults, m.plan.Chance, m.calmed = nil, 0, true
	}
	return err
}

// A Refusal is the answer of a cloud that does not do what it was asked for.
type Refusal struct {
	Code      string `json:"code"` // as EC2 has them
	Text      string `json:"text"`
	Temporary bool   `json:"temporary"` // the same call may succeed soon
}

// Error is the code and what it means.
func (r *Refusal) Error() string { return r.Code + ": " + r.Text }

var (
	errThrottled = &Refusal{Code: "RequestLimitExceeded", Text: "too many calls", Temporary: true}
	errQuota     = &Refusal{Code: "InstanceLimitExceeded", Text: "the quota is used up"}
	errInternal  = &Refusal{Code: "InternalError", Text: "something went wrong here"}
	errStockout  = &Refusal{Code: "InsufficientInstanceCapacity", Text: "it did not come to RUNNING: no capacity", Temporary: true}
)

func errState(what string, s State) error {
	return &Refusal{Code: "IncorrectInstanceState", Text: fmt.Sprintf("a machine that is %s cannot be %s", s, what), Temporary: true}
}
