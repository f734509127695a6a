package remote

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"

	"github.com/rouse-proxy/rouse/internal/fakecloud"
)

// A Client calls a cloud behind a socket. Its methods do what those of [fakecloud.Cloud] do.
type Client struct {
	http http.Client
}

var _ fakecloud.API = (*Client)(nil)

// Dial returns a client for the socket at path. It connects at the first call.
func Dial(path string) *Client {
	return &Client{http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", path)
		},
	}}}
}

// Close closes the connections that nobody uses.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Start asks for a machine to be started.
func (c *Client) Start(ctx context.Context, machine, by string) error {
	return c.post(ctx, "/start", request{Machine: machine, By: by})
}

// Stop asks for a machine to be stopped.
func (c *Client) Stop(ctx context.Context, machine, by string) error {
	return c.post(ctx, "/stop", request{Machine: machine, By: by})
}

// Describe says how a machine is.
func (c *Client) Describe(ctx context.Context, machine string) (d fakecloud.Description, err error) {
	err = c.get(ctx, "/describe/"+machine, &d)
	return d, err
}

// Read reads the meter of a machine.
func (c *Client) Read(ctx context.Context, machine string) (r fakecloud.Reading, err error) {
	err = c.get(ctx, "/meter/"+machine, &r)
	return r, err
}

// Machines returns the names of all machines.
func (c *Client) Machines(ctx context.Context) (names []string, err error) {
	err = c.get(ctx, "/machines", &names)
	return names, err
}

// Inject makes faults happen, written as [fakecloud.ParseFault] reads them.
func (c *Client) Inject(ctx context.Context, machine string, faults ...string) error {
	return c.post(ctx, "/inject", request{Machine: machine, Faults: faults})
}

// Calm takes back the faults that have not happened yet.
func (c *Client) Calm(ctx context.Context, machine string) error {
	return c.post(ctx, "/calm", request{Machine: machine})
}

// Begin records an operation. It ends with end, or with this process.
func (c *Client) Begin(a fakecloud.Action) (end func(), err error) {
	return c.lease("/begin", request{Machine: a.Machine, Kind: a.Kind, By: a.By})
}

// Need says that somebody wants a machine, until done is called, or as long as this process lives.
func (c *Client) Need(machine, who string) (done func(), err error) {
	return c.lease("/need", request{Machine: machine, By: who})
}

func (c *Client) lease(path string, q request) (end func(), err error) {
	ctx, cancel := context.WithCancel(context.Background())
	resp, err := c.send(ctx, path, &q)
	if err != nil {
		cancel()
		return nil, err
	}
	return func() { cancel(); _ = resp.Body.Close() }, nil
}

func (c *Client) post(ctx context.Context, path string, q request) error {
	resp, err := c.send(ctx, path, &q)
	if err != nil {
		return err
	}
	return resp.Body.Close()
}

func (c *Client) get(ctx context.Context, path string, v any) error {
	resp, err := c.send(ctx, path, nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	return json.NewDecoder(resp.Body).Decode(v)
}

// send posts one request, or gets without one; the response is a good one.
func (c *Client) send(ctx context.Context, path string, body *request) (*http.Response, error) {
	method := http.MethodPost
	if body == nil {
		method = http.MethodGet
	}
	data, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://cloud"+path, bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, fmt.Errorf("asking the cloud: %w", err)
	}
	if resp.StatusCode == http.StatusOK {
		return resp, nil
	}
	defer resp.Body.Close()
	refusal := new(fakecloud.Refusal)
	if err := json.NewDecoder(resp.Body).Decode(refusal); err != nil {
		return nil, fmt.Errorf("asking the cloud: it answered %s", resp.Status)
	}
	return nil, refusal
}
