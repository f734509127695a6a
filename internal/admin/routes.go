package admin

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"time"

	"github.com/rouse-proxy/rouse/internal/history"
	"github.com/rouse-proxy/rouse/internal/savings"
)

//go:generate go run ../../scripts/apidoc -out openapi.json

const metricsPath = "/metrics"

// A Route is one thing that can be asked. The description of the API is made of these, and so is what answers.
type Route struct {
	Method, Path string
	Summary      string // one sentence
	Query        []Parameter
	Body         any // a value of its type; nil: there is none
	Answer       any // a value of its type
	Stream       bool
	do           func(a *api, w http.ResponseWriter, r *http.Request) (any, error)
}

// A Parameter stands in the query of a URL.
type Parameter struct {
	Name, Kind, Text string // Kind: string, integer, time
}

// Answers that have no type of their own.
type (
	// Done is the answer to what is done.
	Done struct{}
	// Facts are some of them.
	Facts struct {
		Facts []history.Fact `json:"facts"`
	}
	// Connections are some of them.
	Connections struct {
		Connections []history.Connection `json:"connections"`
	}
	// Starts are some of them.
	Starts struct {
		Starts []history.Start `json:"starts"`
	}
	// Health is that of one target.
	Health struct {
		Target string `json:"target"`
		Health string `json:"health"`
		State  string `json:"state"`
	}
)

var (
	byTarget = Parameter{"target", "string", "Name of a target. Without it: all."}
	bySince  = Parameter{"since", "time", "From when on: a time as RFC 3339 has it, or how long ago, such as 24h."}
	byUntil  = Parameter{"until", "time", "Until when. Without it: now."}
	byBefore = Parameter{"before", "integer", "Only what has a lower id: the next page."}
	byLimit  = Parameter{"limit", "integer", "How many at most; 100 without it."}
)

// Routes returns all of them.
func Routes() []Route {
	page := []Parameter{byTarget, bySince, byUntil, byBefore, byLimit}
	span := []Parameter{byTarget, bySince, byUntil}
	return []Route{
		{Method: "GET", Path: "/v1/status", Summary: "What is so now, of rouse and of all targets.", Answer: Status{}, do: status},
		{Method: "GET", Path: "/v1/targets", Summary: "All targets.", Answer: []Target{}, do: targets},
		{Method: "GET", Path: "/v1/targets/{name}", Summary: "One target.", Answer: Target{}, do: oneTarget},
		{Method: "GET", Path: "/v1/targets/{name}/health", Summary: "The health of a target, for monitors: one that is asleep is fine. Failing answers 503.", Answer: Health{}, do: health},
		{Method: "GET", Path: "/v1/targets/{name}/why", Summary: "Why a target is awake or asleep.", Answer: Why{}, do: why},
		{Method: "POST", Path: "/v1/targets/{name}/wake", Summary: "Begin to wake a target or a group.", Answer: Done{}, do: wake},
		{Method: "POST", Path: "/v1/targets/{name}/stop", Summary: "Begin to stop a target or a group that nobody uses. 409: somebody does.", Answer: Done{},
			Query: []Parameter{{"force", "string", "yes: cut the clients that are connected."}}, do: stop},
		{Method: "POST", Path: "/v1/targets/{name}/hold", Summary: "Keep a target or a group awake.", Body: Hold{}, Answer: Done{}, do: hold},
		{Method: "DELETE", Path: "/v1/targets/{name}/hold", Summary: "End holds; the answer is how many there were.", Answer: 0, do: release},
		{Method: "POST", Path: "/v1/targets/{name}/maintenance", Summary: "Refuse new clients of a target or a group, or have them wait.", Body: Maintenance{}, Answer: Done{}, do: maintain},
		{Method: "DELETE", Path: "/v1/targets/{name}/maintenance", Summary: "Let clients in again.", Answer: Done{}, do: endMaintenance},
		{Method: "POST", Path: "/v1/reload", Summary: "Read the config again. The answer is what has changed.", Answer: map[string]any{}, do: reload},
		{Method: "GET", Path: "/v1/events", Summary: "What happens, as it happens: events status and fact. Last-Event-ID, or after, resumes.", Stream: true,
			Query: []Parameter{byTarget, {"after", "integer", "Only facts with a higher id. 0: those that are remembered."}, {"status", "string", "no: facts alone."}}, do: events},
		{Method: "GET", Path: "/v1/history/facts", Summary: "What has happened, the newest first.", Query: page, Answer: Facts{}, do: facts},
		{Method: "GET", Path: "/v1/history/connections", Summary: "Who was served, the newest first.", Query: page, Answer: Connections{}, do: connections},
		{Method: "GET", Path: "/v1/history/starts", Summary: "How long starts took, the newest first.", Query: page, Answer: Starts{}, do: starts},
		{Method: "GET", Path: "/v1/history/timeline", Summary: "States, arrivals and bytes over time.", Query: span, Answer: history.Timeline{}, do: timeline},
		{Method: "GET", Path: "/v1/history/week", Summary: "How much a target is used in each hour of a week.", Answer: history.Week{},
			Query: []Parameter{byTarget, {"weeks", "integer", "Of how many weeks; 4 without it."}}, do: week},
		{Method: "GET", Path: "/v1/savings", Summary: "What targets cost, and would have cost had they never slept.", Query: span, Answer: savings.Report{}, do: saved},
	}
}

// api answers.
type api struct {
	daemon Daemon
	place  *time.Location
	done   <-chan struct{} // closed when rouse ends
}

// serve makes a handler of a route.
func (a *api) serve(route Route) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if route.Body == nil && r.ContentLength != 0 && r.Method != http.MethodGet {
			answer(w, http.StatusBadRequest, failure{"this request has no body"})
			return
		}
		if err := route.understands(r); err != nil {
			answer(w, http.StatusBadRequest, failure{err.Error()})
			return
		}
		value, err := route.do(a.of(r), w, r)
		switch {
		case route.Stream && err == nil:
		case err != nil:
			answer(w, statusOf(err), failure{err.Error()})
		default:
			code := http.StatusOK
			if h, ok := value.(Health); ok && h.Health == Failing {
				code = http.StatusServiceUnavailable
			}
			answer(w, code, value)
		}
	}
}

// understands says what in the query of a request nobody would heed.
func (r Route) understands(req *http.Request) error {
	values, err := url.ParseQuery(req.URL.RawQuery)
	if err != nil {
		return mistaken("the query of the URL is not understood: " + err.Error())
	}
	for name := range values {
		if !slices.ContainsFunc(r.Query, func(p Parameter) bool { return p.Name == name }) {
			return mistaken(fmt.Sprintf("there is no parameter %q here", name))
		}
	}
	return nil
}

// of is the same for whoever has sent a request.
func (a *api) of(r *http.Request) *api {
	who, _ := r.Context().Value(peerKey{}).(string)
	if who == "" {
		return a
	}
	return &api{daemon: a.daemon.For(who), place: a.place, done: a.done}
}

// mistaken is an error of whoever has asked.
type mistaken string

func (m mistaken) Error() string { return string(m) }

// unavailable is told while there is no history to be read.
const unavailable = Conflict("there is no history: it is turned off (history: days: 0), or its file cannot be read; the log has more")

func statusOf(err error) int {
	if _, is := errors.AsType[Conflict](err); is {
		return http.StatusConflict
	}
	if _, is := errors.AsType[NotFound](err); is {
		return http.StatusNotFound
	}
	if _, is := errors.AsType[mistaken](err); is {
		return http.StatusBadRequest
	}
	return http.StatusUnprocessableEntity
}

// body reads what was sent. Nothing but one value of the type is taken.
func body[T any](w http.ResponseWriter, r *http.Request) (v T, err error) {
	dec := json.NewDecoder(http.MaxBytesReader(w, r.Body, mostBody))
	dec.DisallowUnknownFields()
	if err = dec.Decode(&v); err == nil {
		if _, more := dec.Token(); !errors.Is(more, io.EOF) {
			err = errors.New("there is more behind it")
		}
	}
	if err != nil {
		return v, mistaken(fmt.Sprintf("the request is not understood: %v; a body looks like %s", err, example(v)))
	}
	return v, nil
}

// example shows the keys of a type.
func example(v any) string {
	t, text := reflect.TypeOf(v), ""
	for field := range t.Fields() {
		if text != "" {
			text += ", "
		}
		text += `"` + jsonName(field) + `": …`
	}
	return "{" + text + "}"
}

func answer(w http.ResponseWriter, status int, value any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(value) // who has gone needs no answer
}
