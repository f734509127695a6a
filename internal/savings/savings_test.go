package savings

import (
	"math"
	"testing"
	"time"
)

func at(s string) time.Time {
	t, err := time.ParseInLocation("2006-01-02 15:04", s, berlin)
	if err != nil {
		panic(err)
	}
	return t
}

var berlin = time.FixedZone("there", 3600)

func record() Record {
	return Record{
		Target: "web",
		Intervals: []Interval{
			{"stopped", at("2026-03-01 12:00"), at("2026-03-01 23:00")},
			{"starting", at("2026-03-01 23:00"), at("2026-03-01 23:30")},
			{"ready", at("2026-03-01 23:30"), at("2026-03-02 01:00")},
			{"stopping", at("2026-03-02 01:00"), at("2026-03-02 01:30")},
			{"failed", at("2026-03-02 01:30"), at("2026-03-02 12:00")},
		},
		Waits:  Waits{Count: 2, Total: time.Hour, Longest: 30 * time.Minute, Starts: 1, StartsOn: []time.Time{at("2026-03-01 23:00")}},
		Prices: Prices{PerHour: 2, StoppedPerHour: 0.5, PerStart: 3, WaitingPerHour: 10, Currency: "EUR", Watts: 100, StoppedWatts: 10},
	}
}

func near(t *testing.T, what string, got *float64, want float64) {
	t.Helper()
	if got == nil || math.Abs(*got-want) > 1e-9 {
		t.Errorf("%s: %v, want %v", what, got, want)
	}
}

func TestADayIsReckoned(t *testing.T) {
	s := Reckon(record(), berlin)
	if s.Observed != 24*3600 || s.Awake != 2.5*3600 || s.Asleep != 21.5*3600 {
		t.Errorf("%+v", s)
	}
	near(t, "cost", s.Cost, 2.5*2+21.5*0.5+3)
	near(t, "always on", s.AlwaysOnCost, 48)
	near(t, "saved", s.Saved, 48-18.75)
	near(t, "waiting", s.WaitingCost, 10)
	near(t, "energy", s.Energy, 0.25+0.215)
	near(t, "energy saved", s.EnergySaved, 2.4-0.465)
	if len(s.Days) != 2 || s.Days[0].Day != "2026-03-01" || s.Days[0].Awake != 3600 || s.Days[1].Awake != 1.5*3600 || s.Days[0].Starts != 1 || s.Days[1].Starts != 0 {
		t.Errorf("days: %+v", s.Days)
	}
	near(t, "first day", s.Days[0].Cost, 1*2+11*0.5+3)
}

func TestNothingIsSupposedOfWhatIsNotKnown(t *testing.T) {
	r := record()
	r.Prices = Prices{Currency: "USD"}
	s := Reckon(r, berlin)
	if s.Cost != nil || s.Saved != nil || s.Energy != nil || s.WaitingCost != nil || s.Currency != "" || s.Days[0].Cost != nil {
		t.Errorf("%+v", s)
	}
	if s := Reckon(Record{Target: "new", Prices: record().Prices}, berlin); s.Observed != 0 || *s.Saved != 0 || len(s.Days) != 0 {
		t.Errorf("%+v", s)
	}
}

func TestATargetThatNeverSleepsSavesNothing(t *testing.T) {
	r := record()
	r.Intervals = []Interval{{"ready", at("2026-03-01 12:00"), at("2026-03-03 12:00")}}
	s := Reckon(r, berlin)
	near(t, "saved", s.Saved, -3) // the start
}

func TestCurrenciesAreNotMixed(t *testing.T) {
	a, b := record(), record()
	b.Target, b.Prices.Currency = "db", "USD"
	r := Sum(at("2026-03-01 00:00"), at("2026-04-01 00:00"), []Summary{Reckon(a, berlin), Reckon(b, berlin), Reckon(a, berlin)})
	if len(r.Totals) != 2 || r.Totals[0].Currency != "EUR" || math.Abs(r.Totals[0].Saved-2*29.25) > 1e-9 {
		t.Errorf("%+v", r.Totals)
	}
	near(t, "energy", r.EnergySaved, 3*1.935)
}

func TestDaysHaveTheirLength(t *testing.T) {
	place, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Skip("no time zones here:", err)
	}
	noon := time.Date(2026, 3, 28, 12, 0, 0, 0, place) // clocks are set on the 29th
	s := Reckon(Record{Intervals: []Interval{{"ready", noon, noon.Add(48 * time.Hour)}}}, place)
	if len(s.Days) != 3 || s.Days[1].Observed != 23*3600 {
		t.Errorf("%+v", s.Days)
	}
}
