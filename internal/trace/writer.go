package trace

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rouse-proxy/rouse/internal/event"
)

const (
	room       = 8192            // lines that may wait for a slow disk
	batchBytes = 64 << 10        // written at once
	pulse      = time.Second     // how often somebody looks whether the process has run
	pauseFrom  = 2 * pulse       // between two looks: that it has not
	closeWait  = 2 * time.Second // how long the end waits for a disk that may be dead
)

// Options say what stands in the first line of a run.
type Options struct {
	Version  string
	Settings map[string]Settings // by name of the target
	Logger   *slog.Logger
}

// A Writer appends events to a file. Whoever emits is never held up: events that find no
// room are counted, and the count stands in the trace where they are missing.
type Writer struct {
	out     io.WriteCloser
	logger  *slog.Logger
	run     int
	now     func() int64
	queue   chan item
	started atomic.Bool
	quit    chan struct{}
	done    chan struct{}

	mu   sync.Mutex // guards lost, and that it is told in its place; nobody waits while having it
	lost int64      // since the newest item of the queue

	// Of the goroutine of Run alone.
	buf     []byte
	carries []int64 // for each line of buf, how many are missing without it: one, or those that it tells of
	unsaved int64   // lines that the disk has not taken, and that no line tells of yet
	torn    bool    // the file may end within a line
	failed  bool    // said in the log
}

// item is an event that waits to be written, or a line that is none.
type item struct {
	t     int64
	lost  int64 // how many found no room before it
	line  *Line // in place of the event
	event event.Event
}

// Open opens a trace for appending, and makes the file if there is none: for its owner
// only. A link is not followed. [Writer.Run] writes.
func Open(path string, o Options) (*Writer, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_APPEND|os.O_CREATE|openFlags, 0o600)
	if err != nil {
		return nil, fmt.Errorf("opening the trace: %w%s", err, openHint(path))
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%q is not a regular file", path)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("opening the trace: %w", err), f.Close())
	}
	if !mayBeTrace(f) {
		err = fmt.Errorf("opening the trace: %q holds something else than a trace, and is left as it is; name another file, or remove this one", path)
		return nil, errors.Join(err, f.Close())
	}
	return newWriter(f, o, cutOff(f, info.Size())), nil
}

// cutOff says whether the last line of a file has no end. A file that does not tell may have none.
func cutOff(f *os.File, size int64) bool {
	if size == 0 {
		return false
	}
	last := []byte{0}
	_, err := f.ReadAt(last, size-1)
	return err != nil || last[0] != '\n'
}

// openHint says what is wrong with a path that leads to a link.
func openHint(path string) string {
	if info, err := os.Lstat(path); err == nil && info.Mode()&os.ModeSymlink != 0 {
		return "; it is a link, which is not followed: write the path that it leads to"
	}
	return ""
}

// newWriter begins a run. What the run before may have left half written is closed by an end of line.
func newWriter(out io.WriteCloser, o Options, torn bool) *Writer {
	w := &Writer{
		out: out, logger: o.Logger, run: os.Getpid(), now: clock, queue: make(chan item, room), torn: torn,
		quit: make(chan struct{}), done: make(chan struct{}),
	}
	if w.logger == nil {
		w.logger = slog.New(slog.DiscardHandler)
	}
	w.queue <- item{line: firstLine(clock(), time.Now(), w.run, o)}
	return w
}

func firstLine(t int64, at time.Time, run int, o Options) *Line {
	return &Line{
		T: t, At: at.Round(0), Kind: event.RouseBegan, Run: run, PID: run,
		Format: Format, Version: o.Version, Boot: bootID(), Settings: o.Settings,
	}
}

// Reloaded notes other settings of targets.
func (w *Writer) Reloaded(settings map[string]Settings) {
	w.put(item{line: &Line{T: w.now(), At: time.Now().Round(0), Kind: kindReloaded, Run: w.run, Settings: settings}})
}

// Sink takes one event. It never waits.
func (w *Writer) Sink(e event.Event) { w.put(item{event: e}) }

// put queues an item, which also says how many before it found no room. Its time is that of its place.
func (w *Writer) put(it item) {
	w.mu.Lock()
	defer w.mu.Unlock()
	it.t, it.lost = w.now(), w.lost
	select {
	case w.queue <- it:
		w.lost = 0
	default:
		w.lost++
	}
}

// watch tells of times in which the process did not run: nothing that should have happened in
// them could. It is no part of Run, which may wait for a disk.
func (w *Writer) watch() {
	tick := time.NewTicker(pulse)
	defer tick.Stop()
	for alive := w.now(); ; {
		select {
		case <-w.quit:
			return
		case <-tick.C:
		}
		now := w.now()
		if gap := time.Duration(now - alive); gap > pauseFrom {
			w.put(item{line: &Line{T: now, At: time.Now().Round(0), Kind: kindPaused, Run: w.run, Elapsed: gap}})
		}
		alive = now
	}
}

// Run writes until Close.
func (w *Writer) Run() {
	w.started.Store(true)
	defer close(w.done)
	go w.watch()
	for {
		select {
		case it := <-w.queue:
			w.take(it)
			w.drain()
			w.tellRest()
			w.flush()
		case <-w.quit:
			w.drain()
			w.tellRest()
			w.take(item{line: &Line{T: w.now(), At: time.Now().Round(0), Kind: event.RouseEnded, Run: w.run, PID: w.run}})
			w.flush()
			return
		}
	}
}

// drain takes what is queued now.
func (w *Writer) drain() {
	for n := len(w.queue); n > 0; n-- {
		w.take(<-w.queue)
	}
}

// take encodes one item. What is missing before it is told before it.
func (w *Writer) take(it item) {
	w.tellLost(it.lost)
	l := it.line
	if l == nil {
		of := lineOf(it.t, w.run, &it.event)
		l = &of
	}
	w.add(l, 1)
	if len(w.buf) >= batchBytes { // not in between: a line that follows a torn one must be that of what is missing
		w.flush()
	}
}

// tellRest tells of what found no room behind all that was queued. Nobody may come behind it who would tell.
func (w *Writer) tellRest() {
	w.mu.Lock()
	lost := int64(0)
	if len(w.queue) == 0 {
		lost, w.lost = w.lost, 0
	}
	w.mu.Unlock()
	w.tellLost(lost)
}

// tellLost writes how many lines are missing here: those that found no room, behind those that the disk has not taken.
func (w *Writer) tellLost(lines int64) {
	lines, w.unsaved = lines+w.unsaved, 0
	if lines > 0 {
		w.add(&Line{T: w.now(), At: time.Now().Round(0), Kind: kindLost, Run: w.run, Lost: lines}, lines)
	}
}

// add puts a line into the buffer, without which so many are missing.
func (w *Writer) add(l *Line, carries int64) {
	b, err := json.Marshal(l)
	if err != nil { // a year beyond 9999
		w.unsaved += carries
		return
	}
	w.buf = append(append(w.buf, b...), '\n')
	w.carries = append(w.carries, carries)
}

// flush writes the buffer, in one call. After a write that failed, the lines that are
// missing are told as soon as one succeeds.
func (w *Writer) flush() {
	if len(w.buf) == 0 {
		return
	}
	mend := 0
	if w.torn {
		mend, w.buf = 1, slices.Insert(w.buf, 0, '\n')
	}
	n, err := w.out.Write(w.buf)
	w.torn = err != nil && (n > mend && w.buf[n-1] != '\n' || n < mend && w.torn)
	if err != nil {
		whole := max(bytes.Count(w.buf[:n], []byte{'\n'})-mend, 0)
		for _, lines := range w.carries[whole:] {
			w.unsaved += lines
		}
		w.complain(err)
	}
	w.buf, w.carries = w.buf[:0], w.carries[:0]
}

// complain says once what the disk says.
func (w *Writer) complain(err error) {
	if !w.failed {
		w.logger.Error("the trace cannot be written; what is missing will be counted in it", "err", err)
	}
	w.failed = true
}

// Close writes what is queued, and that rouse has ended. It does not wait for ever for a disk that does not answer.
func (w *Writer) Close() error {
	if !w.started.Load() {
		return w.out.Close() // nothing has happened
	}
	close(w.quit)
	select {
	case <-w.done:
		return w.out.Close()
	case <-time.After(closeWait):
		return errors.New("closing the trace: the disk does not answer")
	}
}
