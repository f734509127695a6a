// Package remote puts a fakecloud behind a unix socket, with HTTP and JSON, so that hooks in processes of their own can
// use it; tests only.
//
// A call is answered at once, as a provider's is. An operation and a need are leases: the request is held open, and
// the lease ends with its connection, so that neither outlives a process that dies.
package remote

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/rouse-proxy/rouse/internal/fakecloud"
)

// A request is the body of every POST.
type request struct {
	Machine string   `json:"machine"`
	By      string   `json:"by,omitempty"`
	Kind    string   `json:"kind,omitempty"`
	Faults  []string `json:"faults,omitempty"`
}

type connKey struct{}

// Serve serves the cloud on ln until ctx ends. It ends all leases then.
func Serve(ctx context.Context, cloud *fakecloud.Cloud, ln net.Listener) error {
	server := &http.Server{
		Handler: handler(cloud), ReadHeaderTimeout: 10 * time.Second,
		BaseContext: func(net.Listener) context.Context { return ctx },
		ConnContext: func(ctx context.Context, c net.Conn) context.Context { return context.WithValue(ctx, connKey{}, c) },
	}
	ended := make(chan struct{})
	stop := context.AfterFunc(ctx, func() { defer close(ended); _ = server.Close() })
	err := server.Serve(ln)
	if !stop() {
		<-ended
		return nil
	}
	return err
}

func handler(cloud *fakecloud.Cloud) http.Handler {
	mux := http.NewServeMux()
	post := func(path string, f func(*http.Request, request) error) {
		mux.HandleFunc("POST "+path, func(w http.ResponseWriter, r *http.Request) {
			var req request
			if err := json.NewDecoder(r.Body).Decode(&req); err != nil {
				answer(w, nil, fmt.Errorf("the body is not JSON: %w", err))
				return
			}
			answer(w, struct{}{}, f(r, req))
		})
	}
	post("/start", func(r *http.Request, q request) error { return cloud.Start(r.Context(), q.Machine, q.By) })
	post("/stop", func(r *http.Request, q request) error { return cloud.Stop(r.Context(), q.Machine, q.By) })
	post("/calm", func(_ *http.Request, q request) error { return cloud.Calm(q.Machine) })
	post("/inject", func(_ *http.Request, q request) error { return inject(cloud, q) })
	mux.HandleFunc("POST /begin", func(w http.ResponseWriter, r *http.Request) {
		lease(w, r, func(q request) (func(), error) {
			conn, _ := r.Context().Value(connKey{}).(net.Conn)
			return cloud.Begin(fakecloud.Action{Machine: q.Machine, Kind: q.Kind, By: q.By, Alive: func() bool { return open(conn) }})
		})
	})
	mux.HandleFunc("POST /need", func(w http.ResponseWriter, r *http.Request) {
		lease(w, r, func(q request) (func(), error) { return cloud.Need(q.Machine, q.By) })
	})
	mux.HandleFunc("GET /describe/{machine}", func(w http.ResponseWriter, r *http.Request) {
		desc, err := cloud.Describe(r.Context(), r.PathValue("machine"))
		answer(w, desc, err)
	})
	mux.HandleFunc("GET /meter/{machine}", func(w http.ResponseWriter, r *http.Request) {
		reading, err := cloud.Read(r.Context(), r.PathValue("machine"))
		answer(w, reading, err)
	})
	mux.HandleFunc("GET /machines", func(w http.ResponseWriter, _ *http.Request) { answer(w, cloud.Machines(), nil) })
	return mux
}

func inject(cloud *fakecloud.Cloud, q request) error {
	var faults []fakecloud.Fault
	for _, s := range q.Faults {
		f, err := fakecloud.ParseFault(s)
		if err != nil {
			return err
		}
		faults = append(faults, f)
	}
	return cloud.Inject(q.Machine, faults...)
}

// lease answers when it has begun, and ends it when whoever asked is gone.
func lease(w http.ResponseWriter, r *http.Request, begin func(request) (end func(), err error)) {
	var req request
	if err := json.NewDecoder(r.Body).Decode(&req); err != nil {
		answer(w, nil, fmt.Errorf("the body is not JSON: %w", err))
		return
	}
	end, err := begin(req)
	if err != nil {
		answer(w, nil, err)
		return
	}
	defer end()
	w.WriteHeader(http.StatusOK)
	_ = http.NewResponseController(w).Flush()
	<-r.Context().Done()
}

func answer(w http.ResponseWriter, v any, err error) {
	w.Header().Set("Content-Type", "application/json")
	if err != nil {
		refusal, ok := errors.AsType[*fakecloud.Refusal](err)
		if !ok {
			refusal = &fakecloud.Refusal{Code: "InvalidParameterValue", Text: err.Error()}
		}
		w.WriteHeader(http.StatusBadRequest)
		v = refusal
	}
	_ = json.NewEncoder(w).Encode(v)
}
