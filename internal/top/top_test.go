package top

import (
	"context"
	"errors"
	"fmt"
	"html"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"
	"charm.land/lipgloss/v2"

	"github.com/rouse-proxy/rouse/internal/admin"
	"github.com/rouse-proxy/rouse/internal/history"
)

var noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.Local)

// script notes what is asked of it.
type script struct{ asked []string }

func (s *script) note(what, name string) error {
	s.asked = append(s.asked, what+" "+name)
	return nil
}

func (s *script) Status(context.Context) (admin.Status, error) { return pictured(0), nil }
func (s *script) Why(_ context.Context, name string) (admin.Why, error) {
	return admin.Why{Text: name + " now\n  It is ready.\n"}, s.note("why", name)
}
func (s *script) Wake(_ context.Context, name string) error { return s.note("wake", name) }
func (s *script) Stop(_ context.Context, name string, force bool) error {
	_ = s.note("stop", name)
	return admin.Refused("it is in use")
}
func (s *script) Hold(_ context.Context, name string, h admin.Hold) error {
	return s.note(fmt.Sprintf("hold %v", h.For), name)
}
func (s *script) Release(_ context.Context, name string) (int, error) {
	return 1, s.note("release", name)
}

// pictured is what the screen is told after some beats.
func pictured(beats int) admin.Status {
	now := noon.Add(time.Duration(beats) * beat)
	return admin.Status{Version: "1.0", Now: now, Targets: []admin.Target{
		{Name: "build-server", State: "stopped", Health: admin.Asleep, Since: noon.Add(-26 * time.Hour)},
		{Name: "minecraft", State: "starting", Health: admin.Waking, Since: noon.Add(-21 * time.Second), Waiting: 2, Expected: 40},
		{Name: "postgres", State: "failed", Health: admin.Failing, Since: noon.Add(-4 * time.Minute), Error: "start hook: exit code 1"},
		{Name: "web", State: "ready", Health: admin.Up, Since: noon.Add(-3 * time.Hour), Clients: 14, Held: 14, Received: int64(beats*beats) << 18, Hold: noon.Add(2 * time.Hour)},
		{Name: "wiki", State: "ready", Health: admin.Up, Since: noon.Add(-40 * time.Minute), StopAt: noon.Add(9 * time.Minute)},
	}}
}

// shown is a screen that has run for a while.
func shown(r Rouse, width, height int) *Screen {
	s := New(context.Background(), r)
	s.Update(tea.WindowSizeMsg{Width: width, Height: height})
	for i := range 16 {
		s.Update(told{pictured(i)})
	}
	for i, f := range []struct{ target, text, err string }{
		{"wiki", "stopped → starting: client 192.168.1.23:51544", ""},
		{"wiki", "start done in 12.4s", ""},
		{"postgres", "start failed after 2.1s: start hook: exit code 1: disk not found", "x"},
		{"web", "steered: held by hand until Mar 2, 14:00: demo at ten", ""},
		{"minecraft", "stopped → starting: client 192.168.1.40:60212", ""},
	} {
		s.Update(fact{At: noon.Add(time.Duration(i-20) * time.Second), Target: f.target, Text: f.text, Error: f.err})
	}
	return s
}

// press presses keys, and does what comes of it.
func press(s *Screen, keys ...string) {
	for _, k := range keys {
		msg := tea.KeyPressMsg{Code: []rune(k)[0], Text: k}
		switch k {
		case "down":
			msg = tea.KeyPressMsg{Code: tea.KeyDown}
		case "up":
			msg = tea.KeyPressMsg{Code: tea.KeyUp}
		}
		if _, cmd := s.Update(msg); cmd != nil {
			s.Update(cmd())
		}
	}
}

var escape = regexp.MustCompile("\x1b\\[[0-9;]*m")

func TestTheScreenTellsWhatIsSo(t *testing.T) {
	s := shown(&script{}, 120, 24)
	text := escape.ReplaceAllString(s.draw(), "")
	for _, want := range []string{
		"2 of 5 awake, 14 clients", "○ stopped", "◐ starting", "0:29 of about 0:40", "▲ failed", "start hook: exit code 1", "held until 14:00", "8:53", "█", "3:00:08", "26:00:08",
		"start done in 12.4s", "q quit",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("nothing of %q in\n%s", want, text)
		}
	}
	picture(t, s.draw())
}

func TestTheScreenFitsAnyTerminal(t *testing.T) {
	for _, size := range [][2]int{{120, 40}, {80, 24}, {40, 10}, {20, 5}, {1, 1}, {0, 0}} {
		s := shown(&script{}, size[0], size[1])
		for _, why := range []string{"", strings.Repeat("because\n", 100)} {
			s.why = why
			text := s.draw()
			if h := lipgloss.Height(text); h > max(size[1], 2)+1 {
				t.Errorf("%v: %d lines", size, h)
			}
			if w := lipgloss.Width(text); w > max(size[0], 0) && size[0] > 0 {
				t.Errorf("%v: %d columns", size, w)
			}
		}
	}
}

func TestKeysSteerTheChosenOne(t *testing.T) {
	r := &script{}
	s := shown(r, 120, 24)
	press(s, "w", "down", "down", "h", "up", "r", "down", "down", "down", "down", "down", "s")
	if got, want := strings.Join(r.asked, ", "), "wake build-server, hold 3600 postgres, release minecraft, stop wiki"; got != want {
		t.Errorf("asked %q, want %q", got, want)
	}
	if !strings.Contains(s.draw(), "it is in use") {
		t.Error("a refusal is not told")
	}
	press(s, "y")
	if !strings.Contains(s.draw(), "wiki now") {
		t.Error("why shows nothing")
	}
	press(s, "w") // goes back, and wakes nothing
	if strings.Contains(s.draw(), "wiki now") || r.asked[len(r.asked)-1] != "why wiki" {
		t.Errorf("asked %q", r.asked)
	}
	if _, cmd := s.Update(tea.KeyPressMsg{Code: 'q', Text: "q"}); cmd == nil {
		t.Error("q does not end it")
	}
}

func TestARouseThatIsAwayIsTold(t *testing.T) {
	s := shown(&script{}, 120, 24)
	s.Update(lost{errors.New("no rouse runs")})
	if !strings.Contains(s.draw(), "rouse does not answer: no rouse runs") {
		t.Error(s.draw())
	}
	s.Update(told{admin.Status{}})
	press(s, "w", "y", "down") // there is nothing to choose
	if strings.Contains(s.draw(), "does not answer") || !strings.Contains(s.draw(), "no targets yet") {
		t.Error(s.draw())
	}
}

func TestOldFactsAreForgotten(t *testing.T) {
	s := shown(&script{}, 80, 24)
	for range 3 * mostSeen {
		s.Update(fact(history.Fact{Text: "x"}))
	}
	if len(s.facts) != mostSeen {
		t.Errorf("%d", len(s.facts))
	}
}

// picture writes the screen as an SVG to $PICTURES/top.svg, if that is wanted.
func picture(t *testing.T, screen string) {
	t.Helper()
	dir := os.Getenv("PICTURES")
	if dir == "" {
		return
	}
	const line, column = 19, 8.4
	lines := strings.Split(screen, "\n")
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1040 %d" role="img" aria-label="rouse top: five targets, their states, clients, countdowns and throughput, and what happened"><rect width="100%%" height="100%%" rx="12" fill="#11161d"/><g font-family="ui-monospace,Menlo,Consolas,'DejaVu Sans Mono',monospace" font-size="14" fill="#dfe6ee" xml:space="preserve">`, len(lines)*line+30)
	for i, text := range lines {
		x := 16.0
		style := ""
		for len(text) > 0 {
			piece := text
			at := escape.FindStringIndex(text)
			if at != nil {
				piece = text[:at[0]]
			}
			if piece != "" {
				y := 30 + i*line
				if style == "reverse" {
					fmt.Fprintf(&b, `<rect x="%.1f" y="%d" width="%.1f" height="%d" fill="#dfe6ee"/>`, x, y-14, float64(len([]rune(piece)))*column, line)
				}
				fmt.Fprintf(&b, `<text x="%.1f" y="%d" textLength="%.1f"%s>%s</text>`, x, y, float64(len([]rune(piece)))*column, fills[style], strings.ReplaceAll(html.EscapeString(piece), " ", "\u00a0"))
				x += float64(len([]rune(piece))) * column
			}
			if at == nil {
				break
			}
			style = styles[strings.Trim(text[at[0]:at[1]], "\x1b[m")]
			text = text[at[1]:]
		}
	}
	b.WriteString("</g></svg>\n")
	if err := os.WriteFile(filepath.Join(dir, "top.svg"), []byte(b.String()), 0o644); err != nil {
		t.Fatal(err)
	}
}

var (
	styles = map[string]string{"1": "bold", "2": "soft", "7": "reverse", "31": "red", "32": "green", "33": "yellow", "36": "cyan"}
	fills  = map[string]string{
		"bold": ` font-weight="700"`, "soft": ` fill="#8795a5"`, "reverse": ` fill="#11161d"`, "red": ` fill="#ff7b72"`, "green": ` fill="#56d364"`,
		"yellow": ` fill="#e3b341"`, "cyan": ` fill="#76c7d6"`,
	}
)
