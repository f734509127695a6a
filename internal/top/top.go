// Package top is a full screen of a terminal that shows the targets of a running rouse, live.
package top

import (
	"context"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/rouse-proxy/rouse/internal/admin"
	"github.com/rouse-proxy/rouse/internal/history"
)

// A Rouse is one that runs, as far as the screen asks and steers it.
type Rouse interface {
	Status(ctx context.Context) (admin.Status, error)
	Why(ctx context.Context, name string) (admin.Why, error)
	Steerer
}

// A Steerer does what keys ask for.
type Steerer interface {
	Wake(ctx context.Context, name string) error
	Stop(ctx context.Context, name string, force bool) error
	Holder
}

// A Holder keeps targets awake.
type Holder interface {
	Hold(ctx context.Context, name string, h admin.Hold) error
	Release(ctx context.Context, name string) (int, error)
}

const (
	beat     = 500 * time.Millisecond
	mostSeen = 200 // facts that are kept
	sparks   = 16  // columns of a line of throughput
)

// messages of the screen to itself.
type (
	tick   time.Time
	told   struct{ status admin.Status }
	lost   struct{ err error }
	done   struct{ text string }
	reason struct{ text string }
	fact   history.Fact
)

// A Screen is the model.
type Screen struct {
	rouse         Rouse
	ctx           context.Context
	status        admin.Status
	rates         map[string][]float64 // bytes a second, the newest last
	facts         []history.Fact
	selected      int
	width, height int
	trouble       string
	said          string // what came of the newest key
	why           string // shown over all, if any
}

var _ tea.Model = (*Screen)(nil)

// New returns a screen that ends with ctx.
func New(ctx context.Context, r Rouse) *Screen {
	return &Screen{ctx: ctx, rouse: r, rates: map[string][]float64{}, width: 80, height: 24}
}

// Run shows the screen until its user or ctx ends it. events calls with what happens.
func Run(ctx context.Context, r Rouse, events func(func(history.Fact) error) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	p := tea.NewProgram(New(ctx, r), tea.WithContext(ctx))
	go func() {
		_ = events(func(f history.Fact) error { // the table tells that rouse is away
			p.Send(fact(f))
			return ctx.Err()
		})
	}()
	_, err := p.Run()
	if ctx.Err() != nil {
		return nil // it was told to end
	}
	return err
}

// Init asks for the first time.
func (s *Screen) Init() tea.Cmd { return s.ask }

func (s *Screen) ask() tea.Msg {
	st, err := s.rouse.Status(s.ctx)
	if err != nil {
		return lost{err}
	}
	return told{st}
}

func wait() tea.Cmd { return tea.Tick(beat, func(t time.Time) tea.Msg { return tick(t) }) }

// Update takes a message.
func (s *Screen) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	switch m := msg.(type) {
	case tea.WindowSizeMsg:
		s.width, s.height = m.Width, m.Height
	case tea.KeyPressMsg:
		return s, s.key(m.String())
	case tick:
		return s, s.ask
	case told:
		s.trouble = ""
		s.take(m.status)
		return s, wait()
	case lost:
		s.trouble = m.err.Error()
		return s, wait()
	case done:
		s.said = m.text
	case reason:
		s.why = m.text
	case fact:
		s.facts = append(s.facts, history.Fact(m))
		s.facts = s.facts[max(len(s.facts)-mostSeen, 0):]
	}
	return s, nil
}

// take follows the throughput.
func (s *Screen) take(st admin.Status) {
	seconds := st.Now.Sub(s.status.Now).Seconds()
	known := map[string]admin.Target{}
	for _, t := range s.status.Targets {
		known[t.Name] = t
	}
	for _, t := range st.Targets {
		old, was := known[t.Name]
		if !was || seconds <= 0 {
			continue
		}
		rate := max(float64(t.Sent+t.Received-old.Sent-old.Received)/seconds, 0)
		all := append(s.rates[t.Name], rate)
		s.rates[t.Name] = all[max(len(all)-sparks, 0):]
	}
	s.status = st
	s.selected = min(s.selected, max(len(st.Targets)-1, 0))
}

// key does what a key asks for.
func (s *Screen) key(k string) tea.Cmd {
	if s.why != "" {
		s.why = ""
		return nil
	}
	switch k {
	case "q", "esc", "ctrl+c":
		return tea.Quit
	case "up", "k":
		s.selected = max(s.selected-1, 0)
	case "down", "j":
		s.selected = min(s.selected+1, max(len(s.status.Targets)-1, 0))
	case "w":
		return s.steer("waking", func(name string) error { return s.rouse.Wake(s.ctx, name) })
	case "s":
		return s.steer("stopping", func(name string) error { return s.rouse.Stop(s.ctx, name, false) })
	case "h":
		return s.steer("held for an hour:", func(name string) error { return s.rouse.Hold(s.ctx, name, admin.Hold{For: 3600, Why: "rouse top"}) })
	case "r":
		return s.steer("released", func(name string) error { _, err := s.rouse.Release(s.ctx, name); return err })
	case "y", "enter":
		return s.explain()
	}
	return nil
}

// chosen is the target of the selected row.
func (s *Screen) chosen() string {
	if s.selected >= len(s.status.Targets) {
		return ""
	}
	return s.status.Targets[s.selected].Name
}

func (s *Screen) steer(what string, do func(name string) error) tea.Cmd {
	name := s.chosen()
	if name == "" {
		return nil
	}
	return func() tea.Msg {
		if err := do(name); err != nil {
			return done{err.Error()}
		}
		return done{what + " " + name}
	}
}

func (s *Screen) explain() tea.Cmd {
	name := s.chosen()
	if name == "" {
		return nil
	}
	return func() tea.Msg {
		w, err := s.rouse.Why(s.ctx, name)
		if err != nil {
			return done{err.Error()}
		}
		return reason{w.Text}
	}
}
