package target

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/rouse-proxy/rouse/internal/event"
	"github.com/rouse-proxy/rouse/internal/state"
)

const (
	lazyWrite = time.Second     // how long a change that is not urgent may wait for others
	lastWrite = 2 * time.Second // how long the end waits for a slow disk
)

// recorder writes the newest record beside the supervisor, so that a slow or dead
// disk delays nobody. Records that follow each other quickly are written once.
type recorder struct {
	opts   Options       // as they were: it uses none of those that may change
	urgent chan struct{} // buffered
	lazy   chan struct{} // buffered
	quit   chan struct{}
	done   chan struct{}
	once   sync.Once // closes quit

	mu      sync.Mutex // guards the fields below; never held across a write
	pending *state.Record
	written chan struct{} // closes when pending has been written
	unsaved bool          // told, and not taken back
}

// errDeadDisk is why a record is not saved of which nobody knows better.
var errDeadDisk = errors.New("the disk does not answer")

func newRecorder(opts Options) *recorder {
	return &recorder{
		opts:   opts,
		urgent: make(chan struct{}, 1), lazy: make(chan struct{}, 1),
		quit: make(chan struct{}), done: make(chan struct{}),
	}
}

// put replaces what is to be written. The channel closes when r, or a newer
// record, has been written or could not be.
func (w *recorder) put(r state.Record, urgent bool) <-chan struct{} {
	w.mu.Lock()
	if w.pending == nil {
		w.written = make(chan struct{})
	}
	w.pending = &r
	written := w.written
	w.mu.Unlock()
	wake := w.lazy
	if urgent {
		wake = w.urgent
	}
	select {
	case wake <- struct{}{}:
	default: // it has been told already
	}
	return written
}

// run writes until stop is called, and then once more.
func (w *recorder) run() {
	defer close(w.done)
	var later <-chan time.Time
	for {
		select {
		case <-w.urgent:
			later = nil
			w.write()
		case <-w.lazy:
			if later == nil {
				later = time.After(lazyWrite)
			}
		case <-later:
			later = nil
			w.write()
		case <-w.quit:
			w.write()
			return
		}
	}
}

func (w *recorder) write() {
	w.mu.Lock()
	record, written := w.pending, w.written
	w.pending = nil
	w.mu.Unlock()
	if record == nil {
		return
	}
	if err := w.save(*record); err != nil {
		w.opts.Logger.Error("state not saved: should rouse crash now, the target may be left running",
			"target", record.Target, "err", err)
		w.doubt(record.Epoch, err)
	} else {
		w.trust(record.Epoch)
	}
	close(written)
}

// doubt tells that what is on disk is older than what is known. The log has been told already.
func (w *recorder) doubt(epoch uint64, err error) {
	w.mu.Lock()
	w.unsaved = true
	w.mu.Unlock()
	w.tell(event.Event{Kind: event.StateNotSaved, Epoch: epoch, Err: err})
}

// trust takes that back.
func (w *recorder) trust(epoch uint64) {
	w.mu.Lock()
	unsaved := w.unsaved
	w.unsaved = false
	w.mu.Unlock()
	if unsaved {
		w.tell(event.Event{Kind: event.StateSaved, Epoch: epoch})
	}
}

// tell emits an event, beside the supervisor. A fault in a sink costs that event.
func (w *recorder) tell(e event.Event) {
	defer func() {
		if p := recover(); p != nil {
			w.opts.Logger.Error("a fault of rouse itself has lost an event; please report it", "target", w.opts.Name, "panic", p)
		}
	}()
	e.Target = w.opts.Name
	w.opts.Events.Emit(e)
}

// save makes a fault in the store an error.
func (w *recorder) save(r state.Record) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: %v", ErrFault, p)
		}
	}()
	return w.opts.Store.Save(r)
}

// stop writes what is pending and ends run, but waits only so long for the disk.
func (w *recorder) stop() {
	w.once.Do(func() { close(w.quit) })
	select {
	case <-w.done:
	case <-time.After(lastWrite):
		w.opts.Logger.Error("state not saved: the disk does not answer")
		w.doubt(0, errDeadDisk)
	}
}
