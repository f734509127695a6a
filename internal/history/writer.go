package history

import (
	"context"
	"database/sql"
	"errors"
	"time"
)

const (
	beat      = time.Second // from the first thing to be written to the batch
	aliveBeat = time.Minute // at most so much of the time in a state is lost by a crash
	mostBatch = 4096        // entries in one transaction
	firstRest = 2 * time.Second
	longRest  = time.Minute
	pruneBeat = 2 * time.Minute
	endTime   = 2 * time.Second // that the last batch has
	closeTime = 3 * time.Second // that Close waits
)

// writer is the one goroutine that writes the file.
type writer struct {
	*Store
	db     *sql.DB
	told   bool // that it cannot be written
	rest   time.Duration
	pruned time.Time
	batch  []entry      // taken from the queue, and not written yet
	stay   []Connection // that go on, likewise

	uses map[string]*use
	open map[string]interval
}

// Start has all of it written, until Close. It is called once.
func (s *Store) Start() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.running = true
	go s.run()
}

func (s *Store) run() {
	defer close(s.done)
	if s.opts.Path == "" {
		<-s.end
		return
	}
	w := &writer{Store: s, uses: map[string]*use{}, open: map[string]interval{}}
	w.turn(context.Background(), false) // so that it can be read at once
	for ended := false; !ended; {
		ended = w.pause()
		ctx, cancel := context.WithCancel(context.Background())
		if ended {
			ctx, cancel = context.WithTimeout(ctx, endTime)
		}
		w.turn(ctx, ended)
		cancel()
	}
	if w.db != nil {
		s.opened(nil, 0)
		_ = w.db.Close() // what could be written is
	}
}

// Close has what is left written, and ends that. It does not wait for long: a disk that is dead must not keep rouse from ending.
func (s *Store) Close() error {
	close(s.end)
	s.mu.Lock()
	running := s.running
	s.mu.Unlock()
	if !running {
		return nil
	}
	select {
	case <-s.done:
		return nil
	case <-time.After(closeTime):
		return errors.New("closing the history: the disk does not answer; what happened last may be missing in it")
	}
}

// pause waits until there is something to do, and says whether it is the last time. What comes soon after is done with it.
func (w *writer) pause() (ended bool) {
	timer := time.NewTimer(w.longest())
	defer timer.Stop()
	wake := w.wake
	if w.rest > 0 {
		wake = nil
	}
	select {
	case <-w.end:
		return true
	case <-timer.C:
		return false
	case <-wake:
	}
	timer.Reset(beat)
	select {
	case <-w.end:
		return true
	case <-timer.C:
		return false
	}
}

// longest is how long the writer waits if nothing happens: after a failure as long as it rests, whatever happens.
func (w *writer) longest() time.Duration {
	switch {
	case w.rest > 0:
		return w.rest
	case w.unwrittenNow():
		return longStay
	}
	return aliveBeat
}

// unwrittenNow says whether somebody is connected who is not written yet.
func (w *writer) unwrittenNow() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.unwritten > 0
}

// turn opens the file, if that is to be done, and writes what there is.
func (w *writer) turn(ctx context.Context, last bool) {
	if w.db == nil && !w.begin(ctx) {
		return
	}
	w.calmNow()
	for {
		err := w.flush(ctx)
		if err != nil {
			w.failed(err)
			return
		}
		w.fine()
		if len(w.batch) == 0 && w.waiting() == 0 {
			break
		}
	}
	if last {
		if err := w.finish(ctx); err != nil {
			w.failed(err)
		}
		return
	}
	if time.Since(w.pruned) >= pruneBeat {
		w.pruned = time.Now()
		if err := w.prune(ctx); err != nil {
			w.failed(err)
		}
	}
}

func (w *writer) calmNow() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.calm(time.Now())
}

func (w *writer) waiting() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.queue)
}

// begin opens the file.
func (w *writer) begin(ctx context.Context) bool {
	db, err := open(ctx, w.opts.Path)
	if err != nil && damaged(err) {
		var aside string
		if aside, err = setAside(w.opts.Path); err == nil {
			w.opts.Logger.Error("the history is damaged, and a new one is begun", "file", w.opts.Path, "kept-as", aside)
			db, err = open(ctx, w.opts.Path)
		}
	}
	var last int64
	if err == nil {
		if last, err = w.takeUp(ctx, db); err != nil {
			_ = db.Close() // it is opened again
		}
	}
	if err != nil {
		w.failed(err)
		return false
	}
	w.db = db
	w.opened(db, last)
	return true
}

// failed tells of it, once, and rests.
func (w *writer) failed(err error) {
	if !w.told {
		w.told = true
		w.opts.Logger.Error("the history cannot be written, and will be tried again; nothing else suffers", "file", w.opts.Path, "err", err)
	}
	w.rest = min(max(2*w.rest, firstRest), longRest)
	if w.db != nil && damaged(err) {
		w.opened(nil, 0)
		_ = w.db.Close() // it is of no use
		w.db = nil
	}
}

// fine tells that the trouble is over.
func (w *writer) fine() {
	w.mu.Lock()
	lost := w.lost
	w.lost = 0
	w.mu.Unlock()
	w.rest = 0
	if w.told || lost > 0 {
		w.told = false
		w.opts.Logger.Warn("the history is written again", "file", w.opts.Path, "lost", lost)
	}
}

// flush writes a batch in one transaction. After an error the batch is kept for the next time.
func (w *writer) flush(ctx context.Context) (err error) {
	w.take()
	w.stay = append(w.stay, w.staying(time.Now())...)
	tx, err := w.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = tx.Rollback() // the first error tells more
		}
	}()
	b := &batch{ctx: ctx, tx: tx, statements: map[string]*sql.Stmt{}, uses: copied(w.uses), open: copiedValues(w.open), hours: map[hourKey]*hourSum{}}
	for _, c := range w.stay { // before the ends, which may be of these
		if err := b.connection(c); err != nil {
			return err
		}
	}
	for _, e := range w.batch {
		if err := b.write(e); err != nil {
			return err
		}
	}
	if err := b.settle(); err != nil {
		return err
	}
	if err := b.exec("INSERT INTO marks VALUES ('alive', ?) ON CONFLICT DO UPDATE SET value = excluded.value", time.Now().UnixMicro()); err != nil {
		return err
	}
	if err := tx.Commit(); err != nil {
		return err
	}
	w.batch, w.stay, w.uses, w.open = nil, nil, b.uses, b.open
	return nil
}

// take moves entries from the queue to the batch.
func (w *writer) take() {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := min(len(w.queue), max(mostBatch-len(w.batch), 0))
	w.batch = append(w.batch, w.queue[:n]...)
	if w.queue = w.queue[n:]; len(w.queue) == 0 {
		w.queue = nil
	}
}
