package target

import (
	"sync"
	"testing"
	"time"
)

// ready is a target that stays awake, and held unless edges are what is measured.
func ready(b *testing.B, held bool) *Target {
	b.Helper()
	m := &machineRoom{saveErr: errBroken}
	opts := Options{Name: "web", Address: "vm:80", Driver: m, Prober: m, Store: m, Cooldown: time.Hour, Look: -1}
	tg, err := New(opts)
	if err != nil {
		b.Fatal(err)
	}
	var life sync.WaitGroup
	life.Go(func() { _ = tg.Run(b.Context()) })
	b.Cleanup(life.Wait)
	h, err := tg.Acquire(b.Context(), "benchmark")
	if err != nil {
		b.Fatal(err)
	}
	for !tg.door.enter() { // opened a moment after the answer
		time.Sleep(time.Millisecond)
	}
	if !held {
		h.Release()
		tg.door.leave()
	}
	return tg
}

func pass(b *testing.B, tg *Target, h *Hold) {
	for !tg.TryHold(h) { // shut for a moment
	}
	h.Release()
}

// BenchmarkFastHold is a client among others.
func BenchmarkFastHold(b *testing.B) {
	tg := ready(b, true)
	b.ReportAllocs()
	var h Hold
	for b.Loop() {
		pass(b, tg, &h)
	}
}

func BenchmarkFastHoldParallel(b *testing.B) {
	tg := ready(b, true)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		var h Hold
		for pb.Next() {
			pass(b, tg, &h)
		}
	})
}

// BenchmarkFastHoldAlone is the first and last client each time: the supervisor is nudged.
func BenchmarkFastHoldAlone(b *testing.B) {
	tg := ready(b, false)
	b.ReportAllocs()
	var h Hold
	for b.Loop() {
		pass(b, tg, &h)
	}
}

// counter is a Waiter that counts its answers.
type counter struct{ sync.WaitGroup }

func (c *counter) Answered(_ *Hold, _ error) { c.Done() }
func (c *counter) Cause() string             { return "benchmark" }

// BenchmarkAskOneByOne asks and waits for each answer.
func BenchmarkAskOneByOne(b *testing.B) {
	tg := ready(b, true)
	b.ReportAllocs()
	var h Hold
	var c counter
	for b.Loop() {
		c.Add(1)
		tg.Ask(&h, &c)
		c.Wait()
		h.Release()
	}
}

// BenchmarkAskTenThousand is a crowd at once, at a target that is ready.
func BenchmarkAskTenThousand(b *testing.B) {
	tg := ready(b, true)
	b.ReportAllocs()
	holds := make([]Hold, 10000)
	var c counter
	for b.Loop() {
		c.Add(len(holds))
		for i := range holds {
			tg.Ask(&holds[i], &c)
		}
		c.Wait()
		for i := range holds {
			holds[i].Release()
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(holds)), "ns/client")
}

// BenchmarkGrantTenThousand is a crowd that has waited: from ready to the last answer.
func BenchmarkGrantTenThousand(b *testing.B) {
	m := &machineRoom{saveErr: errBroken}
	tg, err := New(Options{Name: "web", Address: "vm:80", Driver: m, Prober: m, Store: m})
	if err != nil {
		b.Fatal(err)
	}
	s := newSupervisor(tg)
	defer s.timer.Stop()
	defer s.progress.Stop()
	b.ReportAllocs()
	holds := make([]Hold, 10000)
	var c counter
	for b.Loop() {
		b.StopTimer()
		s.machine = machine{state: Starting, op: opStart, mayRun: true, waiting: len(holds)}
		for i := range holds {
			holds[i].target, holds[i].waiter = tg, &c
			s.queue.push(&holds[i])
		}
		c.Add(len(holds))
		b.StartTimer()
		s.take(b.Context(), input{kind: stepStarted}, because(""))
		c.Wait()
		for i := range holds {
			holds[i].Release()
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(holds)), "ns/client")
}
