//go:build linux

package main

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/term"

	"github.com/rouse-proxy/rouse/test/chaos/internal/crowd"
	"github.com/rouse-proxy/rouse/test/chaos/internal/town"
)

// A bulletin tells people how the rounds go.
type bulletin struct {
	out     io.Writer
	colours bool
	s       settings
}

// newBulletin begins with how to have all this again.
func newBulletin(out *os.File, s settings) *bulletin {
	b := &bulletin{out: out, s: s, colours: term.IsTerminal(int(out.Fd())) && os.Getenv("NO_COLOR") == ""}
	fmt.Fprintf(out, "chaos: seed %d, rounds %d to %d, %d at a time; again with make chaos SEED=%d ROUNDS=%d FIRST=%d\n",
		s.seed, s.first, s.first+s.rounds-1, s.towns, s.seed, s.rounds, s.first)
	return b
}

func (b *bulletin) say(text string) { fmt.Fprintln(b.out, b.paint("2", text)) }

// paint colours a text, on a terminal.
func (b *bulletin) paint(code, text string) string {
	if !b.colours {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

// round tells of one round: a line, and more if it went wrong.
func (b *bulletin) round(r *town.Result, err error) {
	if err != nil {
		fmt.Fprintln(b.out, b.paint("33", "BROKEN  "+err.Error()))
		return
	}
	verdict := b.paint("32", "ok ")
	if len(r.Violations) > 0 {
		verdict = b.paint("1;31", "BAD")
	}
	fmt.Fprintf(b.out, "%s %4d  %2d wakes  %2d clients: %2d served %2d turned away %2d left  %5s  leak %.2f  %3.0fs  %s\n", verdict, r.Round, r.Wakes,
		total(r.Clients), r.Clients[crowd.Served], turnedAway(r.Clients), r.Clients[crowd.Left], size(r.Bytes), leak(r), r.Took.Seconds(), strings.Join(r.Nemeses, ", "))
	for _, v := range r.Violations {
		fmt.Fprintln(b.out, b.paint("31", "          "+v))
	}
	if len(r.Violations) > 0 || leak(r) >= noticeable {
		fmt.Fprintf(b.out, "          kept in %s; again with make chaos SEED=%d FIRST=%d ROUNDS=1\n", r.Dir, r.Seed, r.Round)
	}
}

// turnedAway counts the clients who saw something else.
func turnedAway(c map[crowd.Outcome]int) int { return total(c) - c[crowd.Served] - c[crowd.Left] }

func total[K comparable](m map[K]int) (n int) {
	for _, v := range m {
		n += v
	}
	return n
}

// size is a number of bytes for people.
func size(n int64) string {
	switch {
	case n >= 10e9:
		return fmt.Sprintf("%.0fGB", float64(n)/1e9)
	case n >= 1e9:
		return fmt.Sprintf("%.1fGB", float64(n)/1e9)
	case n >= 1e6:
		return fmt.Sprintf("%.0fMB", float64(n)/1e6)
	default:
		return fmt.Sprintf("%.0fkB", float64(n)/1e3)
	}
}

// summary is the table at the end.
func (b *bulletin) summary(s *sum) {
	fmt.Fprintln(b.out)
	b.row("rounds", "%d, seed %d, in %v", s.rounds, b.s.seed, s.took.Round(time.Second))
	b.row("faults", "%d: %s", total(s.faults), counts(s.faults))
	if len(s.leftOut) > 0 {
		b.row("left out", "%d: %s", total(s.leftOut), counts(s.leftOut))
	}
	b.row("wakes", "%d, by %d runs of rouse, which left %d lines of trace", s.wakes, s.runs, s.events)
	b.row("clients", "%d: %s", total(s.clients), counts(s.clients))
	b.row("checked", "%s, byte for byte", size(s.bytes))
	b.row("money leak", "%.3f: billed %.0f s, needed %.0f s (at most %.2f)", s.leak(), s.billed, s.needed, mostLeak)
	b.row("stranded", "%d", s.stranded)
	b.row("verdict", "%s", b.verdict(s))
	if s.dir != "" {
		b.row("kept", "%s", s.dir)
	}
}

func (b *bulletin) verdict(s *sum) string {
	switch {
	case len(s.bad)+len(s.broken) > 0:
		return b.paint("1;31", fmt.Sprintf("%d rounds were bad, %d could not be judged", len(s.bad), len(s.broken)))
	case s.leaks():
		return b.paint("1;31", "too much was billed for nobody")
	}
	return b.paint("1;32", "all is well")
}

// width is where a long row goes on in the next line.
const width = 110

// row is a row of the table.
func (b *bulletin) row(name, format string, args ...any) {
	const indent = 14
	line := fmt.Sprintf("  %-*s", indent-2, name)
	for word := range strings.FieldsSeq(fmt.Sprintf(format, args...)) {
		if len(line)+1+utf8.RuneCountInString(word) > width {
			fmt.Fprintln(b.out, line)
			line = strings.Repeat(" ", indent)
		}
		if len(line) > indent {
			line += " "
		}
		line += word
	}
	fmt.Fprintln(b.out, line)
}

// counts lists what there was, the most frequent first.
func counts(m map[string]int) string {
	names := slices.SortedFunc(maps.Keys(m), func(a, b string) int { return cmp.Or(m[b]-m[a], strings.Compare(a, b)) })
	for i, n := range names {
		names[i] = fmt.Sprintf("%d×%s", m[n], n)
	}
	return strings.Join(names, ", ")
}
