// Package report writes for people what the savings and the tuner have found: as text, and as a page in one file that needs nothing else.
package report

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/rouse-proxy/rouse/internal/savings"
	"github.com/rouse-proxy/rouse/internal/tune"
)

// span writes seconds for people.
func span(seconds float64) string { return tune.Brief(time.Duration(seconds * float64(time.Second))) }

func percent(part, whole float64) string {
	if whole <= 0 {
		return "0 %"
	}
	return fmt.Sprintf("%.0f %%", 100*part/whole)
}

func money(amount float64, currency string) string { return fmt.Sprintf("%.2f %s", amount, currency) }

// title names the time that a report is about.
func title(r savings.Report) string {
	const layout = "2 Jan 2006"
	last := r.Until.Add(-time.Second)
	return r.Since.Local().Format(layout) + " to " + last.Local().Format(layout)
}

// Text writes a report for a terminal.
func Text(w io.Writer, r savings.Report) error {
	var b strings.Builder
	fmt.Fprintf(&b, "rouse, %s\n", title(r))
	for _, s := range r.Targets {
		b.WriteString("\n" + s.Name + "\n")
		for _, l := range lines(s) {
			fmt.Fprintf(&b, "  %-18s %s\n", l[0], l[1])
		}
		dayTable(&b, s)
	}
	b.WriteString("\n")
	for _, t := range r.Totals {
		fmt.Fprintf(&b, "In all: spent %s, and %s always on: %s saved.\n", money(t.Cost, t.Currency), money(t.AlwaysOnCost, t.Currency), money(t.Saved, t.Currency))
	}
	if r.EnergySaved != nil {
		fmt.Fprintf(&b, "Energy saved: %.1f kWh.\n", *r.EnergySaved)
	}
	if len(r.Totals) == 0 {
		b.WriteString("No prices are known: write cost: {per-hour: 0.40, currency: EUR} below a target in the config.\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// lines are what there is to say of one target, with what each is called.
func lines(s savings.Summary) (all [][2]string) {
	add := func(name, format string, args ...any) {
		all = append(all, [2]string{name, fmt.Sprintf(format, args...)})
	}
	if s.Observed == 0 {
		add("observed", "not at all in this time")
		return all
	}
	add("observed", "%s", span(s.Observed))
	add("awake", "%s, %s of the time", span(s.Awake), percent(s.Awake, s.Observed))
	add("clients", "%d, and %d were refused", s.Clients, s.Refused)
	add("cold starts", "%d, of which %d failed; typically ready after %s", s.Starts, s.Failed, span(s.StartTime))
	add("people waited", "%d times, %s in all, %s at most", s.Waits, span(s.Waited), span(s.LongestWait))
	if s.WaitingCost != nil {
		add("worth of that", "%s", money(*s.WaitingCost, s.Currency))
	}
	if s.Cost != nil {
		days := max(s.Observed/86400, 1.0/24)
		add("cost", "%s: %s a day, %s a month", money(*s.Cost, s.Currency), money(*s.Cost/days, s.Currency), money(*s.Cost/days*365.25/12, s.Currency))
		add("always on", "%s", money(*s.AlwaysOnCost, s.Currency))
		add("saved", "%s, %s", money(*s.Saved, s.Currency), percent(*s.Saved, *s.AlwaysOnCost))
	}
	if s.Energy != nil {
		add("energy", "%.2f kWh, and %.2f kWh always on: %.2f kWh saved", *s.Energy, *s.AlwaysOn, *s.EnergySaved)
	}
	return all
}

// dayTable lists the days, with a bar for the time awake.
func dayTable(b *strings.Builder, s savings.Summary) {
	const width = 24
	for _, d := range s.Days {
		n := int(d.Awake/86400*width + 0.5)
		if d.Awake > 0 {
			n = max(n, 1)
		}
		fmt.Fprintf(b, "  %s  %s%s  %8s awake, %s", d.Day, strings.Repeat("█", min(n, width)), strings.Repeat("·", max(width-n, 0)), span(d.Awake), starts(d.Starts))
		if d.Cost != nil {
			fmt.Fprintf(b, ", %s", money(*d.Cost, s.Currency))
		}
		b.WriteString("\n")
	}
}

func starts(n int) string {
	if n == 1 {
		return "1 start"
	}
	return fmt.Sprintf("%d starts", n)
}
