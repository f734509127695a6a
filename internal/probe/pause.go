package probe

import (
	"sync/atomic"
	"time"
)

// Between refusals: nothing listens yet, so asking costs the target nothing, and the port may open at any moment.
// It costs us, for each attempt wakes this machine: measured on Linux, 5 ms take 3 % of a core and 100 ms less than 1 %, see
// BenchmarkWaiting.
const (
	promptPause = 5 * time.Millisecond
	slowPause   = 100 * time.Millisecond
	promptFor   = 10 * time.Second // how long, at the start and around the expected moment, pauses are prompt
)

// refusedPause is how soon a refused connection is tried again after elapsed of waiting, when the last long boot took
// usual. Outside the prompt windows the pause is a small part of what the client has waited already.
func refusedPause(elapsed, usual time.Duration) time.Duration {
	if elapsed < promptFor || (elapsed-usual).Abs() <= promptFor/2 {
		return promptPause
	}
	return min(elapsed/120, slowPause)
}

// boots remembers how long the target took to become ready. Any number of goroutines may use it.
type boots struct {
	last atomic.Int64 // a time.Duration
}

// note takes down one wait that has ended well. Short ones tell nothing: the first seconds are prompt anyway, and a
// target that was up all along has not booted.
func (b *boots) note(took time.Duration) {
	if took >= promptFor {
		b.last.Store(int64(took))
	}
}

func (b *boots) pause(elapsed time.Duration) time.Duration {
	return refusedPause(elapsed, time.Duration(b.last.Load()))
}
