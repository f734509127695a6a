package gate

import (
	"context"
	"errors"
	"testing"
)

func TestCapacityCountsReleasedClients(t *testing.T) {
	for _, c := range []struct {
		limit, reserve uint64
		want           int
	}{
		{20000, 48, 3325}, {1024, 48, 162}, {64, 48, 2}, {48, 48, 1}, {0, 48, 1}, {1 << 62, 48, 1 << 20},
	} {
		if got := Capacity(c.limit, c.reserve); got != c.want {
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
