package demo

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/rouse-proxy/rouse/internal/event"
	"github.com/rouse-proxy/rouse/internal/target"
)

const (
	fastBeat = 100 * time.Millisecond // a line that counts, on a terminal
	slowBeat = time.Second            // a line each, elsewhere
	room     = 1024                   // of the queue of things to tell
)

// colours by word, for terminals.
var colours = map[string]string{
	"asleep": "34", "waking": "33", "awake": "32", "connected": "32", "idle": "36", "stopping": "35", "failed": "31", "client": "1",
}

// line is one thing to tell.
type line struct {
	word, text string
	reached    string // the state that was entered, if any
}

// narrator tells what happens, as it happens. Events come from other goroutines;
// run alone writes.
type narrator struct {
	out      io.Writer
	terminal bool
	began    time.Time
	lines    chan line
	states   chan string // states entered, for await
	status   func() target.Status
	counting bool // the last line is one that counts
}

func newNarrator(out io.Writer, terminal bool) *narrator {
	return &narrator{
		out: out, terminal: terminal, began: time.Now(),
		lines: make(chan line, room), states: make(chan string, room),
	}
}

// say queues a line; a reader that does not read costs lines, never the demo.
func (n *narrator) say(word, text string) { n.queue(line{word: word, text: text}) }

func (n *narrator) queue(l line) {
	select {
	case n.lines <- l:
	default:
	}
}

// events is the narrator's sink.
func (n *narrator) events(e event.Event) {
	l := line{}
	switch e.Kind {
	case event.StateChanged:
		l = entered(e)
	case event.ClientWaits:
		l = line{word: "client", text: fmt.Sprintf("%s is held with its bytes: the %s", e.Client, e.Cause)}
	case event.ClientServed:
		l = line{word: "connected", text: fmt.Sprintf("client %s, after waiting %v", e.Client, seconds(e.Elapsed))}
	case event.ClientEnded:
		l = line{word: "client", text: fmt.Sprintf("%s has left: it sent %d bytes and received %d", e.Client, e.Sent, e.Received)}
	case event.ClientLeft:
		l = line{word: "client", text: fmt.Sprintf("%s gave up after %v", e.Client, seconds(e.Elapsed))}
	case event.ClientRefused:
		l = line{word: "failed", text: fmt.Sprintf("client %s was refused: %v", e.Client, e.Err)}
	case event.IdleArmed:
		l = line{word: "idle", text: fmt.Sprintf("nobody is connected; it may sleep again in %v", seconds(e.Delay))}
	case event.OperationEnded:
		if e.Err != nil {
			l = line{word: "failed", text: e.Err.Error()}
		}
	}
	if l != (line{}) {
		n.queue(l)
	}
}

// entered tells of a new state.
func entered(e event.Event) line {
	l := line{reached: e.To}
	switch e.To {
	case target.Starting.String():
		l.word, l.text = "waking", "the start hook runs, because of "+e.Cause
	case target.Ready.String():
		l.word, l.text = "awake", "the service answers"
	case target.Stopping.String():
		l.word, l.text = "stopping", "the stop hook runs, because: "+e.Cause
	case target.Stopped.String():
		l.word, l.text = "asleep", "nothing runs, nothing costs"
	}
	return l
}

// run writes until ctx ends, and then what is still queued.
func (n *narrator) run(ctx context.Context) {
	beat := slowBeat
	if n.terminal {
		beat = fastBeat
	}
	ticker := time.NewTicker(beat)
	defer ticker.Stop()
	for {
		select {
		case l := <-n.lines:
			n.write(l)
		case <-ticker.C:
			n.count()
		case <-ctx.Done():
			for len(n.lines) > 0 {
				n.write(<-n.lines)
			}
			return
		}
	}
}

func (n *narrator) write(l line) {
	if l.word != "" {
		n.erase()
		fmt.Fprintf(n.out, "%s\n", n.format(l.word, l.text))
	}
	if l.reached != "" {
		select {
		case n.states <- l.reached:
		default:
		}
	}
}

// count shows how long a wake has lasted, or how long the cooldown still runs.
func (n *narrator) count() {
	st := n.status()
	var l line
	switch {
	case st.State == target.Starting:
		l = line{word: "waking", text: fmt.Sprintf("for %v, %d waiting", seconds(time.Since(st.Since)), st.Waiting)}
	case st.State == target.Ready && !st.StopAt.IsZero():
		l = line{word: "idle", text: fmt.Sprintf("asleep in %v", seconds(time.Until(st.StopAt)))}
	default:
		return
	}
	n.erase()
	if n.terminal {
		fmt.Fprint(n.out, n.format(l.word, l.text))
		n.counting = true
		return
	}
	fmt.Fprintln(n.out, n.format(l.word, l.text))
}

// erase removes a counting line, which the next line replaces.
func (n *narrator) erase() {
	if n.counting {
		fmt.Fprint(n.out, "\r\033[K")
		n.counting = false
	}
}

func (n *narrator) format(word, text string) string {
	padded := fmt.Sprintf("%-9s", word)
	if n.terminal {
		padded = "\033[" + colours[word] + "m" + padded + "\033[0m"
	}
	return fmt.Sprintf("%7.1fs  %s  %s", time.Since(n.began).Seconds(), padded, text)
}

// await returns when the target enters the state.
func (n *narrator) await(ctx context.Context, state string) error {
	for {
		select {
		case reached := <-n.states:
			if reached == state {
				return nil
			}
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// print writes at once; for use before run and after it.
func (n *narrator) print(format string, args ...any) { fmt.Fprintf(n.out, format, args...) }

func (n *narrator) introduce(s *stage, playing bool) {
	n.print(`A small TCP service sleeps behind rouse. Nothing of it runs yet.

  clients connect to   %s
  the service lives at %s, once it is awake (it takes %v to boot)
  the hooks are        %s
                       %s
  the cooldown is      %v

`, s.listen, s.backend, bootTime, s.path("start.sh"), s.path("stop.sh"), cooldown)
	if playing {
		return
	}
	host, port := s.listen.Addr(), s.listen.Port()
	n.print(`Wake it from another terminal, type a line, and leave with Ctrl-D or Ctrl-C:

  nc %s %d

and watch it in a browser:

  %s

Ctrl-C here ends the demo.

`, host, port, s.page)
}

func (n *narrator) farewell(played bool) {
	n.erase()
	fmt.Fprintln(n.out)
	if played {
		fmt.Fprintln(n.out, "That is the whole job. Put your own scripts and address in: rouse --help")
		return
	}
	fmt.Fprintln(n.out, "The demo has ended; the service is stopped and its folder removed.")
}

func seconds(d time.Duration) time.Duration { return max(d, 0).Round(100 * time.Millisecond) }
