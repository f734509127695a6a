//go:build linux

package town

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/rouse-proxy/rouse/internal/fakecloud"
)

// cloudNemeses are the faults of the provider.
func cloudNemeses() []nemesis {
	counted := func(k fakecloud.Kind, mild bool) nemesis {
		return nemesis{name: string(k), least: time.Second, most: 4 * time.Second, excused: true, mild: mild, begin: counter(k)}
	}
	timed := func(k fakecloud.Kind, most time.Duration, mild bool) nemesis {
		return nemesis{name: string(k), least: time.Second, most: 4 * time.Second, mild: mild, begin: lasting(k, most)}
	}
	stranger := counted(fakecloud.Stranger, true)
	died := timed(fakecloud.AppDies, 10*time.Millisecond, false)
	died.begin = appDies
	stranger.status = true // what listens at the old address may as well be our machine
	return []nemesis{
		counted(fakecloud.Throttle, true), counted(fakecloud.Quota, false), counted(fakecloud.StartFails, false),
		counted(fakecloud.StopFails, true), counted(fakecloud.Stockout, false), stranger,
		timed(fakecloud.SlowBoot, 3*time.Second, true), timed(fakecloud.LatePort, 2*time.Second, true),
		timed(fakecloud.Flap, time.Second, false), timed(fakecloud.Forwarder, time.Second, true),
		timed(fakecloud.StuckStopping, 4*time.Second, true),
		timed(fakecloud.Crash, 10*time.Millisecond, false), timed(fakecloud.Preempt, 10*time.Millisecond, false),
		died,
		{name: "other-hand", least: recheck + time.Second, most: recheck + time.Second, excused: true, mild: true, status: true, begin: otherHand},
	}
}

// counter lets a fault happen once or twice, at the next operations.
func counter(k fakecloud.Kind) func(context.Context, *Town, Act) (func() error, error) {
	return func(_ context.Context, t *Town, a Act) (func() error, error) {
		return nil, t.cloud.inject(fmt.Sprintf("%s=%d", k, 1+a.Amount%2))
	}
}

// lasting lets a fault happen that takes a while.
func lasting(k fakecloud.Kind, most time.Duration) func(context.Context, *Town, Act) (func() error, error) {
	return func(_ context.Context, t *Town, a Act) (func() error, error) {
		d := time.Duration(1+a.Amount%int(most.Milliseconds())) * time.Millisecond
		return nil, t.cloud.inject(fmt.Sprintf("%s=%v", k, d))
	}
}

// appDies lets the machine run on, without anybody in it who answers. If rouse is starting it, it has its start timeout.
func appDies(ctx context.Context, t *Town, a Act) (func() error, error) {
	go t.needUntilOff("its application died", startTimeout)
	return lasting(fakecloud.AppDies, 10*time.Millisecond)(ctx, t, a)
}

// needUntilOff needs the machine until it is off, or for so long.
func (t *Town) needUntilOff(who string, most time.Duration) {
	defer t.cloud.need(who)()
	for deadline := time.Now().Add(most); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		if r, err := t.cloud.read(); err != nil || r.State == fakecloud.Stopped {
			return
		}
	}
}

// otherHand starts the machine without asking rouse, which has to find out. If rouse is starting it as well, it may wait for
// it at another address, for as long as its start timeout.
func otherHand(ctx context.Context, t *Town, _ Act) (func() error, error) {
	ctx, cancel := context.WithTimeout(ctx, cloudWithin)
	defer cancel()
	err := t.cloud.Start(ctx, machine, "another hand")
	go t.needUntilOff("another hand has started it, maybe elsewhere", startTimeout)
	if _, refused := errors.AsType[*fakecloud.Refusal](err); refused {
		return nil, nil
	}
	return nil, err
}
