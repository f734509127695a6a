package config

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// budget reads what may be spent on waking a target.
func (b *builder) budget(path string, e BudgetEntry) Budget {
	hours := func(t Number, most float64) time.Duration {
		n := value(b, Text(t), func(s string) (float64, error) { return parseAmount(s, most) })
		return time.Duration(n * float64(time.Hour))
	}
	money := func(t Number) float64 {
		return value(b, Text(t), func(s string) (float64, error) { return parseAmount(s, 1e6) })
	}
	g := Budget{
		StartsPerHour: value(b, Text(e.StartsPerHour), parseStarts), StartsPerDay: value(b, Text(e.StartsPerDay), parseStarts),
		HoursPerDay: hours(e.HoursPerDay, 24), HoursPerMonth: hours(e.HoursPerMonth, 744),
		MoneyPerDay: money(e.MoneyPerDay), PricePerHour: money(e.PricePerHour), PricePerStart: money(e.PricePerStart),
		Exempt: b.networks(path+".exempt", e.Exempt),
	}
	return g
}

// checkMoney wants prices where money is bounded.
func (b *builder) checkMoney(g Budget, e BudgetEntry) {
	if g.MoneyPerDay > 0 && g.PricePerHour == 0 && g.PricePerStart == 0 && e.MoneyPerDay.given {
		b.report(e.MoneyPerDay.at, wrong("nothing says what the target costs", "write price-per-hour, too, or the target's cost:"))
	}
}

// price takes the prices of the target where the budget has none of its own.
func (g *Budget) price(c Cost) {
	if g.MoneyPerDay > 0 && g.PricePerHour == 0 && g.PricePerStart == 0 {
		g.PricePerHour, g.PricePerStart = c.PerHour, c.PerStart
	}
}

// parseStarts reads how many starts.
func parseStarts(raw string) (int, error) {
	n, err := strconv.Atoi(raw)
	switch {
	case !isDigits(raw):
		return 0, wrong(show(raw)+" is not a number of starts", "write a whole number, such as 6")
	case err != nil || n > 1000:
		return 0, wrong(show(raw)+" is more than 1000 starts", "write at most 1000, or leave the key out for no limit")
	case n == 0:
		return 0, wrong("with 0 starts the target would never be woken", "write at least 1, or leave the key out for no limit")
	}
	return n, nil
}

// parseAmount reads a number above 0.
func parseAmount(raw string, most float64) (float64, error) {
	n, err := strconv.ParseFloat(raw, 64)
	whole, part, point := strings.Cut(raw, ".")
	switch {
	case !isDigits(whole) || point && !isDigits(part) || err != nil || math.IsInf(n, 0):
		return 0, wrong(show(raw)+" is not a number", "write one in plain digits, such as 2.5")
	case n <= 0:
		return 0, wrong(show(raw)+" is not above 0", "write more, or leave the key out for no limit")
	case n > most:
		return 0, wrong(show(raw)+fmt.Sprintf(" is more than %v", most), "write less, or leave the key out for no limit")
	}
	return n, nil
}
