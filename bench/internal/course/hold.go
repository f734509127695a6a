//go:build linux

package course

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/rouse-proxy/rouse/bench/internal/backend"
	"github.com/rouse-proxy/rouse/bench/internal/candidate"
	"github.com/rouse-proxy/rouse/bench/internal/load"
	"github.com/rouse-proxy/rouse/bench/internal/procfs"
)

// settle is how long a proxy gets between its last new connection and a look at it.
const settle = 500 * time.Millisecond

// crowdOfIdle is one number of idle connections.
type crowdOfIdle struct {
	key   string
	conns int
}

// idle measures what connections cost that do nothing, each candidate fresh from its start.
func (c *course) idle(ctx context.Context) error {
	for _, crowd := range []crowdOfIdle{{"idle", c.IdleConns}, {"idlemost", c.IdleMost}} {
		for repeat := range c.IdleRepeats {
			if crowd.conns == 0 {
				continue
			}
			fmt.Fprintf(c.Log, "repeat %d of %d, %s:", repeat+1, c.IdleRepeats, crowd.key)
			if err := c.idleAll(ctx, crowd, repeat); err != nil {
				return err
			}
			fmt.Fprintln(c.Log)
		}
	}
	return nil
}

// idleAll visits every candidate. Their last looks come together, when all connections are long closed.
func (c *course) idleAll(ctx context.Context, crowd crowdOfIdle, repeat int) error {
	var later []func() error
	for _, cand := range rotated(c.Candidates, repeat) {
		after, err := c.idleOne(ctx, cand, crowd, repeat)
		if err != nil {
			for _, f := range later {
				_ = f() // ends the others
			}
			return err
		}
		later = append(later, after)
	}
	for _, f := range later {
		if err := f(); err != nil {
			return err
		}
	}
	return nil
}

// idleOne measures one candidate. The function that it gives takes the last look, some
// time after all has been closed, and ends the candidate; until then others can be measured.
func (c *course) idleOne(ctx context.Context, cand candidate.Candidate, crowd crowdOfIdle, repeat int) (after func() error, err error) {
	s, err := c.put(cand, true)
	if err != nil {
		c.note(crowd.key, cand.Name, repeat, load.Result{Errors: 1, Note: err.Error()})
		return func() error { return nil }, nil
	}
	before, slab := procfs.Use(s.pid()), procfs.Slab()
	w, err := c.work(ctx, load.Job{Kind: "idle", Addr: s.Listen, Streams: c.idleConns(cand, crowd.conns), Core: -1, Window: time.Minute})
	if err != nil {
		_ = c.take(s)
		return nil, err
	}
	values, err := c.watchIdle(ctx, w, s, before, slab)
	w.release()
	result, failed := w.result()
	if err == nil {
		err = failed
	}
	if err != nil {
		_ = c.take(s)
		return nil, err
	}
	closed := time.Now()
	result.Values = values
	return func() error {
		err := pause(ctx, time.Until(closed.Add(c.IdleAfter)))
		if s.proc != nil {
			values["after"] = float64(procfs.Use(s.pid()).RSS) / 1e6
			values["kept"] = values["after"] - values["before"]
		}
		c.note(crowd.key, s.Name, repeat, result)
		_ = c.take(s)
		return err
	}, nil
}

// watchIdle looks at a candidate whose connections stand and do nothing.
func (c *course) watchIdle(ctx context.Context, w *work, s *stand, before procfs.Usage, slab int64) (map[string]float64, error) {
	held, err := w.held()
	if err != nil {
		return nil, err
	}
	if err := pause(ctx, settle); err != nil {
		return nil, err
	}
	n := float64(max(held, 1))
	values := map[string]float64{"held": n, "slab": float64(procfs.Slab()-slab) / n}
	if s.proc == nil {
		return values, nil
	}
	use, cpu := procfs.Use(s.pid()), procfs.CPU(s.pid())
	start := time.Now()
	if err := pause(ctx, c.IdleWindow); err != nil {
		return nil, err
	}
	took := time.Since(start).Seconds()
	values["cpu"] = 100 * (procfs.CPU(s.pid()) - cpu).Seconds() / took
	values["wakeups"] = float64(procfs.Use(s.pid()).Switches-use.Switches) / took
	values["rss"] = float64(use.RSS-before.RSS) / n
	values["fds"] = float64(use.FDs-before.FDs) / n
	values["before"] = float64(before.RSS) / 1e6
	return values, nil
}

// wakes lets clients wait for a backend that opens later, with a long and with a short queue.
func (c *course) wakes(ctx context.Context) error {
	for repeat := range c.Repeats {
		for i, kind := range []struct {
			key              string
			backlog, clients int
		}{{"wake", backlog, c.wakeClients()}, {"wake128", 128, c.wakeClients()}, {"crowd", backlog, c.crowd()}} {
			if kind.clients == 0 || kind.key == "crowd" && repeat >= c.IdleRepeats {
				continue
			}
			fmt.Fprintf(c.Log, "repeat %d of %d, %s:", repeat+1, c.Repeats, kind.key)
			for _, cand := range rotated(c.Wakers, repeat+i) {
				result, err := c.wakeOne(ctx, cand, kind.backlog, kind.clients)
				if err != nil {
					return err
				}
				c.note(kind.key, cand.Name, repeat, result)
			}
			fmt.Fprintln(c.Log)
		}
	}
	return nil
}

// wakeOne holds n clients at a fresh candidate, then opens the backend.
func (c *course) wakeOne(ctx context.Context, cand candidate.Candidate, backlog, n int) (load.Result, error) {
	s, err := c.put(cand, false)
	if err != nil {
		return load.Result{Errors: 1, Note: err.Error()}, ctx.Err()
	}
	defer s.proc.Stop()
	before, cpu := procfs.Use(s.pid()), procfs.CPU(s.pid())
	w, err := c.work(ctx, load.Job{Kind: "wake", Addr: s.Listen, Streams: n, Core: -1, Window: 10*time.Second + c.WakeDelay})
	if err != nil {
		return load.Result{}, err
	}
	held, err := w.held()
	if err == nil {
		err = pause(ctx, c.WakeDelay)
	}
	use := procfs.Use(s.pid())
	opened, ordered := c.order("listen", s.Backend, backlog)
	result, failed := w.result()
	if ctx.Err() != nil {
		return load.Result{}, ctx.Err()
	}
	for _, e := range []error{err, ordered, failed} {
		if e != nil {
			return load.Result{Errors: 1, Note: e.Error()}, nil
		}
	}
	used := procfs.CPU(s.pid()) - cpu
	closed, err := c.order("close", s.Backend, 0)
	if err != nil {
		return load.Result{}, err
	}
	since(result.Values, opened)
	result.Values["cpu"] = used.Seconds()
	result.Values["rss"] = float64(use.RSS-before.RSS) / float64(max(held, 1))
	result.Values["fds"] = float64(use.FDs-before.FDs) / float64(max(held, 1))
	result.Values["accepts"] = float64(closed.Accepts)
	if closed.First != 0 {
		result.Values["detect"] = float64(closed.First-opened.At) / 1e6
	}
	return result, nil
}

// since turns moments of the monotonic clock into milliseconds since the backend listened.
func since(values map[string]float64, opened backend.Answer) {
	for _, key := range []string{"first", "middle", "last"} {
		if v, ok := values[key]; ok {
			values[key] = v - float64(opened.At)/1e6
		}
	}
}

// waiting measures what it costs to wait for a long boot with one client.
func (c *course) waiting(ctx context.Context) error {
	i := slices.IndexFunc(c.Wakers, func(w candidate.Candidate) bool { return w.Name == "rouse" })
	if !c.Waiting || i < 0 {
		return nil
	}
	fmt.Fprint(c.Log, "waiting 20 s with one client:")
	defer fmt.Fprintln(c.Log)
	s, err := c.put(c.Wakers[i], false)
	if err != nil {
		c.note("waiting", c.Wakers[i].Name, 0, load.Result{Errors: 1, Note: err.Error()})
		return ctx.Err()
	}
	defer s.proc.Stop()
	w, err := c.work(ctx, load.Job{Kind: "wake", Addr: s.Listen, Streams: 1, Core: -1, Window: time.Minute})
	if err != nil {
		return err
	}
	defer w.cancel()
	if _, err := w.held(); err != nil {
		return err
	}
	values := map[string]float64{}
	for _, part := range []struct {
		key        string
		wait, look time.Duration
	}{{"early", settle, 9 * time.Second}, {"late", 2500 * time.Millisecond, 8 * time.Second}} {
		if err := pause(ctx, part.wait); err != nil {
			return err
		}
		cpu, start := procfs.CPU(s.pid()), time.Now()
		if err := pause(ctx, part.look); err != nil {
			return err
		}
		values[part.key] = 100 * (procfs.CPU(s.pid()) - cpu).Seconds() / time.Since(start).Seconds()
	}
	c.note("waiting", s.Name, 0, load.Result{Values: values})
	w.cancel()
	_, _ = w.result() // it was killed
	return nil
}
