//go:build linux

package town

import (
	"context"
	"fmt"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/rouse-proxy/rouse/internal/fakecloud"
	"github.com/rouse-proxy/rouse/test/chaos/internal/crowd"
	"github.com/rouse-proxy/rouse/test/chaos/internal/street"
)

// front is where clients go.
var front = fmt.Sprintf("%s:%d", frontAddr, frontPort)

// invite lets the clients come, each in its time. What it returns waits for all of them.
func (t *Town) invite(ctx context.Context) func() []crowd.Verdict {
	verdicts := make([]crowd.Verdict, len(t.Plan.Crowd))
	var guests sync.WaitGroup
	for i, p := range t.Plan.Crowd {
		guests.Go(func() {
			if sleep(ctx, time.Until(t.began.Add(p.At))) {
				verdicts[i] = t.visit(ctx, p)
			}
		})
	}
	return func() []crowd.Verdict {
		guests.Wait()
		return slices.DeleteFunc(verdicts, func(v crowd.Verdict) bool { return v.Outcome == "" })
	}
}

// visit is one client's time here. It needs the machine meanwhile.
func (t *Town) visit(ctx context.Context, p crowd.Plan) crowd.Verdict {
	defer t.cloud.need(fmt.Sprintf("client %d", p.ID))()
	v := crowd.Visit(ctx, p, crowd.Options{Patience: patience, Dial: dialer(t.clients[p.House])})
	t.tell(fmt.Sprintf("client %d (%s, %s): %s after %v, %d bytes right %s", p.ID, p.Kind, v.Local, v.Outcome,
		v.Ended.Sub(v.Born).Round(time.Millisecond), v.Checked, v.Detail))
	return v
}

func dialer(house *street.House) func(context.Context) (*net.TCPConn, error) {
	return func(ctx context.Context) (*net.TCPConn, error) { return house.Dial(ctx, front) }
}

// serveOneMore is a client that comes when all is well again. It may be told to come back, but not for ever.
func (t *Town) serveOneMore(ctx context.Context) crowd.Verdict {
	p := crowd.Plan{ID: len(t.Plan.Crowd) + 1, Kind: crowd.Half, Size: 1000, Seed: t.Plan.Seed}
	deadline := time.Now().Add(patience)
	for {
		v := t.visit(ctx, p)
		if v.Outcome == crowd.Served || v.Outcome == crowd.Wrong || ctx.Err() != nil {
			return v
		}
		if time.Now().After(deadline) {
			t.complain("%v after all was healed, rouse still serves nobody: %s, %s", patience, v.Outcome, v.Detail)
			return v
		}
		sleep(ctx, 500*time.Millisecond)
	}
}

// awaitSleep waits until the machine is off.
func (t *Town) awaitSleep(when string) {
	deadline := time.Now().Add(asleepWithin)
	for {
		r, err := t.cloud.read()
		switch {
		case err == nil && r.State == fakecloud.Stopped && len(find(isHook)) == 0:
			t.tell("the machine sleeps " + when)
			return
		case time.Now().After(deadline):
			t.complain("%s, the machine is %s and not asleep after %v: it is stranded", when, r.State, asleepWithin)
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
}
