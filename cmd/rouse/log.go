package main

import (
	"io"
	"log/slog"
	"os"
	"sync/atomic"
	"time"

	"github.com/lmittmann/tint"
	"golang.org/x/term"

	"github.com/rouse-proxy/rouse/internal/config"
)

const (
	logRoom  = 4096        // lines that may wait for a slow reader of the log
	logFlush = time.Second // how long the end waits for it
)

// newLogger returns a logger as the config asks for: for people on a terminal, JSON
// elsewhere.
func newLogger(cfg *config.Config, out io.Writer, terminal bool) *slog.Logger {
	text := cfg.LogFormat == config.LogText || cfg.LogFormat == config.LogAuto && terminal
	if !text {
		return slog.New(slog.NewJSONHandler(out, &slog.HandlerOptions{Level: cfg.LogLevel, ReplaceAttr: inSeconds}))
	}
	return slog.New(tint.NewTextHandler(out, &tint.Options{
		Level: cfg.LogLevel, TimeFormat: time.DateTime, NoColor: !terminal || os.Getenv("NO_COLOR") != "",
	}))
}

// inSeconds makes durations numbers of seconds: nanoseconds are for programs that
// know that they are.
func inSeconds(_ []string, a slog.Attr) slog.Attr {
	if a.Value.Kind() == slog.KindDuration {
		return slog.Float64(a.Key, a.Value.Duration().Seconds())
	}
	return a
}

// isTerminal says whether f is one.
func isTerminal(f *os.File) bool { return term.IsTerminal(int(f.Fd())) }

// patientWriter writes lines beside those who log them: a log that nobody reads
// (a full pipe, a stuck collector) must hold up neither clients nor stops.
// Lines that find no room are counted, and the count is told when there is room again.
type patientWriter struct {
	out     io.Writer
	lines   chan []byte
	dropped atomic.Int64
	quit    chan struct{}
	done    chan struct{}
}

func newPatientWriter(out io.Writer) *patientWriter {
	return &patientWriter{out: out, lines: make(chan []byte, logRoom), quit: make(chan struct{}), done: make(chan struct{})}
}

// Write queues one line; slog calls it once per line.
func (w *patientWriter) Write(line []byte) (int, error) {
	select {
	case w.lines <- append([]byte(nil), line...):
	default:
		w.dropped.Add(1)
	}
	return len(line), nil
}

// run writes until close is called, and then what is still queued.
func (w *patientWriter) run() {
	defer close(w.done)
	for {
		select {
		case line := <-w.lines:
			w.write(line)
		case <-w.quit:
			for len(w.lines) > 0 {
				w.write(<-w.lines)
			}
			return
		}
	}
}

func (w *patientWriter) write(line []byte) {
	_, _ = w.out.Write(line) // there is nowhere to tell
	if n := w.dropped.Swap(0); n > 0 {
		slog.New(slog.NewJSONHandler(w.out, nil)).Warn("log lines lost, nobody read them in time", "lines", n)
	}
}

// close writes what is queued, but waits only so long. What is logged later is lost.
func (w *patientWriter) close() {
	close(w.quit)
	select {
	case <-w.done:
	case <-time.After(logFlush):
	}
}
