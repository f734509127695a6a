// Package notify tells people what they have to look at, or want to know. Nothing waits for it: what it is told is put in a queue, and
// delivered by goroutines of its own, again and again for an hour if need be.
package notify

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/rouse-proxy/rouse/internal/event"
	"github.com/rouse-proxy/rouse/internal/gate"
)

// The groups of what people can be told of.
const (
	Failures  = "failures"
	Recovered = "recovered"
	Budget    = "budget"
	CrashLoop = "crash-loop"
	Wakes     = "wakes"
	Stops     = "stops"
	Refusals  = "refusals"
)

// Quiet are the groups that are told if nothing else is said: somebody has to look, or need not any more.
var Quiet = []string{Failures, Recovered, Budget, CrashLoop}

// hush is for how long nothing more is told of a group and a target after a message.
var hush = map[string]time.Duration{Failures: 6 * time.Hour, Budget: 12 * time.Hour, CrashLoop: time.Hour, Refusals: 10 * time.Minute}

const (
	mostQueued = 100
	giveUp     = time.Hour
	firstPause = time.Second
	longPause  = 5 * time.Minute
	sendTime   = 15 * time.Second
	lastTime   = 5 * time.Second // that deliveries have at the end of rouse
)

// A Channel is a way by which people are told.
type Channel struct {
	Name    string   // for the log
	URL     string   // a secret
	Key     string   // signs what is sent to a webhook; a secret
	Groups  []string // empty: Quiet
	Targets []string // empty: all
}

// Options say who is told. Client is for tests.
type Options struct {
	Channels []Channel
	Host     string // the name of this machine
	Logger   *slog.Logger
	Client   *http.Client
}

// A Message is what a person is told. As JSON it is the body of a webhook.
type Message struct {
	ID     string    `json:"id"` // the same at each attempt
	At     time.Time `json:"at"`
	Kind   string    `json:"kind"` // the group
	Target string    `json:"target"`
	Host   string    `json:"host"`
	Title  string    `json:"title"`
	Text   string    `json:"text"`
}

// A sender delivers one message.
type sender interface {
	send(ctx context.Context, m Message) error
}

// channel is a Channel with its queue.
type channel struct {
	Channel
	sender sender
	queue  chan Message
	mu     sync.Mutex
	lost   int
}

// A Notifier tells people.
type Notifier struct {
	opts     Options
	channels []*channel

	mu      sync.Mutex // guards the fields below
	told    map[[2]string]time.Time
	failing map[string]string // by target: which operation has failed
}

// New returns a notifier. An error names the channel, and shows nothing of its URL.
func New(o Options) (*Notifier, error) {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Client == nil {
		o.Client = &http.Client{}
	}
	client := *o.Client
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	n := &Notifier{opts: o, told: map[[2]string]time.Time{}, failing: map[string]string{}}
	for _, c := range o.Channels {
		s, err := parse(c, &client)
		if err != nil {
			return nil, fmt.Errorf("notification %q: %w", c.Name, err)
		}
		if len(c.Groups) == 0 {
			c.Groups = Quiet
		}
		n.channels = append(n.channels, &channel{Channel: c, sender: s, queue: make(chan Message, mostQueued)})
	}
	return n, nil
}

// Sink takes an event.
func (n *Notifier) Sink(e event.Event) {
	group, title, text := n.judge(e)
	if group == "" {
		return
	}
	m := Message{ID: rand.Text(), At: e.Time, Kind: group, Target: e.Target, Host: n.opts.Host, Title: title, Text: text}
	for _, c := range n.channels {
		if !slices.Contains(c.Groups, group) || len(c.Targets) > 0 && !slices.Contains(c.Targets, e.Target) {
			continue
		}
		select {
		case c.queue <- m:
		default:
			c.mu.Lock()
			c.lost++
			c.mu.Unlock()
		}
	}
}

// judge says what people are told of an event; no group: nothing.
func (n *Notifier) judge(e event.Event) (group, title, text string) {
	group, title, text = n.classify(e)
	quiet, limited := hush[group]
	if !limited {
		return group, title, text
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	key := [2]string{group, e.Target}
	if last, told := n.told[key]; told && e.Time.Sub(last) < quiet {
		return "", "", ""
	}
	n.told[key] = e.Time
	return group, title, text
}

func (n *Notifier) classify(e event.Event) (group, title, text string) {
	switch e.Kind {
	case event.OperationEnded:
		return n.ended(e)
	case event.CrashLooping:
		return CrashLoop, e.Target + " dies too often", e.Err.Error()
	case event.OperationBegun:
		if e.Operation == "start" {
			return Wakes, e.Target + " is being woken", "Because of: " + e.Cause
		}
	case event.StateChanged:
		if e.To == "stopped" && e.From == "stopping" {
			return Stops, e.Target + " is asleep", "It was stopped."
		}
	case event.ClientRefused:
		r, ok := errors.AsType[*gate.Refusal](e.Err)
		switch {
		case ok && r.Gate == gate.Spending:
			return Budget, "the budget of " + e.Target + " is spent", r.Text
		case e.Err != nil:
			return Refusals, "a client of " + e.Target + " was refused", e.Client + ": " + e.Err.Error()
		}
	}
	return "", "", ""
}

// ended follows failures: the first is told, and that it is over.
func (n *Notifier) ended(e event.Event) (group, title, text string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	verb := map[string]string{"start": "started", "stop": "stopped"}[e.Operation]
	switch {
	case verb == "":
		return "", "", ""
	case e.Err != nil:
		n.failing[e.Target] = e.Operation
		return Failures, fmt.Sprintf("%s could not be %s", e.Target, verb), e.Err.Error()
	case n.failing[e.Target] == e.Operation:
		delete(n.failing, e.Target)
		delete(n.told, [2]string{Failures, e.Target})
		return Recovered, fmt.Sprintf("%s was %s", e.Target, verb), "It had failed before."
	}
	return "", "", ""
}

// Run delivers until ctx ends, and then for a few seconds what is left.
func (n *Notifier) Run(ctx context.Context) {
	var wg sync.WaitGroup
	for _, c := range n.channels {
		wg.Go(func() { n.deliver(ctx, c) })
	}
	wg.Wait()
}

func (n *Notifier) deliver(ctx context.Context, c *channel) {
	for {
		select {
		case m := <-c.queue:
			n.try(ctx, c, m)
		case <-ctx.Done():
			n.rest(c)
			return
		}
	}
}

// rest delivers what is left, once each.
func (n *Notifier) rest(c *channel) {
	ctx, cancel := context.WithTimeout(context.Background(), lastTime)
	defer cancel()
	for {
		select {
		case m := <-c.queue:
			if err := c.sender.send(ctx, m); err != nil {
				n.opts.Logger.Warn("a notification was not delivered before the end", "notification", c.Name, "title", m.Title, "err", plain(err))
			}
		default:
			return
		}
	}
}

// try delivers a message, again and again.
func (n *Notifier) try(ctx context.Context, c *channel, m Message) {
	c.mu.Lock()
	lost := c.lost
	c.lost = 0
	c.mu.Unlock()
	if lost > 0 {
		n.opts.Logger.Warn("notifications were lost: too many wait", "notification", c.Name, "lost", lost)
	}
	pause := backoff.NewExponentialBackOff()
	pause.InitialInterval, pause.MaxInterval = firstPause, longPause
	first := true
	_, err := backoff.Retry(ctx, func() (struct{}, error) {
		once, cancel := context.WithTimeout(ctx, sendTime)
		defer cancel()
		err := c.sender.send(once, m)
		if err != nil && first {
			first = false
			n.opts.Logger.Warn("a notification could not be delivered, and will be tried again for an hour unless it is refused for good",
				"notification", c.Name, "title", m.Title, "err", plain(err))
		}
		return struct{}{}, err
	}, backoff.WithBackOff(pause), backoff.WithMaxElapsedTime(giveUp))
	switch {
	case err == nil:
		n.opts.Logger.Debug("told", "notification", c.Name, "title", m.Title)
	case ctx.Err() == nil:
		n.opts.Logger.Error("a notification was not delivered: look at its URL and at whoever answers there", "notification", c.Name, "title", m.Title, "err", plain(err))
	}
}
