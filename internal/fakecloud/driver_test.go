package fakecloud

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/rouse-proxy/rouse/internal/driver"
)

func TestRefusalsOfTheDriver(t *testing.T) {
	for fault, temporary := range map[string]bool{
		"throttle": true, "stockout": true, "quota": false, "start-fails": false,
	} {
		open(t, Plan{}, func(s *sky) {
			s.inject(fault)
			_, err := s.Driver("vm").Start(s.t.Context(), driver.Op{})
			if err == nil || errors.Is(err, driver.ErrTemporary) != temporary {
				t.Errorf("%s: %v, want one that is temporary: %v", fault, err, temporary)
			}
		})
	}
	open(t, Plan{}, func(s *sky) {
		s.must(s.start())
		if err := s.Driver("vm").Stop(s.t.Context(), driver.Op{}); !errors.Is(err, driver.ErrTemporary) {
			t.Errorf("stop while PENDING: %v, want a temporary error", err)
		}
	})
}

func TestTheDriverLooksAgainWhenItIsThrottled(t *testing.T) {
	open(t, Plan{}, func(s *sky) {
		s.must(s.start())
		s.inject("throttle=3")
		time.Sleep(time.Second)
		d := s.Driver("vm")
		if _, err := d.Report(s.t.Context(), driver.Op{}); err == nil {
			t.Error("a throttled report gave no error")
		}
		if _, err := d.await(s.t.Context(), Running); err != nil {
			t.Error(err)
		}
	})
}

func TestWhatWasAskedForGoesOnWithoutTheDriver(t *testing.T) {
	open(t, Plan{}, func(s *sky) {
		ctx, cancel := context.WithCancelCause(s.t.Context())
		time.AfterFunc(time.Second, func() { cancel(driver.ErrDetach) })
		if _, err := s.Driver("vm").Start(ctx, driver.Op{}); !errors.Is(err, driver.ErrDetach) {
			t.Errorf("got %v, want ErrDetach", err)
		}
		time.Sleep(boot)
		s.is(Running)
	})
}

func TestAHastyDriverDoesNotWait(t *testing.T) {
	open(t, Plan{}, func(s *sky) {
		d := s.Driver("vm")
		d.Hasty = true
		if address, err := d.Start(s.t.Context(), driver.Op{}); err != nil || address != at {
			t.Errorf("start: %q, %v", address, err)
		}
		s.is(Pending)
		time.Sleep(boot + late)
		s.must(d.Stop(s.t.Context(), driver.Op{}))
		s.is(Stopping)
	})
}

func TestAKeeperGoesOnWithoutRouse(t *testing.T) {
	open(t, Plan{Moves: true}, func(s *sky) {
		k := &Keeper{Caller: *s.Driver("vm")}
		ctx, cancel := context.WithCancelCause(s.t.Context())
		time.AfterFunc(time.Second, func() { cancel(driver.ErrDetach) })
		if _, err := k.Start(ctx, driver.Op{Epoch: 7}); !errors.Is(err, driver.ErrDetach) {
			t.Errorf("got %v, want ErrDetach", err)
		}
		running, err := k.Report(s.t.Context(), driver.Op{Epoch: 7}) // waits for the start
		if !running || err != nil {
			t.Errorf("report: %v, %v", running, err)
		}
		s.is(Running)
		past, err := k.Resume(s.t.Context(), driver.Op{Epoch: 7})
		if err != nil || past != (driver.Outcome{Action: "start", Address: "10.0.0.2:80"}) {
			t.Errorf("resume: %+v, %v", past, err)
		}
		if past, err := k.Resume(s.t.Context(), driver.Op{Epoch: 8}); err != nil || past != (driver.Outcome{}) {
			t.Errorf("resume of an epoch without a trace: %+v, %v", past, err)
		}
		if r := s.read(); r.Operations != 2 || r.Overlaps+r.StatusOverlaps != 0 {
			t.Errorf("the judge saw %+v", r)
		}
	})
}

func TestAKeeperEndsWithItsTime(t *testing.T) {
	open(t, Plan{}, func(s *sky) {
		k := &Keeper{Caller: *s.Driver("vm")}
		ctx, cancel := context.WithTimeout(s.t.Context(), time.Second)
		defer cancel()
		if _, err := k.Start(ctx, driver.Op{Epoch: 7}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v, want that its time was over", err)
		}
		if past, err := k.Resume(s.t.Context(), driver.Op{Epoch: 7}); err != nil || past.Err == nil {
			t.Errorf("resume: %+v, %v, want the error", past, err)
		}
	})
}
