// Package admin is how a person talks to a rouse that runs: HTTP with JSON over a unix socket in its state directory, which is open
// to the user that rouse runs as, and to nobody else. Nothing changes by GET.
package admin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"
)

const (
	socketName = "rouse.sock"
	mostBody   = 64 << 10
	mostPath   = 103 // bytes of a socket's path, on every system
	patience   = 10 * time.Second
)

// A Daemon is a rouse that runs, as far as a person may steer it.
type Daemon interface {
	// Reload reads the config again. The answer is what has changed; an error lists everything that is wrong.
	Reload(cause string) (any, error)
	// Targets tells of all targets.
	Targets() []Target
	Keeper
}

// A Keeper keeps targets awake for a person.
type Keeper interface {
	// Hold keeps a target, or those of a group, awake until a time.
	Hold(name string, until time.Time, why string) error
	// Release ends such holds, and says how many there were.
	Release(name string) (int, error)
	Switch
}

// A Switch starts and stops targets for a person. Neither waits for the end of that.
type Switch interface {
	// Wake begins to wake a target, or those of a group. Its cooldown runs from when it is ready.
	Wake(name string) error
	// Stop begins to stop a target, or those of a group. The error is a [Conflict] if somebody uses one of them.
	Stop(name string) error
}

// A Conflict is why something is not done now.
type Conflict string

// Error says why.
func (c Conflict) Error() string { return string(c) }

// A Target is what is told of one.
type Target struct {
	Name     string    `json:"name"`
	Groups   []string  `json:"groups,omitempty"`
	State    string    `json:"state"`
	Since    time.Time `json:"since,omitzero"`
	Address  string    `json:"address"`
	Held     int       `json:"held"`
	Waiting  int       `json:"waiting"`
	Visitors int       `json:"visitors,omitempty"` // who are served, and do not keep it awake
	StopAt   time.Time `json:"stop_at,omitzero"`
	Busy     bool      `json:"busy,omitempty"`      // so it is not stopped yet, and asked again at StopAt
	Hold     time.Time `json:"hold_until,omitzero"` // by hand
	Why      string    `json:"hold_why,omitempty"`
	Leaving  bool      `json:"leaving,omitempty"` // it is no longer configured
	Error    string    `json:"error,omitempty"`
}

// A Hold is asked for.
type Hold struct {
	Until time.Time `json:"until"`
	Why   string    `json:"why"`
}

// failure is the answer to what has failed.
type failure struct {
	Error string `json:"error"`
}

// SocketPath returns where the socket is for a state directory.
func SocketPath(dir string) string { return filepath.Join(dir, socketName) }

// Listen opens the socket. The caller holds the state directory alone, so what is there is left behind.
func Listen(dir string) (net.Listener, error) {
	path := SocketPath(dir)
	if len(path) > mostPath {
		return nil, fmt.Errorf("%s is longer than the %d bytes that the path of a socket may have: use a state directory with a shorter path", path, mostPath)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	ln, err := net.Listen("unix", path)
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(path, 0o600); err != nil {
		_ = ln.Close()
		return nil, err
	}
	return ln, nil
}

// Serve answers until ctx ends.
func Serve(ctx context.Context, ln net.Listener, d Daemon, logger *slog.Logger) {
	server := &http.Server{
		Handler: Handler(d), ReadHeaderTimeout: patience, ReadTimeout: patience, IdleTimeout: patience, MaxHeaderBytes: 16 << 10,
		ErrorLog: slog.NewLogLogger(logger.Handler(), slog.LevelWarn),
	}
	stop := context.AfterFunc(ctx, func() { _ = server.Close() })
	defer stop()
	if err := server.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
		logger.Error("nobody can talk to this rouse any more", "err", err)
	}
}

// Handler answers requests.
func Handler(d Daemon) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/targets", func(w http.ResponseWriter, _ *http.Request) { answer(w, http.StatusOK, d.Targets()) })
	mux.HandleFunc("POST /v1/reload", func(w http.ResponseWriter, _ *http.Request) {
		report, err := d.Reload("rouse reload")
		answerOr(w, report, err)
	})
	mux.HandleFunc("POST /v1/targets/{name}/hold", func(w http.ResponseWriter, r *http.Request) {
		var h Hold
		dec := json.NewDecoder(http.MaxBytesReader(w, r.Body, mostBody))
		dec.DisallowUnknownFields()
		if err := dec.Decode(&h); err != nil {
			answer(w, http.StatusBadRequest, failure{"the request is not understood: " + err.Error()})
			return
		}
		answerOr(w, struct{}{}, d.Hold(r.PathValue("name"), h.Until, h.Why))
	})
	mux.HandleFunc("POST /v1/targets/{name}/wake", func(w http.ResponseWriter, r *http.Request) {
		answerOr(w, struct{}{}, d.Wake(r.PathValue("name")))
	})
	mux.HandleFunc("POST /v1/targets/{name}/stop", func(w http.ResponseWriter, r *http.Request) {
		answerOr(w, struct{}{}, d.Stop(r.PathValue("name")))
	})
	mux.HandleFunc("DELETE /v1/targets/{name}/hold", func(w http.ResponseWriter, r *http.Request) {
		n, err := d.Release(r.PathValue("name"))
		answerOr(w, n, err)
	})
	return mux
}

func answerOr(w http.ResponseWriter, value any, err error) {
	if err != nil {
		status := http.StatusUnprocessableEntity
		if _, conflict := errors.AsType[Conflict](err); conflict {
			status = http.StatusConflict
		}
		answer(w, status, failure{err.Error()})
		return
	}
	answer(w, http.StatusOK, value)
}

func answer(w http.ResponseWriter, status int, value any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(value) // who has gone needs no answer
}

// A Client talks to the rouse of a state directory.
type Client struct {
	dir  string
	http *http.Client
}

// Dial returns a client. Whether a rouse runs there is known by the first request.
func Dial(dir string) *Client {
	var d net.Dialer
	return &Client{dir, &http.Client{Timeout: 10 * patience, Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return d.DialContext(ctx, "unix", SocketPath(dir))
		},
	}}}
}

// Refused is what a rouse has answered to what it has not done.
type Refused string

// Error is its answer.
func (r Refused) Error() string { return string(r) }

// Targets asks for all targets.
func (c *Client) Targets(ctx context.Context) (all []Target, err error) {
	err = c.do(ctx, http.MethodGet, "/v1/targets", nil, &all)
	return all, err
}

// Reload has the config read again. report gets what has changed.
func (c *Client) Reload(ctx context.Context, report any) error {
	return c.do(ctx, http.MethodPost, "/v1/reload", nil, report)
}

// Hold keeps a target or a group awake.
func (c *Client) Hold(ctx context.Context, name string, h Hold) error {
	return c.do(ctx, http.MethodPost, "/v1/targets/"+pathOf(name)+"/hold", h, nil)
}

// Release ends the holds on a target or a group, and returns how many there were.
func (c *Client) Release(ctx context.Context, name string) (n int, err error) {
	err = c.do(ctx, http.MethodDelete, "/v1/targets/"+pathOf(name)+"/hold", nil, &n)
	return n, err
}

// Wake begins to wake a target or a group.
func (c *Client) Wake(ctx context.Context, name string) error {
	return c.do(ctx, http.MethodPost, "/v1/targets/"+pathOf(name)+"/wake", nil, nil)
}

// Stop begins to stop a target or a group.
func (c *Client) Stop(ctx context.Context, name string) error {
	return c.do(ctx, http.MethodPost, "/v1/targets/"+pathOf(name)+"/stop", nil, nil)
}
