package tune

import (
	"fmt"
	"io"
	"math"
	"strings"
	"time"
)

// Plot draws cost against cooldown for a terminal: the whole, and in it the money for the target and what the waiting is worth. Then it lists
// some cooldowns, with the chosen one among them.
func Plot(w io.Writer, c Choice, p Price, currency string, width, height int) error {
	if len(c.Curve) < 2 {
		return nil
	}
	width, height = max(width, 40), max(height, 6)
	const left = 10 // columns of the axis
	columns := width - left - 1
	low, high := math.Log(float64(max(c.Curve[0].Cooldown, time.Second))), math.Log(float64(c.Curve[len(c.Curve)-1].Cooldown))
	top := 0.0
	whole, money := make([]float64, columns), make([]float64, columns)
	for x := range columns {
		at := time.Duration(math.Exp(low + (high-low)*float64(x)/float64(max(columns-1, 1))))
		o := nearest(c.Curve, at)
		whole[x], money[x] = o.Cost, o.Cost-p.Waiting*o.Waited.Hours()
		top = max(top, o.Cost)
	}
	if top == 0 {
		top = 1
	}
	var b strings.Builder
	fmt.Fprintf(&b, "cost in %s: █ the target, ░ waiting; ▲ the choice\n", currency)
	for y := range height {
		label := ""
		if y == 0 || y == height-1 || y == height/2 {
			label = fmt.Sprintf("%.2f", top*float64(height-y)/float64(height))
		}
		fmt.Fprintf(&b, "%*s│", left-1, label)
		for x := range columns {
			b.WriteRune(cell(whole[x], money[x], top, height-1-y, height))
		}
		b.WriteByte('\n')
	}
	fmt.Fprintf(&b, "%s└%s\n", strings.Repeat(" ", left-1), strings.Repeat("─", columns))
	at := int(math.Round((math.Log(float64(max(c.Cooldown, time.Second))) - low) / max(high-low, 1e-9) * float64(columns-1)))
	fmt.Fprintf(&b, "%s%s▲\n", strings.Repeat(" ", left), strings.Repeat(" ", min(max(at, 0), columns-1)))
	b.WriteString(axis(left, columns, low, high))
	b.WriteString("\n")
	table(&b, c, p, currency)
	_, err := io.WriteString(w, b.String())
	return err
}

// cell is one character: row 0 is the lowest.
func cell(whole, money, top float64, row, height int) rune {
	level := (float64(row) + 0.5) / float64(height) * top
	switch {
	case level <= money:
		return '█'
	case level <= whole:
		return '░'
	}
	return ' '
}

// axis names some cooldowns below where they are.
func axis(left, columns int, low, high float64) string {
	line := []rune(strings.Repeat(" ", left+columns+8))
	end := 0
	for _, d := range []time.Duration{10 * time.Second, time.Minute, 5 * time.Minute, 15 * time.Minute, time.Hour, 4 * time.Hour, 24 * time.Hour, 7 * 24 * time.Hour} {
		x := (math.Log(float64(d)) - low) / max(high-low, 1e-9)
		at := left + int(x*float64(columns-1))
		if x < -0.001 || x > 1.001 || at < end {
			continue
		}
		text := Brief(d)
		copy(line[at:], []rune(text))
		end = at + len(text) + 1
	}
	return strings.TrimRight(string(line), " ") + "\n"
}

// nearest is the outcome of the cooldown that is closest.
func nearest(curve []Outcome, d time.Duration) Outcome {
	best := curve[0]
	for _, o := range curve {
		if math.Abs(math.Log(float64(o.Cooldown)/float64(d))) < math.Abs(math.Log(float64(best.Cooldown)/float64(d))) {
			best = o
		}
	}
	return best
}

func table(b *strings.Builder, c Choice, p Price, currency string) {
	fmt.Fprintf(b, "%-12s %14s %12s %12s %12s %12s\n", "COOLDOWN", "COST "+currency, "TARGET", "COLD STARTS", "WAITED", "AWAKE")
	shown := map[time.Duration]bool{}
	line := func(o Outcome, remark string) {
		if shown[o.Cooldown] {
			return
		}
		shown[o.Cooldown] = true
		fmt.Fprintf(b, "%-12s %14.2f %12.2f %12d %12s %12s  %s\n", Brief(o.Cooldown), o.Cost, o.Cost-p.Waiting*o.Waited.Hours(), o.ColdStarts, Brief(o.Waited), Brief(o.Awake), remark)
	}
	line(c.Outcome, "← the choice")
	line(c.BreakEven, "break-even")
	for _, d := range round {
		if d >= c.Curve[0].Cooldown && d <= c.Curve[len(c.Curve)-1].Cooldown {
			line(nearest(c.Curve, d), "")
		}
	}
}

// Brief is a duration with two units at most.
func Brief(d time.Duration) string {
	switch {
	case d >= 48*time.Hour:
		return fmt.Sprintf("%dd%02dh", d/(24*time.Hour), d%(24*time.Hour)/time.Hour)
	case d >= time.Hour && d%time.Hour < time.Minute:
		return fmt.Sprintf("%dh", d/time.Hour)
	case d >= time.Hour:
		return fmt.Sprintf("%dh%02dm", d/time.Hour, d%time.Hour/time.Minute)
	case d >= time.Minute && d%time.Minute < time.Second:
		return fmt.Sprintf("%dm", d/time.Minute)
	case d >= time.Minute:
		return fmt.Sprintf("%dm%02ds", d/time.Minute, d%time.Minute/time.Second)
	}
	return d.Round(100 * time.Millisecond).String()
}
