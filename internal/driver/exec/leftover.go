package exec

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/rouse-proxy/rouse/internal/driver"
)

// largestRecord bounds what is read of a file that we should have written.
const largestRecord = 4 << 10

// A record says which hook is running, so that the next rouse can find it. The
// pair of boot and start tells the process from a later one with its number.
type record struct {
	Event    string    `json:"event"`
	PID      int       `json:"pid"`   // also its process group
	Start    uint64    `json:"start"` // as of identity.start
	Boot     string    `json:"boot"`  // as of bootID
	Epoch    uint64    `json:"epoch"`
	Began    time.Time `json:"began"`
	Deadline time.Time `json:"deadline,omitzero"` // zero: none
}

// An identity is what the system tells about a process.
type identity struct {
	start  uint64 // when it began, in units of the system; never 0
	group  int
	zombie bool
}

var errForeign = errors.New("it is not one of ours")

func parseRecord(b []byte) (record, error) {
	var r record
	if err := json.Unmarshal(b, &r); err != nil {
		return record{}, err
	}
	if r.PID <= 1 || r.PID == os.Getpid() || r.Start == 0 || r.Event != "start" && r.Event != "stop" {
		return record{}, errForeign
	}
	return r, nil
}

// lives says whether the recorded process still runs. The error is errForeign, or
// that the system did not tell.
func (r record) lives() (bool, error) {
	if r.Boot != bootID() {
		return false, nil
	}
	id, err := identify(r.PID)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return false, nil
	case err != nil:
		return false, err
	case id.start != r.Start || id.zombie:
		return false, nil
	case id.group != r.PID: // a hook always leads its group; never signal another
		return false, errForeign
	}
	return true, nil
}

// left is the time that the process still has; false means that it has no limit.
// It is never more than the hook had to begin with, whatever was done to the
// clock.
func (r record) left() (time.Duration, bool) {
	if r.Deadline.IsZero() {
		return 0, false
	}
	return min(time.Until(r.Deadline), r.Deadline.Sub(r.Began)), true
}

// writeRecord notes the process of a hook that has just begun. A failure is not
// one of the hook: a full disk must not keep a target from being stopped.
func (d *Driver) writeRecord(ctx context.Context, p *process, op driver.Op) {
	pid := p.cmd.Process.Pid
	id, err := identify(pid)
	if errors.Is(err, errors.ErrUnsupported) || errors.Is(err, fs.ErrNotExist) {
		return // this system cannot tell, or the hook has ended already
	}
	if err == nil {
		r := record{
			Event: p.hook.event, PID: pid, Start: id.start, Boot: bootID(), Epoch: op.Epoch,
			Began: p.begun.Round(0),
		}
		r.Deadline, _ = ctx.Deadline()
		err = replaceFile(d.recordPath, r)
	}
	if err != nil {
		d.log.Warn("running hook cannot be recorded; after a crash it would not be found", "hook", p.hook.event, "err", err)
	}
}

// replaceFile writes r to path in one step. It is not synced: a record is of no
// use after a power failure.
func replaceFile(path string, r record) error {
	b, err := json.Marshal(r)
	if err != nil {
		return err
	}
	temporary := path + ".tmp"
	if err := os.Remove(temporary); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.WriteFile(temporary, append(b, '\n'), 0o600); err != nil {
		return err
	}
	return os.Rename(temporary, path)
}

func (d *Driver) removeRecord() {
	if err := os.Remove(d.recordPath); err != nil && !errors.Is(err, fs.ErrNotExist) {
		d.log.Warn("record of a hook cannot be removed", "err", err)
	}
}

// settle waits until a hook that an earlier rouse left running has ended, and
// ends it once its time is up.
func (d *Driver) settle(ctx context.Context) error {
	b, err := readPlain(d.recordPath, largestRecord)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if transient(err) {
		return fmt.Errorf("looking for a hook that was left running: %w", err)
	}
	var r record
	if err == nil {
		r, err = parseRecord(b)
	}
	lives := false
	if err == nil {
		lives, err = r.lives()
	}
	if transient(err) {
		return fmt.Errorf("looking for a hook that was left running: %w", err)
	}
	if err != nil {
		d.log.Warn("record of a running hook ignored", "err", err)
	}
	if lives {
		return d.outlast(ctx, r)
	}
	if err == nil {
		d.tellLeft(r)
	}
	d.removeRecord()
	return nil
}

// outlast waits for the end of the process of r, which lives.
func (d *Driver) outlast(ctx context.Context, r record) error {
	d.log.Warn("waiting for a hook that was left running", "hook", r.Event, "pid", r.PID, "deadline", r.Deadline)
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	end := ending{pid: r.PID, grace: d.grace}
	if left, limited := r.left(); limited {
		if left < -d.grace {
			end.steps = 1 // others have asked it politely, and ran out of time themselves
		}
		end.due = time.After(left)
	}
	for {
		select {
		case <-tick.C:
			lives, err := r.lives()
			asked := end.steps == 1 // then the rest of the group gets its grace too
			if lives || transient(err) || asked && groupLives(r.PID) {
				continue
			}
			d.tellLeft(r)
			d.removeRecord()
			return nil
		case <-end.due:
			end.next()
		case <-ctx.Done():
			return d.stillThere(ctx, r)
		}
	}
}

// stillThere is the error of an operation whose time a leftover used up.
func (d *Driver) stillThere(ctx context.Context, r record) error {
	err := fmt.Errorf("waiting for the %s hook that was left running as process %d: %w", r.Event, r.PID, context.Cause(ctx))
	if errors.Is(err, driver.ErrDetach) {
		return err
	}
	return fmt.Errorf("%w: %w", err, driver.ErrTemporary)
}
