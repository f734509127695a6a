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
