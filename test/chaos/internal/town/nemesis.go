//go:build linux

package town

import (
	"context"
	"fmt"
	"time"
)

// A nemesis is one way to break things, and to heal them again.
type nemesis struct {
	name        string
	group       string // two of one group are never at work at once
	tool        tool   // that it cannot do without
	least, most time.Duration
	excused     bool // the machine may run on meanwhile for nobody, since nobody could know better or do anything
	mild        bool // no client may lose anything by it
	ghosts      bool // may leave the machine with a connection that rouse has long given up
	status      bool // nobody can know of it without a status hook
	begin       func(ctx context.Context, t *Town, a Act) (heal func() error, err error)
}

// nemeses are all, by name; the order of Nemeses is that of the table.
var (
	nemeses = map[string]nemesis{}
	order   []string
)

func init() {
	for _, n := range [][]nemesis{processNemeses(), networkNemeses(), resourceNemeses(), cloudNemeses()} {
		for _, one := range n {
			if one.group == "" {
				one.group = one.name
			}
			nemeses[one.name] = one
			order = append(order, one.name)
		}
	}
}

// Nemeses returns the names of all nemeses.
func Nemeses() []string { return order }

// run does one act, from its begin to its heal.
func (t *Town) run(ctx context.Context, a Act) error {
	if !sleep(ctx, time.Until(t.began.Add(a.At))) {
		return nil
	}
	n := nemeses[a.Nemesis]
	if n.excused {
		defer t.cloud.needNow(a.Nemesis)()
	}
	t.tell("begin " + a.Nemesis)
	heal, err := n.begin(ctx, t, a)
	if err != nil {
		return fmt.Errorf("nemesis %s: %w", a.Nemesis, err)
	}
	sleep(ctx, a.For)
	if heal != nil {
		if err := heal(); err != nil {
			return fmt.Errorf("healing %s: %w", a.Nemesis, err)
		}
	}
	t.tell("healed " + a.Nemesis)
	return nil
}

// sleep waits, and says whether ctx let it.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
