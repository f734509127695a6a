package top

import (
	"fmt"
	"math"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"
	"charm.land/lipgloss/v2"

	"github.com/rouse-proxy/rouse/internal/admin"
)

var (
	bold    = lipgloss.NewStyle().Bold(true)
	soft    = lipgloss.NewStyle().Faint(true)
	chosen  = lipgloss.NewStyle().Reverse(true)
	bad     = lipgloss.NewStyle().Foreground(lipgloss.Red)
	healths = map[string]lipgloss.Style{
		admin.Up: lipgloss.NewStyle().Foreground(lipgloss.Green), admin.Waking: lipgloss.NewStyle().Foreground(lipgloss.Yellow),
		admin.Failing: bad, admin.Asleep: lipgloss.NewStyle().Foreground(lipgloss.Cyan),
	}
	marks = map[string]string{admin.Up: "●", admin.Waking: "◐", admin.Failing: "▲", admin.Asleep: "○"}
)

// View draws the screen.
func (s *Screen) View() tea.View {
	v := tea.NewView(s.draw())
	v.AltScreen, v.WindowTitle = true, "rouse top"
	return v
}

func (s *Screen) draw() string {
	if s.why != "" {
		return fit(s.why+"\n"+soft.Render("any key goes back"), s.width, s.height)
	}
	var b strings.Builder
	b.WriteString(s.head() + "\n\n")
	b.WriteString(soft.Render(row("TARGET", "STATE", "FOR", "CLIENTS", "WAITING", "STOPS IN", "THROUGHPUT", "", "REMARKS")) + "\n")
	for i, t := range s.status.Targets {
		b.WriteString(s.line(i, t) + "\n")
	}
	if len(s.status.Targets) == 0 && s.trouble == "" {
		b.WriteString(soft.Render("no targets yet") + "\n")
	}
	b.WriteString("\n" + bold.Render("What happened") + "\n")
	room := s.height - lipgloss.Height(b.String()) - 2
	for _, f := range s.facts[max(len(s.facts)-max(room, 0), 0):] {
		text := fmt.Sprintf("%s  %-14s %s", f.At.Local().Format("15:04:05"), f.Target, f.Text)
		if f.Error != "" {
			text = bad.Render(text)
		}
		b.WriteString(text + "\n")
	}
	body := fit(b.String(), s.width, s.height-2)
	return body + "\n" + fit(s.foot(), s.width, 2)
}

func (s *Screen) head() string {
	up, clients, rate := 0, 0, 0.0
	for _, t := range s.status.Targets {
		if t.Health == admin.Up {
			up++
		}
		clients += t.Clients
		rate += last(s.rates[t.Name])
	}
	if s.trouble != "" {
		return bad.Render("rouse does not answer: " + s.trouble)
	}
	return bold.Render("rouse "+s.status.Version) + fmt.Sprintf("  %s   %d of %d awake, %d clients, %s/s", s.status.Now.Local().Format("15:04:05"), up, len(s.status.Targets), clients, bytes(rate))
}

func (s *Screen) foot() string {
	return s.said + "\n" + soft.Render("↑ ↓ choose   w wake   s stop   h hold 1 h   r release   y why   q quit")
}

// line is one target.
func (s *Screen) line(i int, t admin.Target) string {
	state := marks[t.Health] + " " + t.State
	stops := "-"
	if !t.StopAt.IsZero() {
		stops = clock(t.StopAt.Sub(s.status.Now))
	}
	text := row(t.Name, state, clock(s.status.Now.Sub(t.Since)), fmt.Sprint(t.Clients), fmt.Sprint(t.Waiting), stops, bytes(last(s.rates[t.Name]))+"/s", spark(s.rates[t.Name]), s.remark(t))
	if i == s.selected {
		return chosen.Render(text)
	}
	return strings.Replace(text, state, healths[t.Health].Render(state), 1)
}

// remark is what else there is to say of a target.
func (s *Screen) remark(t admin.Target) string {
	var all []string
	if t.State == "starting" {
		text := clock(s.status.Now.Sub(t.Since))
		if t.Expected > 0 {
			text += " of about " + clock(time.Duration(t.Expected*float64(time.Second)))
		}
		all = append(all, text)
	}
	if !t.Hold.IsZero() {
		all = append(all, "held until "+t.Hold.Local().Format("15:04"))
	}
	if t.Maintenance != "" {
		all = append(all, "maintenance: "+t.Maintenance)
	}
	if t.Busy {
		all = append(all, "busy")
	}
	if t.Error != "" {
		all = append(all, t.Error)
	}
	return strings.Join(all, "; ")
}

// row puts cells into columns.
func row(cells ...string) string {
	widths := []int{16, 11, 9, 7, 7, 9, 12, sparks}
	var b strings.Builder
	for i, c := range cells {
		if i < len(widths) {
			c = pad(c, widths[i], i >= 2 && i <= 6)
		}
		b.WriteString(c + " ")
	}
	return strings.TrimRight(b.String(), " ")
}

// pad makes a text as wide as its column.
func pad(s string, width int, right bool) string {
	runes := []rune(s)
	if len(runes) > width {
		return string(runes[:width-1]) + "…"
	}
	space := strings.Repeat(" ", width-len(runes))
	if right {
		return space + s
	}
	return s + space
}

// fit cuts a text to a number of columns and lines, and fills the lines up.
func fit(s string, width, height int) string {
	lines := strings.Split(strings.TrimRight(s, "\n"), "\n")
	lines = lines[:min(len(lines), max(height, 0))]
	for i, l := range lines {
		lines[i] = lipgloss.NewStyle().MaxWidth(width).Render(l)
	}
	for len(lines) < height {
		lines = append(lines, "")
	}
	return strings.Join(lines, "\n")
}

func last(all []float64) float64 {
	if len(all) == 0 {
		return 0
	}
	return all[len(all)-1]
}

// spark draws numbers as a line of blocks.
func spark(all []float64) string {
	const blocks = " ▁▂▃▄▅▆▇█"
	most := 0.0
	for _, v := range all {
		most = max(most, v)
	}
	if most == 0 {
		return ""
	}
	var b strings.Builder
	for _, v := range all {
		b.WriteRune([]rune(blocks)[int(math.Ceil(v/most*8))])
	}
	return b.String()
}

// clock is a duration in one look.
func clock(d time.Duration) string {
	d = max(d, 0).Round(time.Second)
	switch {
	case d >= 48*time.Hour:
		return fmt.Sprintf("%dd%02dh", d/(24*time.Hour), d%(24*time.Hour)/time.Hour)
	case d >= time.Hour:
		return fmt.Sprintf("%d:%02d:%02d", d/time.Hour, d%time.Hour/time.Minute, d%time.Minute/time.Second)
	}
	return fmt.Sprintf("%d:%02d", d/time.Minute, d%time.Minute/time.Second)
}

func bytes(n float64) string {
	units := []string{"B", "KiB", "MiB", "GiB"}
	i := 0
	for n >= 1024 && i < len(units)-1 {
		n /= 1024
		i++
	}
	if i == 0 {
		return fmt.Sprintf("%.0f %s", n, units[i])
	}
	return fmt.Sprintf("%.1f %s", n, units[i])
}
