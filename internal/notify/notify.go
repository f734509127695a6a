// Package notify tells people what they have to look at, or want to know. Nothing waits for it: what it is told is put in queues, and
// delivered by goroutines of its own, again and again for an hour if need be.
package notify

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/rouse-proxy/rouse/internal/event"
)

// The groups of what people can be told of.
const (
	Failures   = "failures"
	Recovered  = "recovered"
	Budget     = "budget"
	CrashLoop  = "crash-loop"
	Wakes      = "wakes"
	Stops      = "stops"
	Refusals   = "refusals"
	NeverStops = "never-stops" // it is awake for a day, and nobody has used it
)

// Quiet are the groups that are told if nothing else is said: somebody has to look, or need not any more.
var Quiet = []string{Failures, Recovered, Budget, CrashLoop}

// Groups are all of them.
var Groups = append(slices.Clone(Quiet), Wakes, Stops, Refusals, NeverStops)

// A Channel is a way by which people are told.
type Channel struct {
	Name    string        // for the log
	URL     string        // a secret
	Key     string        // signs what is sent to a webhook; a secret
	Groups  []string      // empty: Quiet
	Targets []string      // empty: all
	Pause   time.Duration // the least between two messages on the same thing, what comes meanwhile being put together; 0: a minute
}

// Options say who is told.
type Options struct {
	Channels []Channel
	Host     string // the name of this machine
	Logger   *slog.Logger
	Client   *http.Client // nil: one of its own

	// For tests.
	tls   *tls.Config   // of mail
	first time.Duration // the first pause between two attempts
}

// A Message is what a person is told. As JSON it is the body of a webhook.
type Message struct {
	ID     string    `json:"id"` // the same at each attempt
	At     time.Time `json:"at"`
	Kind   string    `json:"kind"`   // the group
	Target string    `json:"target"` // empty: it is about rouse itself
	Host   string    `json:"host"`
	Title  string    `json:"title"`
	Text   string    `json:"text"`
	Cause  string    `json:"cause"` // why rouse did what it did
	Error  string    `json:"error"`
	From   string    `json:"from"` // the states, of a change of state
	To     string    `json:"to"`
	Count  int       `json:"count"` // how many have been put together to this one
}

// A sender delivers one message. It ends soon after ctx does.
type sender interface {
	send(ctx context.Context, m Message) error
}

// channel is a Channel with what waits for it.
type channel struct {
	Channel
	sender sender
	veil   *strings.Replacer
	queue  queue
	down   bool // the last attempt has failed; only its goroutine looks at it
}

func (c *channel) wants(m Message) bool {
	if !slices.Contains(c.Groups, m.Kind) {
		return false
	}
	return m.Target == "" || len(c.Targets) == 0 || slices.Contains(c.Targets, m.Target)
}

// A Notifier tells people.
type Notifier struct {
	opts     Options
	channels []*channel
	wanted   map[string]bool // groups that anybody wants
	client   *http.Client

	mu  sync.Mutex // guards the judge
	ear judge
}

// New returns a notifier. An error names the channel, and shows nothing of its URL or key.
func New(o Options) (*Notifier, error) {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.first == 0 {
		o.first = firstPause
	}
	n := &Notifier{opts: o, wanted: map[string]bool{}, client: newClient(o.Client), ear: newJudge()}
	for _, c := range o.Channels {
		s, err := outlet{n.client, o.tls}.open(c)
		if err != nil {
			return nil, fmt.Errorf("notification %q: %w", c.Name, err)
		}
		if len(c.Groups) == 0 {
			c.Groups = Quiet
		}
		for _, g := range c.Groups {
			if !slices.Contains(Groups, g) {
				return nil, fmt.Errorf("notification %q: nobody can be told of %q: write some of %s", c.Name, g, strings.Join(Groups, ", "))
			}
			n.wanted[g] = true
		}
		if c.Pause <= 0 {
			c.Pause = usualPause
		}
		n.channels = append(n.channels, &channel{Channel: c, sender: s, veil: veilOf(c), queue: newQueue(c.Pause)})
	}
	return n, nil
}

// Check says what is wrong with the URL of a channel, and shows nothing of it.
func Check(c Channel) error {
	_, err := outlet{http.DefaultClient, nil}.open(c)
	return err
}

// newClient is one that follows no redirect: a message goes where its owner wants it, and nowhere else.
func newClient(c *http.Client) *http.Client {
	own := http.Client{}
	if c != nil {
		own = *c
	} else if usual, ok := http.DefaultTransport.(*http.Transport); ok {
		t := usual.Clone()
		t.MaxResponseHeaderBytes = mostRead
		own.Transport = t
	}
	own.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &own
}

// Sink takes an event. It waits for nobody.
func (n *Notifier) Sink(e event.Event) {
	if e.Time.IsZero() {
		e.Time = time.Now()
	}
	n.mu.Lock()
	m := n.ear.hear(e, n.wanted)
	n.mu.Unlock()
	n.tell(m)
}

// tell queues a message for everybody who wants it.
func (n *Notifier) tell(m Message) {
	if m.Kind == "" {
		return
	}
	m.Host = n.opts.Host
	for _, c := range n.channels {
		if c.wants(m) {
			c.queue.put(m, time.Now())
		}
	}
}

// Run delivers until ctx ends, and then for at most a few seconds what is left.
func (n *Notifier) Run(ctx context.Context) {
	attempts, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	defer n.client.CloseIdleConnections()
	var wg sync.WaitGroup
	for _, c := range n.channels {
		wg.Go(func() { n.deliver(ctx, attempts, c) })
	}
	if n.wanted[NeverStops] {
		wg.Go(func() { n.watch(ctx) })
	}
	if len(n.channels) > 0 {
		<-ctx.Done()
	}
	end := time.AfterFunc(lastTime, cancel)
	defer end.Stop()
	wg.Wait()
}

// watch tells now and then of who never stops: no event says so.
func (n *Notifier) watch(ctx context.Context) {
	beat := time.NewTicker(watchBeat)
	defer beat.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-beat.C:
		}
		n.mu.Lock()
		found := n.ear.idlers(time.Now())
		n.mu.Unlock()
		for _, m := range found {
			n.tell(m)
		}
	}
}

// errFault is what becomes of an attempt that a fault of a sender has ended.
var errFault = errors.New("a fault of rouse itself")
