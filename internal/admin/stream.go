package admin

import (
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"strings"
	"time"

	"github.com/rouse-proxy/rouse/internal/history"
)

const (
	streamBeat  = 250 * time.Millisecond // between two messages about what is so now
	sameBeat    = 5 * time.Second        // if nothing has changed
	commentBeat = 15 * time.Second       // keeps the stream alive
	writeTime   = 10 * time.Second       // that a reader has to take a message
)

// A stream is one reader of events (WHATWG, HTML, 9.2 Server-sent events).
type stream struct {
	api    *api
	w      http.ResponseWriter
	target string
	after  int64
	states bool // what is so now is told, too
	said   Status
	saidAt time.Time
	alive  time.Time
}

// events tells what happens until the reader goes or rouse ends.
func events(a *api, w http.ResponseWriter, r *http.Request) (any, error) {
	s := &stream{api: a, w: w, target: r.URL.Query().Get("target"), states: r.URL.Query().Get("status") != "no"}
	last := r.Header.Get("Last-Event-ID")
	resumed := last != "" || r.URL.Query().Has("after")
	if last == "" {
		last = r.URL.Query().Get("after")
	}
	var err error
	if s.after, err = number(last); err != nil {
		return nil, err
	}
	if !resumed { // from now on
		if recent, _, _ := a.daemon.History().Recent(0); len(recent) > 0 {
			s.after = recent[len(recent)-1].ID
		}
	}
	_ = http.NewResponseController(w).SetReadDeadline(time.Time{}) // it has been read; the reader may stay for days
	w.Header().Set("Content-Type", "text/event-stream")
	w.WriteHeader(http.StatusOK)
	if resumed && s.after > 0 {
		if err := s.missed(r); err != nil {
			return nil, nil // it has been told that it works; it will ask again
		}
	}
	s.run(r)
	return nil, nil
}

// missed tells what the reader has missed and is only in the file.
func (s *stream) missed(r *http.Request) error {
	h := s.api.daemon.History()
	for h.Reader() != nil {
		if _, all, _ := h.Recent(s.after); all {
			return nil
		}
		facts, err := h.Reader().Facts(r.Context(), history.Query{After: s.after, Limit: 500})
		if err != nil || len(facts) == 0 {
			return err
		}
		if err := s.facts(facts); err != nil {
			return err
		}
	}
	return nil
}

func (s *stream) run(r *http.Request) {
	beat := time.NewTicker(streamBeat)
	defer beat.Stop()
	for {
		facts, _, more := s.api.daemon.History().Recent(s.after)
		if s.facts(facts) != nil || s.now() != nil || s.comment() != nil {
			return
		}
		news := more
		if s.states {
			news = nil // the beat brings them
		}
		select {
		case <-beat.C:
		case <-news:
		case <-r.Context().Done():
			return
		case <-s.api.done:
			return
		}
	}
}

func (s *stream) facts(facts []history.Fact) error {
	for _, f := range facts {
		s.after = f.ID
		if s.target != "" && f.Target != s.target {
			continue
		}
		if err := s.send(fmt.Sprintf("event: fact\nid: %d\n", f.ID), f); err != nil {
			return err
		}
	}
	return nil
}

// now tells what is so now, if that has changed.
func (s *stream) now() error {
	if !s.states {
		return nil
	}
	st := s.api.daemon.Status()
	if s.target != "" {
		kept := []Target{}
		for _, t := range st.Targets {
			if t.Name == s.target {
				kept = append(kept, t)
			}
		}
		st.Targets = kept
	}
	if time.Since(s.saidAt) < sameBeat && reflect.DeepEqual(st.Targets, s.said.Targets) {
		return nil
	}
	s.said, s.saidAt = st, time.Now()
	return s.send("event: status\n", st)
}

// comment keeps proxies from ending a stream on which nothing happens.
func (s *stream) comment() error {
	if time.Since(s.alive) < commentBeat {
		return nil
	}
	return s.write(": rouse\n\n")
}

func (s *stream) send(head string, value any) error {
	data, err := json.Marshal(value)
	if err != nil {
		return err
	}
	return s.write(head + "data: " + strings.ReplaceAll(string(data), "\n", " ") + "\n\n")
}

// write gives a reader a time to take what it is told: one that does not is let go.
func (s *stream) write(text string) error {
	s.alive = time.Now()
	control := http.NewResponseController(s.w)
	_ = control.SetWriteDeadline(time.Now().Add(writeTime)) // where that cannot be set, the connection's end tells
	if _, err := s.w.Write([]byte(text)); err != nil {
		return err
	}
	return control.Flush()
}
