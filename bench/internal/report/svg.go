package report

import (
	"encoding/xml"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/rouse-proxy/rouse/bench/internal/stats"
)

// Sizes of a picture in pixels: two panels beside each other, a row for each bar.
const (
	width     = 960
	margin    = 24
	panelWide = (width - 3*margin) / 2
	nameWide  = 120 // for the candidate's name, left of the bars
	textWide  = 80  // for the figure, right of them
	barsWide  = panelWide - nameWide - textWide - 2*pad
	rowHigh   = 28
	pad       = 14
	headHigh  = 40 // of a panel
	titleHigh = 84 // of the picture, with its line of explanation
)

// style has the colours for light and dark pages.
const style = `
    text { font-family: system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", "DejaVu Sans", Arial, sans-serif; font-size: 14px; fill: #1f2328; }
    .title { font-size: 20px; font-weight: 600; }
    .head { font-weight: 600; }
    .soft { fill: #59636e; font-size: 13px; }
    .end { text-anchor: end; }
    .ours { font-weight: 600; }
    .panel { fill: #ffffff; stroke: #d1d9e0; }
    .bar { fill: #b6c2cf; }
    .bar-none { fill: none; stroke: #818b98; stroke-width: 1.5; stroke-dasharray: 5 4; }
    .bar-ours { fill: #2da44e; }
    .range { stroke: #24292f; stroke-width: 1.5; fill: none; }
    .cut { stroke: #ffffff; stroke-width: 4; }
    @media (prefers-color-scheme: dark) {
      text { fill: #f0f6fc; }
      .soft { fill: #9ea7b3; }
      .panel { fill: #0d1117; stroke: #3d444d; }
      .bar { fill: #57606a; }
      .bar-none { stroke: #9198a1; }
      .bar-ours { fill: #3fb950; }
      .range { stroke: #d1d9e0; }
      .cut { stroke: #0d1117; }
    }
`

// WriteSVG draws the figure.
func (f Figure) WriteSVG(w io.Writer) error {
	var b strings.Builder
	high := titleHigh
	for i := 0; i < len(f.Panels); i += 2 {
		high += rowOf(f.Panels[i:min(i+2, len(f.Panels))]) + margin
	}
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" role="img" aria-labelledby="title desc">`+"\n", width, high)
	fmt.Fprintf(&b, "  <title id=\"title\">%s</title>\n  <desc id=\"desc\">%s</desc>\n  <style>%s  </style>\n", escape(f.Title), escape(f.Desc), style)
	fmt.Fprintf(&b, `  <rect class="panel" x="0.5" y="0.5" width="%d" height="%d" rx="8"/>`+"\n", width-1, high-1)
	text(&b, "title", margin, 38, f.Title)
	text(&b, "soft", margin, 62, "Bars are medians, thin lines reach from the least to the most of all repeats.")
	y := titleHigh
	for i := 0; i < len(f.Panels); i += 2 {
		row := f.Panels[i:min(i+2, len(f.Panels))]
		for k, p := range row {
			p.draw(&b, margin+k*(panelWide+margin), y, rowOf(row))
		}
		y += rowOf(row) + margin
	}
	b.WriteString("</svg>\n")
	_, err := io.WriteString(w, b.String())
	return err
}

// rowOf is the height of panels beside each other.
func rowOf(panels []Panel) int {
	most := 0
	for _, p := range panels {
		most = max(most, len(p.Bars))
	}
	return headHigh + most*rowHigh + pad
}

func (p Panel) draw(b *strings.Builder, x, y, high int) {
	fmt.Fprintf(b, `  <rect class="panel" x="%d" y="%d" width="%d" height="%d" rx="6"/>`+"\n", x, y, panelWide, high)
	text(b, "head", x+pad, y+25, p.Title)
	better := "more is better"
	if p.Lower {
		better = "less is better"
	}
	text(b, "soft end", x+panelWide-pad, y+25, better)
	scale := p.scale()
	for i, bar := range p.Bars {
		bar.draw(b, x+pad, y+headHigh+i*rowHigh, scale)
	}
}

// scale is the value at the right end. A bar that would squeeze all others into nothing is
// cut instead.
func (p Panel) scale() float64 {
	var tops []float64
	for _, bar := range p.Bars {
		tops = append(tops, bar.Max)
	}
	slices.Sort(tops)
	top := tops[len(tops)-1]
	for i := len(tops) - 1; i > 0 && tops[i] > 3*tops[i-1]; i-- {
		top = 1.3 * tops[i-1]
	}
	if top <= 0 {
		return 1
	}
	return top
}

func (bar Bar) draw(b *strings.Builder, x, y int, scale float64) {
	wide := func(v float64) float64 { return max(0, min(v/scale, 1)) * barsWide }
	class, name := "bar", ""
	switch {
	case bar.Name == direct:
		class = "bar-none"
	case strings.HasPrefix(bar.Name, subject):
		class, name = "bar-ours", "ours"
	}
	text(b, name+" end", x+nameWide-10, y+19, bar.Name)
	left := float64(x + nameWide)
	fmt.Fprintf(b, `  <rect class="%s" x="%.1f" y="%d" width="%.1f" height="18" rx="2"/>`+"\n", class, left, y+5, max(wide(bar.Median), 1))
	if bar.Median > scale {
		fmt.Fprintf(b, `  <path class="cut" d="M%.1f %d l8 -26"/>`+"\n", left+barsWide-24, y+27)
	} else if bar.Max > bar.Min {
		lo, hi := left+wide(bar.Min), left+wide(bar.Max)
		fmt.Fprintf(b, `  <path class="range" d="M%.1f %d v8 m0 -4 H%.1f m0 -4 v8"/>`+"\n", lo, y+10, hi)
	}
	text(b, name+" end", x+nameWide+barsWide+textWide, y+19, stats.Format(bar.Median))
}

func text(b *strings.Builder, class string, x, y int, s string) {
	fmt.Fprintf(b, `  <text class="%s" x="%d" y="%d">%s</text>`+"\n", strings.TrimSpace(class), x, y, escape(s))
}

func escape(s string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(s)) // a Builder does not fail
	return b.String()
}
