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

// runs says whether it is certain that the recorded process still runs.
func (r record) runs() bool {
	lives, err := r.lives()
	return lives && err == nil
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
	r := record{Event: p.hook.event, PID: p.cmd.Process.Pid, Epoch: op.Epoch, Began: p.begun.Round(0)}
	r.Deadline, _ = ctx.Deadline()
	if err := noteHook(d.recordPath, r); err != nil {
		d.log.Warn(notRecorded, "hook", p.hook.event, "err", err)
	}
}

const notRecorded = "running hook cannot be recorded; after a crash it would not be found"

// noteHook completes and writes the record of a hook, unless it has ended already
// or this system cannot tell one process from a later one.
func noteHook(path string, r record) error {
	err := r.complete()
	if errors.Is(err, errors.ErrUnsupported) || errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return replaceFile(path, r)
}

// complete adds what tells the process from a later one with its number.
func (r *record) complete() error {
	id, err := identify(r.PID)
	if err == nil {
		r.Start, r.Boot = id.start, bootID()
	}
	return err
}

// recordOf is the record of the process of a job. Where that has ended already, or the
// system does not say, it is one of no process that lives.
func recordOf(ctx context.Context, j job, pid int, began time.Time) record {
	r := record{Event: j.event, PID: pid, Epoch: j.op.Epoch, Began: began.Round(0)}
	r.Deadline, _ = ctx.Deadline()
	_ = r.complete()
	return r
}

// replaceFile writes v to path in one step. It is not synced: neither a record nor
// a result is of use after a power failure.
func replaceFile(path string, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	temporary := path + ".tmp"
	if err := removeFile(temporary); err != nil {
		return err
	}
	if err := os.WriteFile(temporary, append(b, '\n'), 0o600); err != nil {
		_ = os.Remove(temporary)
		return err
	}
	return os.Rename(temporary, path)
}

// removeFile removes what may be gone already.
func removeFile(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

func (d *Driver) removeRecord() {
	if err := removeFile(d.recordPath); err != nil {
		d.log.Warn("record of a hook cannot be removed", "err", err)
	}
}

// settle waits until a hook that was left running has ended, be it kept or not. It
// returns the lock, so that no other begins; nil if this system has none to give.
func (d *Driver) settle(ctx context.Context) (*lock, error) {
	held, err := d.acquire(ctx)
	if err != nil {
		return nil, err
	}
	if err := d.settleRecord(ctx); err != nil {
		held.free()
		return nil, err
	}
	return held, nil
}

// acquire waits for the keeper that has the lock.
func (d *Driver) acquire(ctx context.Context) (*lock, error) {
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for try := 1; ; try++ {
		held, err := openLock(d.lockPath)
		free := false
		if err == nil {
			if free, err = held.try(); free && held.stands(d.lockPath) {
				return held, nil
			}
			held.drop()
		}
		switch {
		case transient(err):
			return nil, fmt.Errorf("looking for a hook that was left running: %w", err)
		case errors.Is(err, errors.ErrUnsupported):
			return nil, nil
		case err != nil:
			d.warnOnce("hooks run without a lock; after a crash a second one may begin", err)
			return nil, nil
		}
		const passing = 2 // at the first try it may be a process on its way to another program
		if try == passing && !free {
			r, _ := d.readRecord()
			d.log.Warn("waiting for a hook that was left running", "hook", r.Event, "pid", r.PID, "deadline", r.Deadline)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			r, _ := d.readRecord()
			return nil, d.stillThere(ctx, r)
		}
	}
}

func (d *Driver) readRecord() (record, error) {
	b, err := readPlain(d.recordPath, largestRecord)
	if err != nil {
		return record{}, err
	}
	return parseRecord(b)
}

// settleRecord waits until a recorded hook has ended that nobody keeps any more,
// and ends it once its time is up.
func (d *Driver) settleRecord(ctx context.Context) error {
	r, err := d.readRecord()
	if errors.Is(err, fs.ErrNotExist) {
		return nil
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
	err := fmt.Errorf("waiting for a hook that was left running: %w", context.Cause(ctx))
	if r.PID != 0 {
		err = fmt.Errorf("waiting for the %s hook that was left running as process %d: %w", r.Event, r.PID, context.Cause(ctx))
	}
	if errors.Is(err, driver.ErrDetach) {
		return err
	}
	return fmt.Errorf("%w: %w", err, driver.ErrTemporary)
}
