package tune

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

const (
	sec = time.Second
	day = 24 * time.Hour
)

var usual = Price{PerHour: 1, PerStart: 0.1, Waiting: 30, StartTime: 40 * sec, StopTime: 20 * sec}

func TestOneClientIsReplayedByHand(t *testing.T) {
	r := Record{Uses: []Use{{100 * sec, 160 * sec}}, Horizon: time.Hour}
	p := Price{PerHour: 36, PerStart: 2, Waiting: 360, StartTime: 10 * sec, StopTime: 5 * sec}
	o := Replay(r, 30*sec, p)
	// asleep to 100, starting to 110, used to 170, cooling to 200, stopping to 205
	if o.Awake != 105*sec || o.ColdStarts != 1 || o.Waited != 10*sec || math.Abs(o.Cost-(1.05+2+1)) > 1e-9 {
		t.Errorf("%+v", o)
	}
}

func TestWhoComesDuringTheStopWaitsForBoth(t *testing.T) {
	r := Record{Uses: []Use{{0, 10 * sec}, {52 * sec, 60 * sec}}, Horizon: time.Hour}
	o := Replay(r, 30*sec, Price{StartTime: 10 * sec, StopTime: 5 * sec})
	// used 10 to 20, stops at 50, is down at 55, starts, and is ready at 65
	if o.ColdStarts != 2 || o.Waited != 10*sec+13*sec || o.Awake != 55*sec+(65+8+35-55)*sec {
		t.Errorf("%+v", o)
	}
}

func TestWhoComesDuringTheStartWaitsForItsRest(t *testing.T) {
	o := Replay(Record{Uses: []Use{{4 * sec, 5 * sec}, {0, sec}}, Horizon: time.Hour}, time.Minute, Price{StartTime: 10 * sec})
	if o.ColdStarts != 1 || o.Waited != 16*sec {
		t.Errorf("%+v", o)
	}
}

// random is some record.
func random(rng *rand.Rand, n int, span time.Duration) Record {
	r := Record{Horizon: span}
	for range n {
		from := time.Duration(rng.Int64N(int64(span)))
		r.Uses = append(r.Uses, Use{from, from + time.Duration(rng.ExpFloat64()*float64(5*time.Minute))})
	}
	return r
}

func TestLongerCooldownsStartLessAndRunMore(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	for range 200 {
		r := random(rng, 1+rng.IntN(40), day)
		before := Replay(r, 0, Price{})
		for d := sec; d < day; d = d * 3 / 2 {
			o := Replay(r, d, Price{})
			if o.ColdStarts > before.ColdStarts || o.Awake < before.Awake {
				t.Fatalf("%v after %v: %+v after %+v", d, before.Cooldown, o, before)
			}
			before = o
		}
	}
}

func TestBreakEvenCostsAtMostTwiceTheLeast(t *testing.T) {
	rng := rand.New(rand.NewPCG(2, 2))
	p := Price{PerHour: 1, PerStart: 0.25} // a start takes no time, as in the theorem
	for range 300 {
		r := random(rng, 1+rng.IntN(50), 3*day).sorted()
		least := 0.0 // of one who knows the future: each pause is stayed through or slept through
		covered := time.Duration(0)
		for i, u := range r.Uses {
			if i == 0 {
				least += p.PerStart
			} else if gap := u.From - covered; gap > 0 {
				least += min(gap.Hours()*p.PerHour, p.PerStart)
			}
			least += max(min(u.Until, r.Horizon)-max(u.From, covered), 0).Hours() * p.PerHour
			covered = max(covered, u.Until)
		}
		if o := Replay(r, p.BreakEven(), p); o.Cost > 2*least+1e-9 {
			t.Fatalf("%v, and the least is %v: %+v", o.Cost, least, r)
		}
	}
}

func TestBestIsTheBestOfAll(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 3))
	b := Bounds{10 * sec, 4 * time.Hour}
	for range 100 {
		r := random(rng, 2+rng.IntN(12), 6*time.Hour)
		best := Best(r, usual, b)
		for d := b.Least; d <= b.Most; d += 7 * sec {
			if o := Replay(r, d, usual); o.Cost < best.Cost*0.995 {
				t.Fatalf("%v costs %v, and %v, which was called best, %v: %+v", d, o.Cost, best.Cooldown, best.Cost, r.Uses)
			}
		}
	}
}

func TestLittleHistoryMeansBreakEven(t *testing.T) {
	b := Bounds{time.Minute, 4 * time.Hour}
	c := Choose(Record{Uses: []Use{{0, sec}}, Horizon: 10 * day}, usual, b)
	if !c.Thin || c.Cooldown != usual.BreakEven() || !strings.Contains(c.Reason, "break-even") {
		t.Errorf("%v %q", c.Cooldown, c.Reason)
	}
	if c := Choose(Record{}, usual, Bounds{time.Minute, 2 * time.Minute}); c.Cooldown != 2*time.Minute {
		t.Errorf("out of its bounds: %v", c.Cooldown)
	}
}

func TestWhatCostsNothingStaysAwake(t *testing.T) {
	c := Choose(random(rand.New(rand.NewPCG(4, 4)), 50, 10*day), Price{Waiting: 1, StartTime: sec}, Bounds{sec, time.Hour})
	if c.Cooldown != time.Hour {
		t.Errorf("%v", c.Cooldown)
	}
}

// families are kinds of arrivals, each for a time.
var families = map[string]func(*rand.Rand, time.Duration) []Use{
	"poisson": func(rng *rand.Rand, span time.Duration) (uses []Use) {
		for at := time.Duration(0); at < span; at += time.Duration(rng.ExpFloat64() * float64(20*time.Minute)) {
			uses = append(uses, Use{at, at + time.Duration(rng.ExpFloat64()*float64(3*time.Minute))})
		}
		return uses
	},
	"office hours": func(rng *rand.Rand, span time.Duration) (uses []Use) {
		for d := time.Duration(0); d < span; d += day {
			if int(d/day)%7 >= 5 {
				continue
			}
			for at := d + 9*time.Hour; at < d+17*time.Hour; at += time.Duration(rng.ExpFloat64() * float64(12*time.Minute)) {
				uses = append(uses, Use{at, at + time.Duration(rng.ExpFloat64()*float64(4*time.Minute))})
			}
		}
		return uses
	},
	"bursts": func(rng *rand.Rand, span time.Duration) (uses []Use) {
		for at := time.Duration(0); at < span; at += time.Duration(rng.ExpFloat64() * float64(5*time.Hour)) {
			for range 5 + rng.IntN(30) {
				uses = append(uses, Use{at, at + time.Duration(rng.ExpFloat64()*float64(20*sec))})
				at += time.Duration(rng.ExpFloat64() * float64(90*sec))
			}
		}
		return uses
	},
	"heavy tail": func(rng *rand.Rand, span time.Duration) (uses []Use) {
		for at := time.Duration(0); at < span; {
			uses = append(uses, Use{at, at + time.Duration(rng.ExpFloat64()*float64(2*time.Minute))})
			at += time.Duration(float64(2*time.Minute) / math.Pow(1-rng.Float64(), 1/1.2)) // Pareto: the mean is there, the variance is not
		}
		return uses
	},
}

// TestTheChoiceIsNearlyTheBestInHindsight chooses by four weeks, and pays for the next four.
func TestTheChoiceIsNearlyTheBestInHindsight(t *testing.T) {
	const train, test = 28 * day, 28 * day
	b := Bounds{10 * sec, 24 * time.Hour}
	prices := map[string]Price{
		"usual":         usual,
		"dear machine":  {PerHour: 20, Waiting: 20, StartTime: 2 * time.Minute, StopTime: 30 * sec},
		"dear waiting":  {PerHour: 0.2, Waiting: 60, StartTime: 3 * time.Minute, StopTime: 30 * sec},
		"only machines": {PerHour: 0.5, PerStart: 0.05, StartTime: 30 * sec, StopTime: 10 * sec},
	}
	for family, make := range families {
		worst, where := 0.0, ""
		for name, p := range prices {
			for seed := range uint64(8) {
				all := make(rand.New(rand.NewPCG(seed, 77)), train+test)
				var past, future Record
				past.Horizon, future.Horizon = train, test
				for _, u := range all {
					if u.From < train {
						past.Uses = append(past.Uses, u)
					} else {
						future.Uses = append(future.Uses, Use{u.From - train, u.Until - train})
					}
				}
				c := Choose(past, p, b)
				if c.Thin {
					t.Errorf("%s, %s: four weeks are called thin", family, name)
				}
				best := Best(future, p, b)
				if ratio := Replay(future, c.Cooldown, p).Cost / best.Cost; ratio > worst {
					worst, where = ratio, name+": chose "+Brief(c.Cooldown)+", best was "+Brief(best.Cooldown)
				}
			}
		}
		t.Logf("%-13s at most %.4f times the best (%s)", family, worst, where)
		if worst > 1.10 {
			t.Errorf("%s: %.3f times the best (%s)", family, worst, where)
		}
	}
}

func TestPlotShowsTheChoice(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 5))
	c := Choose(Record{Uses: families["office hours"](rng, 28*day), Horizon: 28 * day}, usual, Bounds{time.Minute, 4 * time.Hour})
	var b strings.Builder
	if err := Plot(&b, c, usual, "EUR", 80, 12); err != nil {
		t.Fatal(err)
	}
	text := b.String()
	for _, want := range []string{"▲", "█", "░", "← the choice", "break-even", "15m", "1h"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	for line := range strings.Lines(text) {
		if n := len([]rune(strings.TrimRight(line, "\n"))); n > 100 {
			t.Errorf("a line of %d characters: %s", n, line)
		}
	}
	t.Logf("\n%s", text)
}

func FuzzReplay(f *testing.F) {
	f.Fuzz(func(t *testing.T, data []byte, cooldown, start, stop int64) {
		r := Record{Horizon: 30 * day}
		for len(data) >= 4 {
			from := time.Duration(uint16(data[0])<<8|uint16(data[1])) * 40 * sec
			r.Uses = append(r.Uses, Use{from, from + time.Duration(int16(data[2])<<8|int16(data[3]))*sec})
			data = data[4:]
		}
		p := Price{PerHour: 1, PerStart: 1, Waiting: 1, StartTime: time.Duration(uint32(start)) * time.Millisecond, StopTime: time.Duration(uint32(stop)) * time.Millisecond}
		before := slices.Clone(r.Uses)
		o := Replay(r, time.Duration(uint32(cooldown))*time.Millisecond, p)
		if o.Awake < 0 || o.Awake > r.Horizon || o.ColdStarts > len(r.Uses) || o.Waited < 0 || math.IsNaN(o.Cost) || o.Cost < 0 {
			t.Fatalf("%+v", o)
		}
		if !slices.Equal(before, r.Uses) {
			t.Fatal("the record was changed")
		}
	})
}

func BenchmarkChoose(b *testing.B) {
	r := random(rand.New(rand.NewPCG(6, 6)), 100_000, 400*day)
	for b.Loop() {
		Choose(r, usual, Bounds{time.Minute, 4 * time.Hour})
	}
}
