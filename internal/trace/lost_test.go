package trace

import (
	"bytes"
	"cmp"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rouse-proxy/rouse/internal/event"
)

// disk is a file that may be full or not answer.
type disk struct {
	mu sync.Mutex
	bytes.Buffer
	fail  int  // so many writes fail, each after its first bytes
	first int  // as many; 0: ten
	hangs bool // until let
	let   chan struct{}
}

func (d *disk) Write(b []byte) (int, error) {
	if d.hangs {
		<-d.let
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.fail > 0 {
		d.fail--
		n := min(len(b), cmp.Or(d.first, 10))
		_, _ = d.Buffer.Write(b[:n])
		return n, errBroken
	}
	return d.Buffer.Write(b)
}

func (d *disk) Close() error { return nil }

// TestNobodyWaitsForADisk that hangs. What found no room is counted where it is missing, and the end waits a moment only.
func TestNobodyWaitsForADisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &disk{hangs: true, let: make(chan struct{})}
		w := newWriter(d, Options{}, false)
		go w.Run()
		synctest.Wait() // it hangs with the first line
		began := time.Now()
		for range room + 7 {
			w.Sink(event.Event{Kind: event.ClientWaits})
		}
		if waited := time.Since(began); waited > 0 {
			t.Errorf("those who emit waited for %v", waited)
		}
		if err := w.Close(); err == nil || !strings.Contains(err.Error(), "does not answer") || time.Since(began) != closeWait {
			t.Errorf("after %v the end says %v", time.Since(began), err)
		}
		close(d.let)
		synctest.Wait()
		all := read(t, d.Bytes())
		i := slices.IndexFunc(all, func(l Line) bool { return l.Kind == kindLost })
		if len(all) != room+3 || i != room+1 || all[i].Lost != 7 {
			t.Errorf("%d lines, %d missing in line %d", len(all), all[max(i, 0)].Lost, i)
		}
	})
}

// TestWhatIsMissingIsToldInItsPlace: behind what had come before, and before what came later. A wait that is told, and whose
// end is not, would else be held against rouse.
func TestWhatIsMissingIsToldInItsPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &disk{hangs: true, let: make(chan struct{})}
		w := newWriter(d, Options{Settings: map[string]Settings{"web": {StartTimeout: time.Minute}}}, false)
		w.now = func() int64 { return time.Now().UnixNano() }
		go w.Run()
		synctest.Wait() // it hangs with the first line
		for range room {
			w.Sink(event.Event{Kind: event.ClientWaits, Target: "web", Client: "192.0.2.7:1"})
		}
		for range 7 {
			w.Sink(event.Event{Kind: event.ClientLeft, Target: "web", Client: "192.0.2.7:1"})
		}
		d.hangs = false
		close(d.let)
		synctest.Wait() // it is told although nobody comes behind it
		if got := kinds(read(t, d.Bytes())[room:]); got != "client waits, trace lost" {
			t.Errorf("the trace ends with %s", got)
		}
		time.Sleep(time.Hour)
		w.Sink(event.Event{Kind: event.ClientWaits, Target: "web", Client: "192.0.2.7:2"})
		if err := w.Close(); err != nil {
			t.Error(err)
		}
		all := read(t, d.Bytes())
		if got := kinds(all[room:]); got != "client waits, trace lost, client waits, rouse ended" || all[room+1].Lost != 7 {
			t.Errorf("the trace ends with %s", got)
		}
		if r := Check(slices.Values(all), CheckOptions{}); !r.OK() || r.Lost != 7 {
			t.Errorf("%s", r)
		}
	})
}

func TestAFullDiskIsSaidOnceAndInTheTrace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		d := &disk{fail: 5}
		w := newWriter(d, Options{Logger: slog.New(slog.NewTextHandler(&log, nil))}, false)
		go w.Run()
		for range 6 { // the first line is written by itself
			synctest.Wait()
			w.Sink(event.Event{Kind: event.ClientWaits})
		}
		synctest.Wait()
		if err := w.Close(); err != nil {
			t.Error(err)
		}
		if n := strings.Count(log.String(), "the trace cannot be written"); n != 1 {
			t.Errorf("said %d times: %s", n, log.String())
		}
		all := read(t, d.Bytes())
		if got := kinds(all); got != "trace lost, client waits, client waits, rouse ended" || all[0].Lost != 5 {
			t.Errorf("wrote %s, %d lost", got, all[0].Lost)
		}
	})
}

// TestLinesThatAFullDiskHasTakenAreNotMissing: of a batch, it may have taken some.
func TestLinesThatAFullDiskHasTakenAreNotMissing(t *testing.T) {
	line := func(w *Writer) int {
		w.take(item{event: event.Event{Kind: event.ClientWaits}})
		return len(w.buf)
	}
	for name, cut := range map[string]int{"at the end of a line": 0, "within one": -5} {
		t.Run(name, func(t *testing.T) {
			var d disk
			w := newWriter(&d, Options{}, false)
			w.take(<-w.queue)
			line(w)
			d.fail, d.first = 1, line(w)+cut
			line(w)
			line(w)
			w.flush()
			line(w)
			w.flush()
			want, missing := "rouse began, client waits, client waits, trace lost, client waits", int64(2)
			if cut < 0 {
				want, missing = "rouse began, client waits, trace lost, client waits", 3
			}
			all := read(t, d.Bytes())
			if i := slices.IndexFunc(all, func(l Line) bool { return l.Kind == kindLost }); kinds(all) != want || all[i].Lost != missing {
				t.Errorf("wrote %s, %d lost", kinds(all), all[max(i, 0)].Lost)
			}
		})
	}
}

// TestWhatIsMissingIsToldBeforeALineThatFollowsATornOne: whoever reads it takes the file for none of ours else.
func TestWhatIsMissingIsToldBeforeALineThatFollowsATornOne(t *testing.T) {
	var d disk
	w := newWriter(&d, Options{}, false)
	w.take(<-w.queue)
	w.flush()
	client := event.Event{Kind: event.ClientWaits}
	w.take(item{event: client})
	client.Client = strings.Repeat("x", batchBytes-2*len(w.buf)-len(`"client":"",`)-1)
	w.take(item{event: client}) // one byte more, and it is written
	if len(w.buf) != batchBytes-1 {
		t.Fatalf("%d bytes wait to be written", len(w.buf))
	}
	d.fail = 1
	w.take(item{lost: 1, event: event.Event{Kind: event.ClientLeft}})
	w.flush()
	w.take(item{event: event.Event{Kind: event.ClientLeft}})
	w.flush()
	all := read(t, d.Bytes())
	if got := kinds(all); got != "rouse began, trace lost, client left" || all[1].Lost != 4 {
		t.Errorf("wrote %s, %d lost", got, all[1].Lost)
	}
}
