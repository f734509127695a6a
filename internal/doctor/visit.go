package doctor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/rouse-proxy/rouse/internal/driver"
)

const (
	reportTimeout = 30 * time.Second // for one report of the driver
	newsBeat      = 10 * time.Second // between two signs of life in a long step
)

// A visit is one rehearsal that goes on. One goroutine has it.
type visit struct {
	Subject
	out     io.Writer
	steps   int
	address string // where the target is in this run
	report  *Report
}

func newVisit(s Subject, out io.Writer) *visit {
	return &visit{Subject: s, out: out, address: s.Address, report: &Report{}}
}

// sayf writes a line. That nobody reads is no reason to leave a target in the middle of something.
func (v *visit) sayf(format string, args ...any) { _, _ = fmt.Fprintf(v.out, format+"\n", args...) }

// step says what comes next.
func (v *visit) step(format string, args ...any) {
	v.steps++
	v.sayf("\n%d. %s", v.steps, fmt.Sprintf(format, args...))
}

func (v *visit) note(format string, args ...any) { v.sayf("   %s", fmt.Sprintf(format, args...)) }
func (v *visit) fine(format string, args ...any) { v.sayf("   ok: %s", fmt.Sprintf(format, args...)) }

func (v *visit) warned(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	v.report.Warned = append(v.report.Warned, text)
	v.sayf("   note: %s", text)
}

func (v *visit) failed(err error) {
	v.report.Failed = append(v.report.Failed, err.Error())
	v.sayf("   FAILED: %v", err)
}

// howToAsk says how it is found out whether the target is up.
func (v *visit) howToAsk() string {
	if v.Words.Status == "" {
		return "Asking at " + v.address + ": " + v.Words.Probe
	}
	return "Running " + v.Words.Status + ", then asking at " + v.address + ": " + v.Words.Probe
}

func (v *visit) op(reason string) driver.Op {
	return driver.Op{Epoch: v.Epoch, Since: time.Now(), Reason: "doctor: " + reason, Address: v.address}
}

// patiently does something that may take long, and tells from time to time that it goes on.
func (v *visit) patiently(what func() string, f func()) {
	began, done := time.Now(), make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	for {
		news := time.After(max(newsBeat, time.Since(began)/4)) // the longer, the less is new
		select {
		case <-done:
			return
		case <-news:
			v.note("after %v: %s", time.Since(began).Round(time.Second), what())
		}
	}
}

func always(text string) func() string { return func() string { return text } }

// act runs a start or a stop, again and again while it asks for that.
func (v *visit) act(ctx context.Context, what string, f func(context.Context, driver.Op) error) error {
	began := time.Now()
	var err error
	v.patiently(always("it runs"), func() {
		for {
			if err = f(ctx, v.op(what)); !errors.Is(err, driver.ErrTemporary) || ctx.Err() != nil {
				return
			}
			v.note("it wants to be tried again: %v", err)
			select {
			case <-time.After(time.Second):
			case <-ctx.Done():
				return
			}
		}
	})
	if err == nil {
		v.note("it has ended well%s", took(began))
	}
	return err
}

// record writes down whether the target may run.
func (v *visit) record(mayRun bool) {
	v.report.MayRun = mayRun
	if v.Record == nil {
		return
	}
	if err := v.Record(mayRun); err != nil {
		v.warned("the state cannot be saved; should this be interrupted, the next rouse does not know that the target may run: %v", err)
	}
}

// took says how long something took, if that was long enough to matter.
func took(began time.Time) string {
	d := time.Since(began)
	if d < time.Millisecond {
		return ""
	}
	return fmt.Sprintf(" (%v)", round(d))
}

// round leaves of a time what is of interest to people.
func round(d time.Duration) time.Duration {
	switch {
	case d >= time.Minute:
		return d.Round(time.Second)
	case d >= time.Second:
		return d.Round(100 * time.Millisecond)
	}
	return d.Round(time.Millisecond)
}

// conclude says what was found, all in all.
func (v *visit) conclude() {
	r := v.report
	v.sayf("\nResult for %q:", v.Name)
	if r.Ready > 0 {
		v.note("ready %v after the start began: this is what the first client waits", round(r.Ready))
	}
	if r.Down > 0 {
		v.note("down %v after the stop began", round(r.Down))
	}
	v.judge("start-timeout", v.StartTimeout, r.Ready)
	v.judge("stop-timeout", v.StopTimeout, r.Down)
	for _, w := range r.Warned {
		v.note("note: %s", w)
	}
	for _, f := range r.Failed {
		v.note("FAILED: %s", f)
	}
	if r.Well() {
		v.note("all is well")
	}
	v.alarm()
}

// alarm says of a target that may still run that it does.
func (v *visit) alarm() {
	if v.report.MayRun {
		v.note("THE TARGET MAY STILL RUN: look after it yourself. The next rouse with this state directory will find it, and stop it when nobody uses it.")
	}
}

// judge holds a timeout against what was measured.
func (v *visit) judge(name string, have, measured time.Duration) {
	if measured == 0 {
		return
	}
	propose := Propose(measured)
	switch {
	case have < 2*measured:
		v.report.Warned = append(v.report.Warned, fmt.Sprintf("%s is %v, which is tight; %v would leave room for a bad day", name, plain(have), plain(propose)))
	case have > 4*propose && have > 10*time.Minute:
		v.note("%s is %v; %v would be enough, and a failure be noticed sooner", name, plain(have), plain(propose))
	default:
		v.note("%s is %v, which is enough (%v would be, too)", name, plain(have), plain(propose))
	}
}

// Propose returns a timeout for what has taken so long: three times as much, half a minute at least, in round numbers.
func Propose(measured time.Duration) time.Duration {
	step := 10 * time.Second
	d := max(3*measured, 30*time.Second)
	if d > 2*time.Minute {
		step = time.Minute
	}
	return (d + step - 1).Truncate(step)
}

// plain writes a duration as a person would.
func plain(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}
