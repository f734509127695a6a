package report

import (
	"fmt"
	"html"
	"io"
	"math"
	"strings"
	"time"

	"github.com/rouse-proxy/rouse/internal/savings"
	"github.com/rouse-proxy/rouse/internal/tune"
)

// A page is one file of HTML. Templates are not used: executing one keeps the linker from dropping dead code. All text goes through esc.
type page struct{ strings.Builder }

func (p *page) add(format string, args ...any) {
	for i, a := range args {
		if s, ok := a.(string); ok {
			args[i] = esc(s)
		}
	}
	fmt.Fprintf(p, format, args...)
}

func esc(s string) string { return html.EscapeString(s) }

const style = `:root{color-scheme:light dark;--ground:#f6f7f9;--card:#fff;--ink:#16202c;--soft:#55616f;--line:#dde1e7;--accent:#0f766e;--wait:#d97706}
@media(prefers-color-scheme:dark){:root{--ground:#0e131a;--card:#171e27;--ink:#e8edf3;--soft:#a3b0c0;--line:#2a3441;--accent:#2dd4bf;--wait:#fbbf24}}
body{margin:0;background:var(--ground);color:var(--ink);font:16px/1.5 system-ui,sans-serif}
main{max-width:900px;margin:0 auto;padding:32px 20px}h1{font-size:1.6rem;margin:0}h2{font-size:1.15rem;margin:0 0 8px}
section{background:var(--card);border:1px solid var(--line);border-radius:14px;padding:20px;margin:20px 0}
.soft{color:var(--soft)}.big{font-size:1.9rem;font-weight:680}table{border-collapse:collapse;width:100%;font-size:.9rem}
th{text-align:left;font-weight:500;color:var(--soft)}td,th{padding:5px 12px 5px 0;border-top:1px solid var(--line);vertical-align:top}
svg{width:100%;height:auto;display:block;margin-top:12px}text{fill:var(--soft);font:11px system-ui,sans-serif}
.always{fill:var(--line)}.spent{fill:var(--accent)}.wait{fill:var(--wait)}.rule{stroke:var(--line)}.mark{stroke:var(--ink);stroke-dasharray:4 3}
@media print{section{break-inside:avoid}}`

// begin opens the page. It may load nothing at all.
func begin(title string) *page {
	p := &page{}
	p.add(`<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">`+
		`<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'"><title>%s</title><style>`, title)
	p.WriteString(style)
	p.WriteString("</style></head><body><main>\n")
	return p
}

func (p *page) end(w io.Writer) error {
	p.WriteString("</main></body></html>\n")
	_, err := io.WriteString(w, p.String())
	return err
}

// HTML writes a report as a page.
func HTML(w io.Writer, r savings.Report) error {
	p := begin("rouse: " + title(r))
	p.add("<h1>What rouse saved</h1><p class=\"soft\">%s</p>\n", title(r))
	for _, t := range r.Totals {
		p.add("<section><div class=\"big\">%s saved</div><div class=\"soft\">spent %s; always on it would have been %s</div></section>\n",
			money(t.Saved, t.Currency), money(t.Cost, t.Currency), money(t.AlwaysOnCost, t.Currency))
	}
	if r.EnergySaved != nil {
		p.add("<section><div class=\"big\">%s saved</div></section>\n", fmt.Sprintf("%.1f kWh", *r.EnergySaved))
	}
	for _, s := range r.Targets {
		p.add("<section><h2>%s</h2><table>", s.Name)
		for _, l := range lines(s) {
			p.add("<tr><th scope=\"row\">%s</th><td>%s</td></tr>", l[0], l[1])
		}
		p.WriteString("</table>\n")
		p.days(s)
		p.WriteString("</section>\n")
	}
	return p.end(w)
}

const (
	plotWidth, plotHeight = 860.0, 200.0
	plotLeft, plotBottom  = 64.0, 24.0
)

// days draws a bar for each day: what it cost beside always on, or how long the target was awake.
func (p *page) days(s savings.Summary) {
	if len(s.Days) == 0 {
		return
	}
	value := func(d savings.Day) (spent, always float64) { return d.Awake / 3600, d.Observed / 3600 }
	unit := func(v float64) string { return fmt.Sprintf("%.0f h", v) }
	what := "hours awake"
	if s.Cost != nil {
		value = func(d savings.Day) (float64, float64) { return *d.Cost, *d.Cost + max(*d.Saved, 0) }
		unit = func(v float64) string { return money(v, s.Currency) }
		what = "cost, before what always on would have cost"
	}
	top := 1e-9
	for _, d := range s.Days {
		_, always := value(d)
		top = max(top, always)
	}
	p.open(fmt.Sprintf("%s: %s of %d days", s.Name, what, len(s.Days)))
	p.rules(top, unit)
	step := (plotWidth - plotLeft) / float64(len(s.Days))
	for i, d := range s.Days {
		spent, always := value(d)
		x := plotLeft + float64(i)*step
		for _, bar := range []struct {
			class string
			v     float64
		}{{"always", always}, {"spent", spent}} {
			h := bar.v / top * (plotHeight - plotBottom)
			p.add(`<rect class="%s" x="%.1f" y="%.1f" width="%.1f" height="%.1f" rx="2"><title>%s</title></rect>`, bar.class, x+step*0.12, plotHeight-plotBottom-h, step*0.76, h,
				d.Day+": "+unit(spent)+" of "+unit(always)+", "+starts(d.Starts))
		}
		if every := max(len(s.Days)/10, 1); i%every == 0 {
			p.add(`<text x="%.1f" y="%.1f">%s</text>`, x, plotHeight-6, strings.TrimPrefix(d.Day[5:], "0"))
		}
	}
	p.WriteString("</svg>\n")
}

func (p *page) open(label string) {
	p.add(`<svg viewBox="0 0 %.0f %.0f" role="img" aria-label="%s">`, plotWidth, plotHeight, label)
}

// rules draws three lines with their values.
func (p *page) rules(top float64, unit func(float64) string) {
	for i := range 3 {
		v := top * float64(i) / 2
		y := (plotHeight - plotBottom) * (1 - float64(i)/2)
		p.add(`<line class="rule" x1="%.0f" x2="%.0f" y1="%.1f" y2="%.1f"/><text x="0" y="%.1f">%s</text>`, plotLeft, plotWidth, y, y, max(y, 10)+4, unit(v))
	}
}

// Tune writes a choice as a page.
func Tune(w io.Writer, target string, c tune.Choice, price tune.Price, currency string) error {
	p := begin("rouse tune " + target)
	p.add("<h1>%s: a cooldown of %s</h1><p class=\"soft\">%s.</p>\n<section><h2>Cost against cooldown</h2>", target, tune.Brief(c.Cooldown), c.Reason)
	p.add("<p class=\"soft\">Green: the target. Orange: what the waiting of people is worth, at %s an hour. The line is the choice.</p>", money(price.Waiting, currency))
	p.curve(c, price, currency)
	p.WriteString("</section>\n<section><table><tr><th>Cooldown</th><th>Cost</th><th>Target</th><th>Cold starts</th><th>Waited</th><th>Awake</th></tr>")
	for _, o := range append([]tune.Outcome{c.Outcome, c.BreakEven}, few(c.Curve)...) {
		p.add("<tr><td>%s</td><td>%s</td><td>%s</td><td>%d</td><td>%s</td><td>%s</td></tr>", tune.Brief(o.Cooldown), money(o.Cost, currency),
			money(o.Cost-price.Waiting*o.Waited.Hours(), currency), o.ColdStarts, tune.Brief(o.Waited), tune.Brief(o.Awake))
	}
	p.WriteString("</table><p class=\"soft\">The first is the choice, the second the break-even.</p></section>\n")
	return p.end(w)
}

// few are some points of a curve.
func few(curve []tune.Outcome) (some []tune.Outcome) {
	for i := 0; i < len(curve); i += max(len(curve)/10, 1) {
		some = append(some, curve[i])
	}
	return some
}

// curve draws what each cooldown would have come to.
func (p *page) curve(c tune.Choice, price tune.Price, currency string) {
	if len(c.Curve) < 2 {
		return
	}
	top := 1e-9
	for _, o := range c.Curve {
		top = max(top, o.Cost)
	}
	log := func(d time.Duration) float64 { return math.Log(float64(max(d, time.Second))) }
	low, high := log(c.Curve[0].Cooldown), log(c.Curve[len(c.Curve)-1].Cooldown)
	x := func(d time.Duration) float64 {
		return plotLeft + (log(d)-low)/max(high-low, 1e-9)*(plotWidth-plotLeft)
	}
	y := func(v float64) float64 { return (plotHeight - plotBottom) * (1 - v/top) }
	p.open("cost against cooldown")
	p.rules(top, func(v float64) string { return money(v, currency) })
	area := func(class string, value func(tune.Outcome) float64) {
		fmt.Fprintf(p, `<path class="%s" d="M%.1f %.1f`, class, x(c.Curve[0].Cooldown), plotHeight-plotBottom)
		for _, o := range c.Curve {
			fmt.Fprintf(p, "L%.1f %.1f", x(o.Cooldown), y(value(o)))
		}
		fmt.Fprintf(p, `L%.1f %.1fZ"/>`, plotWidth, plotHeight-plotBottom)
	}
	area("wait", func(o tune.Outcome) float64 { return o.Cost })
	area("spent", func(o tune.Outcome) float64 { return o.Cost - price.Waiting*o.Waited.Hours() })
	fmt.Fprintf(p, `<line class="mark" x1="%.1f" x2="%.1f" y1="0" y2="%.1f"/>`, x(c.Cooldown), x(c.Cooldown), plotHeight-plotBottom)
	last := -100.0
	for _, d := range []time.Duration{time.Minute, 5 * time.Minute, 15 * time.Minute, 30 * time.Minute, time.Hour, 2 * time.Hour, 4 * time.Hour, 12 * time.Hour, 24 * time.Hour} {
		if at := x(d); at >= plotLeft && at <= plotWidth-10 && at-last > 40 {
			p.add(`<text x="%.1f" y="%.1f">%s</text>`, at, plotHeight-6, tune.Brief(d))
			last = at
		}
	}
	p.WriteString("</svg>\n")
}
