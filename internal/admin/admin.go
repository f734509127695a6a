// Package admin is how a person talks to a rouse that runs: HTTP with JSON over a unix socket in its state directory, which is open
// to the user that rouse runs as, and to nobody else; and over TCP, if that is wanted, for those who have the token. Nothing changes by GET,
// and nothing can be set that is run.
package admin

import (
	"context"
	_ "embed" // the description
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/rouse-proxy/rouse/internal/history"
	"github.com/rouse-proxy/rouse/internal/web"
)

const (
	socketName = "rouse.sock"
	mostBody   = 64 << 10
	mostPath   = 103 // bytes of a socket's path, on every system
	patience   = 10 * time.Second
)

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
func Serve(ctx context.Context, ln net.Listener, d Daemon, g Guard, logger *slog.Logger) {
	server := &http.Server{
		Handler: Handler(ctx, d, g), ReadHeaderTimeout: patience, ReadTimeout: patience, IdleTimeout: time.Minute, WriteTimeout: 2 * patience, MaxHeaderBytes: 16 << 10,
		ConnContext: knowPeer,
		ErrorLog:    slog.NewLogLogger(logger.Handler(), slog.LevelDebug),
	}
	stop := context.AfterFunc(ctx, func() { _ = server.Close() })
	defer stop()
	if err := server.Serve(limit(ln, mostAsking)); !errors.Is(err, http.ErrServerClosed) {
		logger.Error("nobody can talk to this rouse any more", "address", ln.Addr().String(), "err", err)
	}
}

// Handler answers requests until ctx ends.
func Handler(ctx context.Context, d Daemon, g Guard) http.Handler {
	mux := http.NewServeMux()
	a := &api{daemon: d, place: time.Local, done: ctx.Done()}
	methods := map[string][]string{}
	for _, r := range Routes() {
		mux.HandleFunc(r.Method+" "+r.Path, a.serve(r))
		methods[r.Path] = append(methods[r.Path], r.Method)
	}
	for path, allowed := range methods {
		mux.HandleFunc(path, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Allow", strings.Join(allowed, ", "))
			answer(w, http.StatusMethodNotAllowed, failure{"here one may " + strings.Join(allowed, " or ")})
		})
	}
	mux.HandleFunc("GET /v1/openapi.json", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(Description) // who has gone needs no answer
	})
	mux.Handle("GET "+metricsPath, d.Metrics())
	mux.HandleFunc("/v1/", func(w http.ResponseWriter, r *http.Request) {
		answer(w, http.StatusNotFound, failure{"there is nothing at " + strconv.Quote(r.Method+" "+r.URL.Path) + ": GET /v1/openapi.json lists what there is"})
	})
	if g.Address.IsValid() {
		mux.Handle("/", web.Handler())
	}
	return g.guard(mux)
}

// Description is the API as OpenAPI 3.1 has it.
//
//go:embed openapi.json
var Description []byte

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

// Stop begins to stop a target or a group; forced, clients are cut.
func (c *Client) Stop(ctx context.Context, name string, force bool) error {
	path := "/v1/targets/" + pathOf(name) + "/stop"
	if force {
		path += "?force=yes"
	}
	return c.do(ctx, http.MethodPost, path, nil, nil)
}

// Maintain keeps new clients from a target or a group: mode is refuse or hold, or off to let them in again.
func (c *Client) Maintain(ctx context.Context, name string, m Maintenance) error {
	path := "/v1/targets/" + pathOf(name) + "/maintenance"
	if m.Mode == "off" {
		return c.do(ctx, http.MethodDelete, path, nil, nil)
	}
	return c.do(ctx, http.MethodPost, path, m, nil)
}

// Status asks what is so now.
func (c *Client) Status(ctx context.Context) (s Status, err error) {
	err = c.do(ctx, http.MethodGet, "/v1/status", nil, &s)
	return s, err
}

// Why asks why a target is as it is.
func (c *Client) Why(ctx context.Context, name string) (w Why, err error) {
	err = c.do(ctx, http.MethodGet, "/v1/targets/"+pathOf(name)+"/why", nil, &w)
	return w, err
}

// Events calls with each fact after an ID, as it happens, until ctx ends or the connection does. 0: from now on.
func (c *Client) Events(ctx context.Context, target string, after int64, each func(history.Fact) error) error {
	path := "/v1/events?status=no&target=" + url.QueryEscape(target)
	if after != 0 {
		path += "&after=" + strconv.FormatInt(after, 10)
	}
	return c.stream(ctx, path, each)
}
