package gate

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
)

func TestCapacityCountsReleasedClients(t *testing.T) {
	for _, c := range []struct {
		limit, reserve uint64
		want           int
	}{
		{20000, 48, 9976}, {1024, 48, 488}, {64, 48, 8}, {48, 48, 1}, {0, 48, 1}, {1 << 62, 48, 1 << 20},
	} {
		if got := Capacity(c.limit, c.reserve, PerClient); got != c.want {
			t.Errorf("Capacity(%d, %d) = %d, want %d", c.limit, c.reserve, got, c.want)
		}
	}
}

func TestSlotsAreGivenBack(t *testing.T) {
	s := NewSlots(1)
	if !s.TryAcquire() || s.TryAcquire() {
		t.Fatal("a budget of one must let exactly one in")
	}
	gone := errors.New("gone")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(gone)
	if err := s.Acquire(ctx); !errors.Is(err, gone) {
		t.Fatalf("Acquire on a full budget = %v, want the context's cause", err)
	}
	s.Release()
	if err := s.Acquire(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestWhoeverWaitsForASlotIsToldOnce(t *testing.T) {
	s := NewSlots(1)
	told := 0
	s.WhenFree(func() { told++ })
	if told != 1 {
		t.Fatalf("told %d times of a slot that is free, want once", told)
	}
	s.TryAcquire()
	s.WhenFree(func() { told++ })
	if told != 1 {
		t.Fatal("told of a slot though none is free")
	}
	s.Release()
	s.TryAcquire()
	s.Release()
	if told != 2 {
		t.Errorf("told %d times, want twice", told)
	}
}

func TestManyTakeTurnsInAFullBudget(t *testing.T) {
	s := NewSlots(2)
	var inside, most atomic.Int32
	var all sync.WaitGroup
	for range 16 {
		all.Go(func() {
			for range 200 {
				if err := s.Acquire(t.Context()); err != nil {
					t.Error(err)
					return
				}
				if n := inside.Add(1); n > most.Load() {
					most.Store(n)
				}
				inside.Add(-1)
				s.Release()
			}
		})
	}
	all.Wait()
	if most.Load() > 2 {
		t.Errorf("%d were inside at once, want at most 2", most.Load())
	}
}
