package gate

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"
)

// BudgetOptions bound what may be spent on one target. Zero fields bound nothing.
type BudgetOptions struct {
	Target                      string
	StartsPerHour, StartsPerDay int           // in any hour, in any 24 hours
	HoursPerDay, HoursPerMonth  time.Duration // awake in a calendar day and month of this machine
	MoneyPerDay                 float64       // in a calendar day, at the prices below
	PricePerHour, PricePerStart float64
	Ledgers                     Ledgers // nil: nothing is kept
	Logger                      *slog.Logger
}

// Ledgers keep what was spent, over crashes. A [state.Dir] does it with notes.
type Ledgers interface {
	LoadNote(target, kind string, value any) (found bool, err error)
	SaveNote(target, kind string, value any) error
}

// LedgerKind is under which kind it is kept.
const LedgerKind = "budget"

const (
	mostStarts = 1000        // that are remembered
	saveBeat   = time.Minute // at most so much of the time awake is lost by a crash
)

// A ledger is what was spent. Times are of the wall clock: they outlive a boot of this machine.
type ledger struct {
	Starts []time.Time   `json:"starts"`        // of the last 24 hours, in order
	Begun  time.Time     `json:"begun"`         // the calendar day of what follows
	Paid   int           `json:"paid"`          // starts of that day
	Day    time.Duration `json:"day"`           // awake on that day
	Month  time.Duration `json:"month"`         // awake in its month
	Up     bool          `json:"up"`            // it may run
	Seen   time.Time     `json:"seen,omitzero"` // until when it is counted
}

// A Budget counts starts and the time awake of one target, and says when too much has been spent. Each limit heals by itself: in
// an hour or a day after the starts, at midnight, at the month's end. It bounds wakes; it never stops a target under a client.
type Budget struct {
	target  string
	ledgers Ledgers
	logger  *slog.Logger

	mu    sync.Mutex // guards the fields below
	opts  BudgetOptions
	spent ledger
	last  time.Time // until when a rouse before this one has seen it awake, while nothing is known since; else zero

	saving sync.Mutex // one Save at a time, so that the newest stays
}

// NewBudget returns the budget of a target, with what was spent before. What was kept and cannot be read counts as an hour's
// starts that have just been spent: neither for nothing nor for ever.
func NewBudget(opts BudgetOptions) *Budget {
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	b := &Budget{target: opts.Target, ledgers: opts.Ledgers, logger: opts.Logger, opts: opts}
	if opts.Ledgers == nil {
		return b
	}
	var kept ledger
	if _, err := opts.Ledgers.LoadNote(opts.Target, LedgerKind, &kept); err != nil {
		opts.Logger.Error("what was spent of the budget is lost, and the starts of an hour count as spent", "target", opts.Target, "err", err)
		for range max(opts.StartsPerHour, min(opts.StartsPerDay, 1)) {
			kept.Starts = append(kept.Starts, time.Now().Round(0))
		}
	}
	if kept.Up {
		b.last, kept.Up = kept.Seen, false // the first Awake says whether it still is
	}
	b.spent = kept
	return b
}

// Limit replaces the limits and prices. What was spent stays.
func (b *Budget) Limit(opts BudgetOptions) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.opts = opts
}

// Spent says why the target may not be started now, and until when. Nil: it may.
func (b *Budget) Spent(now time.Time) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.spent.count(now)
	o, s := b.opts, &b.spent
	day, month := midnight(now), monthEnd(now)
	money := s.Day.Hours()*o.PricePerHour + float64(s.Paid)*o.PricePerStart
	switch {
	case o.StartsPerHour > 0 && s.since(now.Add(-time.Hour)) >= o.StartsPerHour:
		return overspent(fmt.Sprintf("%s an hour", starts(o.StartsPerHour)), s.free(o.StartsPerHour, time.Hour), now)
	case o.StartsPerDay > 0 && s.since(now.Add(-24*time.Hour)) >= o.StartsPerDay:
		return overspent(fmt.Sprintf("%s a day", starts(o.StartsPerDay)), s.free(o.StartsPerDay, 24*time.Hour), now)
	case o.HoursPerDay > 0 && s.Day >= o.HoursPerDay:
		return overspent(fmt.Sprintf("%v awake a day", o.HoursPerDay), day, now)
	case o.HoursPerMonth > 0 && s.Month >= o.HoursPerMonth:
		return overspent(fmt.Sprintf("%v awake a month", o.HoursPerMonth), month, now)
	case o.MoneyPerDay > 0 && money >= o.MoneyPerDay:
		return overspent(fmt.Sprintf("%.2f a day", o.MoneyPerDay), day, now)
	}
	return nil
}

func starts(n int) string {
	if n == 1 {
		return "1 start"
	}
	return fmt.Sprintf("%d starts", n)
}

// overspent is one sentence about a limit, and when it heals.
func overspent(limit string, free, now time.Time) error {
	when := free.Format("15:04")
	if free.Sub(now) >= 24*time.Hour || free.Day() != now.Day() {
		when = free.Format("Jan 2, 15:04")
	}
	return &Refusal{Spending, "the budget of " + limit + " is spent; it wakes again from " + when}
}

// Begun counts a start.
func (b *Budget) Begun(now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.spent.count(now)
	b.spent.Paid++
	b.spent.Starts = append(b.spent.Starts, now.Round(0))
	if over := len(b.spent.Starts) - mostStarts; over > 0 {
		b.spent.Starts = slices.Delete(b.spent.Starts, 0, over)
	}
}

// Awake says whether the target may run from now on.
func (b *Budget) Awake(up bool, now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if up && !b.last.IsZero() {
		b.spent.Seen, b.spent.Up = b.last, true // it went on while no rouse was there
	}
	b.last = time.Time{}
	b.spent.count(now)
	b.spent.Up = up
}

// Save writes to disk what has been spent.
func (b *Budget) Save() error {
	if b.ledgers == nil {
		return nil
	}
	b.saving.Lock()
	defer b.saving.Unlock()
	b.mu.Lock()
	spent := b.spent
	spent.Starts = slices.Clone(spent.Starts)
	b.mu.Unlock()
	return b.ledgers.SaveNote(b.target, LedgerKind, spent)
}

// Keep saves now and then what is spent while the target is awake, until done is closed, and then once more.
func (b *Budget) Keep(done <-chan struct{}) {
	beat := time.NewTicker(saveBeat)
	defer beat.Stop()
	var last error
	was := false
	for ended := false; !ended; {
		select {
		case <-beat.C:
		case <-done:
			ended = true
		}
		b.mu.Lock()
		b.spent.count(time.Now())
		up := b.spent.Up
		b.mu.Unlock()
		if !up && !was && !ended {
			continue
		}
		was = up
		err := b.Save()
		if err != nil && (last == nil || last.Error() != err.Error()) {
			b.logger.Error("the budget is not saved", "target", b.target, "err", err)
		}
		last = err
	}
}

// count brings the ledger to the present. A clock that was set back makes nothing last longer than its limit does.
func (s *ledger) count(now time.Time) {
	now = now.Round(0)
	from := s.Seen
	if from.IsZero() || from.After(now) {
		from = now
	}
	begin := dayOf(now)
	if month := time.Date(now.Year(), now.Month(), 1, 0, 0, 0, 0, now.Location()); s.Begun.Before(month) || s.Begun.After(now) {
		s.Month = 0
		if s.Up {
			s.Month = now.Sub(later(from, month)) - now.Sub(later(from, begin))
		}
	} else if s.Up && from.Before(begin) {
		s.Month += begin.Sub(from)
	}
	if !s.Begun.Equal(begin) {
		s.Begun, s.Day, s.Paid = begin, 0, 0
	}
	if s.Up {
		since := now.Sub(later(from, begin))
		s.Day, s.Month = s.Day+since, s.Month+since
	}
	s.Seen = now
	s.forget(now)
}

// forget drops starts that count for nothing any more. One that seems to come is taken for one of now: it heals.
func (s *ledger) forget(now time.Time) {
	for i, t := range s.Starts {
		if t.After(now) {
			s.Starts[i] = now
		}
	}
	s.Starts = slices.DeleteFunc(s.Starts, func(t time.Time) bool { return now.Sub(t) >= 24*time.Hour })
}

// since is how many starts are younger than a time.
func (s *ledger) since(t time.Time) int {
	n := 0
	for _, start := range s.Starts {
		if start.After(t) {
			n++
		}
	}
	return n
}

// free is when the oldest of the newest so many starts is as old as a time.
func (s *ledger) free(limit int, within time.Duration) time.Time {
	return s.Starts[len(s.Starts)-limit].Add(within)
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// dayOf is when the calendar day of t began.
func dayOf(t time.Time) time.Time {
	return time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, 0, t.Location())
}

// midnight is when it ends.
func midnight(t time.Time) time.Time {
	return time.Date(t.Year(), t.Month(), t.Day()+1, 0, 0, 0, 0, t.Location())
}

func monthEnd(t time.Time) time.Time {
	return time.Date(t.Year(), t.Month()+1, 1, 0, 0, 0, 0, t.Location())
}

// IsRefusal says whether an error is that of a gate.
func IsRefusal(err error) bool {
	_, ok := errors.AsType[*Refusal](err)
	return ok
}
