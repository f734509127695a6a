package gate

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// shelf keeps ledgers as a disk does.
type shelf struct {
	text []byte
	err  error
}

func (s *shelf) SaveNote(_, _ string, v any) (err error) { s.text, err = json.Marshal(v); return err }
func (s *shelf) LoadNote(_, _ string, v any) (bool, error) {
	if s.err != nil || s.text == nil {
		return false, s.err
	}
	return true, json.Unmarshal(s.text, v)
}

// In any hour and any day there are at most as many starts as the budget has, whatever happens, crashes and a clock that jumps
// included; and whoever waits long enough may start again.
func TestNoMoreStartsThanTheBudgetHas(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := &shelf{}
		opts := BudgetOptions{StartsPerHour: rapid.IntRange(0, 4).Draw(t, "hour"), StartsPerDay: rapid.IntRange(0, 9).Draw(t, "day"), Ledgers: s}
		b := NewBudget(opts)
		now := time.Date(2026, 3, 28, 22, 0, 0, 0, time.UTC)
		var begun []time.Time
		for range rapid.IntRange(1, 80).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.IntRange(0, 40).Draw(t, "minutes")) * time.Minute)
			if rapid.Bool().Draw(t, "crash") {
				b = NewBudget(opts)
			}
			if b.Spent(now) != nil {
				continue
			}
			b.Begun(now)
			if err := b.Save(); err != nil {
				t.Fatal(err)
			}
			begun = append(begun, now)
			hour, day := 0, 0
			for _, at := range begun {
				if now.Sub(at) < time.Hour {
					hour++
				}
				if now.Sub(at) < 24*time.Hour {
					day++
				}
			}
			if opts.StartsPerHour > 0 && hour > opts.StartsPerHour || opts.StartsPerDay > 0 && day > opts.StartsPerDay {
				t.Fatalf("%d starts in an hour and %d in a day", hour, day)
			}
		}
		back := now.Add(-time.Duration(rapid.IntRange(0, 1000).Draw(t, "back")) * time.Hour)
		_ = b.Spent(back)
		if err := b.Spent(back.Add(24 * time.Hour)); err != nil {
			t.Fatalf("the budget never heals: %v", err)
		}
	})
}

func TestTimeAwakeIsCountedByDayAndMonth(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Skip("this machine has no time zones: ", err)
	}
	s := &shelf{}
	opts := BudgetOptions{HoursPerDay: 10 * time.Hour, HoursPerMonth: 40 * time.Hour, Ledgers: s}
	b := NewBudget(opts)
	at := func(day, hour int) time.Time { return time.Date(2026, 10, day, hour, 0, 0, 0, berlin) }
	b.Awake(true, at(24, 20))
	if err := b.Spent(at(24, 23)); err != nil {
		t.Errorf("after 3 hours: %v", err)
	}
	if err := b.Spent(at(25, 8)); err != nil { // the clocks go back in that night: 9 hours since midnight
		t.Errorf("after 9 hours of the next day: %v", err)
	}
	if err := b.Spent(at(25, 9)); err == nil || !strings.Contains(err.Error(), "10h0m0s awake a day is spent; it wakes again from Oct 26, 00:00") {
		t.Errorf("after 10 hours: %v", err)
	}
	b.Awake(false, at(25, 9))
	if err := b.Spent(at(26, 0)); err != nil {
		t.Errorf("on the next day: %v", err)
	}
	for day := 26; day <= 28; day++ {
		b.Awake(true, at(day, 1))
		b.Awake(false, at(day, 10))
	}
	// 4+10+27 hours
	if err := b.Spent(at(29, 1)); err == nil || !strings.Contains(err.Error(), "a month") {
		t.Errorf("after 41 hours: %v", err)
	}
	if err := b.Save(); err != nil {
		t.Fatal(err)
	}
	if err := b.Spent(time.Date(2026, 11, 1, 0, 0, 0, 0, berlin)); err != nil {
		t.Errorf("in the next month: %v", err)
	}
}

func TestMoneyIsCounted(t *testing.T) {
	b := NewBudget(BudgetOptions{MoneyPerDay: 5, PricePerHour: 2, PricePerStart: 0.5})
	noon := time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)
	for range 2 {
		b.Begun(noon)
	}
	b.Awake(true, noon)
	if err := b.Spent(noon.Add(110 * time.Minute)); err != nil {
		t.Errorf("1.00 and 3.67: %v", err)
	}
	if err := b.Spent(noon.Add(121 * time.Minute)); err == nil || !strings.Contains(err.Error(), "5.00 a day") {
		t.Errorf("1.00 and 4.03: %v", err)
	}
}

func TestALostLedgerCostsAnHour(t *testing.T) {
	b := NewBudget(BudgetOptions{StartsPerHour: 2, StartsPerDay: 100, Ledgers: &shelf{err: errors.New("damaged")}})
	if err := b.Spent(time.Now()); err == nil {
		t.Error("a ledger that is lost gives a new budget")
	}
	if err := b.Spent(time.Now().Add(time.Hour + time.Second)); err != nil {
		t.Errorf("an hour later: %v", err)
	}
}

// What the ledger says of a target that was awake counts until its state is known: one that runs has run on, one that does not is
// not counted for the time in which no rouse was there.
func TestTheTimeWithoutARouseCountsIfTheTargetRan(t *testing.T) {
	noon := time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)
	for _, ran := range []bool{true, false} {
		s := &shelf{}
		opts := BudgetOptions{HoursPerDay: 2 * time.Hour, Ledgers: s}
		b := NewBudget(opts)
		b.Begun(noon)
		b.Awake(true, noon)
		if err := b.Save(); err != nil {
			t.Fatal(err)
		}
		b = NewBudget(opts) // after a kill -9
		later := noon.Add(3 * time.Hour)
		_ = b.Spent(later)
		b.Awake(ran, later)
		if err := b.Spent(later); (err != nil) != ran {
			t.Errorf("it ran: %v; the budget of 2 hours a day: %v", ran, err)
		}
	}
}
