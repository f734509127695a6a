package schedule

import (
	"testing"
	"time"
)

func zone(t *testing.T, name string) *time.Location {
	t.Helper()
	z, err := time.LoadLocation(name)
	if err != nil {
		t.Skip("this machine has no time zones: ", err)
	}
	return z
}

func TestWindowsOpenAndClose(t *testing.T) {
	berlin := zone(t, "Europe/Berlin")
	office, err := New([]Window{{Cron: "0 8 * * MON-FRI", For: 10 * time.Hour, Zone: berlin}, {Cron: "0 18 * * FRI", For: 2 * time.Hour, Zone: berlin}})
	if err != nil {
		t.Fatal(err)
	}
	at := func(day, hour, minute int) time.Time { return time.Date(2026, 11, day, hour, minute, 0, 0, berlin) }
	for _, c := range []struct {
		at, until time.Time // zero: it is shut
	}{
		{at(26, 7, 59), time.Time{}}, {at(26, 8, 0), at(26, 18, 0)}, {at(26, 17, 59), at(26, 18, 0)}, {at(26, 18, 0), time.Time{}},
		{at(27, 12, 0), at(27, 20, 0)}, // two windows without a gap
		{at(28, 12, 0), time.Time{}},
	} {
		until, open := office.Open(c.at.UTC())
		if open != !c.until.IsZero() || open && !until.Equal(c.until) {
			t.Errorf("at %v: open %v until %v, want until %v", c.at, open, until, c.until)
		}
	}
	if next := office.Next(at(28, 12, 0)); !next.Equal(at(30, 8, 0)) {
		t.Errorf("opens next %v", next)
	}
	if _, open := (*Schedule)(nil).Open(at(26, 12, 0)); open {
		t.Error("no schedule is open")
	}
}

// In the night when clocks go forward 02:30 is not there, and in the one when they go back it is there twice.
func TestWindowsInTheNightsWhenClocksAreSet(t *testing.T) {
	for name, c := range map[string]struct{ spring, autumn time.Time }{
		"Europe/Berlin":    {time.Date(2026, 3, 29, 0, 0, 0, 0, time.UTC), time.Date(2026, 10, 24, 23, 0, 0, 0, time.UTC)},
		"America/New_York": {time.Date(2026, 3, 8, 5, 0, 0, 0, time.UTC), time.Date(2026, 11, 1, 4, 0, 0, 0, time.UTC)},
	} {
		z := zone(t, name)
		s, err := New([]Window{{Cron: "30 2 * * *", For: time.Hour, Zone: z}})
		if err != nil {
			t.Fatal(err)
		}
		for _, night := range []time.Time{c.spring, c.autumn} {
			open := time.Duration(0)
			for m := time.Duration(0); m < 8*time.Hour; m += time.Minute {
				if _, is := s.Open(night.Add(m)); is {
					open += time.Minute
				}
			}
			if open < time.Hour || open > 2*time.Hour {
				t.Errorf("%s, night of %v: open for %v", name, night, open)
			}
		}
	}
}

func TestWrongCrontabs(t *testing.T) {
	for _, text := range []string{"", "* * * *", "* * * * * *", "@daily", "TZ=0 * * * *", "CRON_TZ=UTC * * * * *", "60 * * * *", "* 24 * * *", "0 0 31 2 *", "a b c d e", "0 0 * * FUN"} {
		if Check(text) == nil {
			t.Errorf("%q is taken", text)
		}
	}
	if err := Check("*/15 8-18 1,15 JAN-MAR MON"); err != nil {
		t.Error(err)
	}
}
