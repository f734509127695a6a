package exec

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"syscall"
	"time"

	"github.com/rouse-proxy/rouse/internal/driver"
)

const (
	outcomeFormat  = 1
	largestOutcome = 32 << 10 // bytes that are read of a file that a keeper should have written
	mostKeys       = 64       // unknown keys of ROUSE_OUTPUT that are told
)

// Why a hook was ended before it had ended by itself.
const (
	cutByDeadline = "deadline"
	cutByOrder    = "order"
)

// An outcome says how one run of a start or stop hook ended. Its keeper sends it to
// rouse, and leaves it in a file for the next one.
type outcome struct {
	Format int           `json:"format"`
	Event  string        `json:"event"`
	Epoch  uint64        `json:"epoch"`
	PID    int           `json:"pid,omitempty"` // 0: it was not started
	Began  time.Time     `json:"began"`
	Ended  time.Time     `json:"ended"`
	Within time.Duration `json:"within,omitempty"` // time that it had, in nanoseconds; 0: no limit

	Code   int    `json:"code"`              // exit code, if Signal is 0
	Signal int    `json:"signal,omitempty"`  // that ended it
	Core   bool   `json:"core,omitempty"`    // and it dumped core
	Errno  int    `json:"errno,omitempty"`   // why the system did not start it
	Lost   string `json:"lost,omitempty"`    // why it was not started, or its end was not seen, when there is no number
	Cut    string `json:"cut,omitempty"`     // why it was ended: cutByDeadline, cutByOrder
	Cause  string `json:"cause,omitempty"`   // of the order, in the words of the rouse that gave it
	LogAt  int64  `json:"log_at"`            // where its output begins in the output file
	LogEnd int64  `json:"log_end,omitempty"` // where it ended; 0: it is not there
	Left   left   `json:"left,omitzero"`     // in ROUSE_OUTPUT, by a start that succeeded
}

// done says whether the hook did its work.
func (o outcome) done() bool {
	return o.Errno == 0 && o.Lost == "" && o.Cut == "" && o.Signal == 0 && o.Code == 0
}

// left is what a start hook has left in ROUSE_OUTPUT.
type left struct {
	Address string   `json:"address,omitempty"`
	Unknown []string `json:"unknown,omitempty"` // keys
	Bad     string   `json:"bad,omitempty"`     // why it cannot be understood
}

// readLeft reads the file that a start hook found in ROUSE_OUTPUT.
func readLeft(path string) left {
	address, unknown, err := readResult(path)
	if err != nil {
		return left{Bad: err.Error()}
	}
	return left{Address: address, Unknown: unknown[:min(len(unknown), mostKeys)]}
}

// parseOutcome checks what it reads as if a stranger had written it.
func parseOutcome(b []byte) (outcome, error) {
	var o outcome
	if err := json.Unmarshal(b, &o); err != nil {
		return outcome{}, err
	}
	switch {
	case o.Format != outcomeFormat:
		return outcome{}, fmt.Errorf("its format is %d, not %d", o.Format, outcomeFormat)
	case o.Event != "start" && o.Event != "stop", o.PID < 0, o.Within < 0,
		o.LogAt < 0, o.LogEnd < 0, o.Code < 0 || o.Code > 255, o.Signal < 0 || o.Signal > 127, o.Errno < 0 || o.Errno > 1<<12,
		o.Cut != "" && o.Cut != cutByDeadline && o.Cut != cutByOrder, len(o.Left.Unknown) > mostKeys:
		return outcome{}, errForeign
	}
	for _, key := range o.Left.Unknown {
		if !validKey(key) {
			return outcome{}, errForeign
		}
	}
	if a := o.Left.Address; a != "" {
		if clean, err := parseAddress(a); err != nil || clean != a {
			return outcome{}, errForeign
		}
	}
	for _, text := range []*string{&o.Lost, &o.Cause, &o.Left.Bad} {
		*text = sanitize([]byte(*text), longestFact)
	}
	return o, nil
}

// text says how the process ended, in the words of [os.ProcessState].
func (o outcome) text() string {
	if o.Signal == 0 {
		return fmt.Sprintf("exit status %d", o.Code)
	}
	text := "signal: " + syscall.Signal(o.Signal).String()
	if o.Core {
		text += " (core dumped)"
	}
	return text
}

// err is nil if h did its work. output is the end of what it wrote.
func (o outcome) err(h hook, output string) error {
	switch {
	case o.done():
		return nil
	case o.Errno != 0:
		return explainLaunch(&fs.PathError{Op: "fork/exec", Path: h.argv[0], Err: syscall.Errno(o.Errno)})
	case o.Lost != "":
		return errors.New(o.Lost)
	case o.Cut == cutByDeadline:
		return cutoff{advice: h.advice, after: o.Within, limited: true, cause: context.DeadlineExceeded}.explain(output)
	case o.Cut == cutByOrder:
		return cutoff{advice: h.advice, after: o.Ended.Sub(o.Began), cause: errors.New(o.Cause)}.explain(output)
	}
	return exited{code: o.Code, text: o.text()}.explain(output)
}

// Resume waits for a hook that an earlier rouse left running, and says how the
// newest start or stop of op's epoch ended.
func (d *Driver) Resume(ctx context.Context, op driver.Op) (driver.Outcome, error) {
	o, err := d.resume(ctx)
	if err != nil {
		return driver.Outcome{}, fmt.Errorf("looking for the result of a hook that was left running: %w", err)
	}
	stale := o.Event == d.stop.event && o.Ended.Before(op.Since) // others have started the target since, which is no new epoch
	if o.Event == "" || o.Epoch != op.Epoch || stale {
		return driver.Outcome{}, nil
	}
	h := d.start
	if o.Event == d.stop.event {
		h = d.stop
	}
	out := driver.Outcome{Action: o.Event, Err: h.outcome(o.err(h, d.output.quote(o.LogAt, o.LogEnd)))}
	if out.Err == nil && h.event == d.start.event {
		out.Address, out.Err = d.address(o.Left)
	}
	return out, nil
}

// resume returns what the newest keeper left; empty if there is nothing of use.
func (d *Driver) resume(ctx context.Context) (outcome, error) {
	select {
	case d.turn <- struct{}{}:
		defer d.give()
	case <-ctx.Done():
		return outcome{}, context.Cause(ctx)
	}
	if ctx.Err() != nil {
		return outcome{}, context.Cause(ctx)
	}
	held, err := d.settle(ctx)
	if err != nil {
		return outcome{}, err
	}
	defer held.free()
	return d.readOutcome()
}

// readOutcome returns what the newest keeper has written; empty if there is nothing of use. The caller has the lock.
func (d *Driver) readOutcome() (outcome, error) {
	b, err := readPlain(d.outcomePath, largestOutcome)
	if errors.Is(err, fs.ErrNotExist) {
		return outcome{}, nil
	}
	if transient(err) {
		return outcome{}, err
	}
	var o outcome
	if err == nil {
		o, err = parseOutcome(b)
	}
	if err != nil {
		d.log.Warn("result of a hook ignored", "err", err)
	}
	d.tellOutcome(o, "")
	return o, nil
}

// forget removes the result of an earlier run, so that it is never taken for that
// of the run which begins.
func (d *Driver) forget() error { return removeFile(d.outcomePath) }
