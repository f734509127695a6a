package admin

import (
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rouse-proxy/rouse/internal/history"
)

func status(a *api, _ http.ResponseWriter, _ *http.Request) (any, error) {
	return a.daemon.Status(), nil
}

func targets(a *api, _ http.ResponseWriter, _ *http.Request) (any, error) {
	return a.daemon.Status().Targets, nil
}

func oneTarget(a *api, _ http.ResponseWriter, r *http.Request) (any, error) { return a.target(r) }

// target finds the one that a request names.
func (a *api) target(r *http.Request) (Target, error) {
	all := a.daemon.Status().Targets
	name := r.PathValue("name")
	if i := slices.IndexFunc(all, func(t Target) bool { return t.Name == name }); i >= 0 {
		return all[i], nil
	}
	return Target{}, NotFound("there is no target " + strconv.Quote(name))
}

func health(a *api, _ http.ResponseWriter, r *http.Request) (any, error) {
	t, err := a.target(r)
	return Health{t.Name, t.Health, t.State}, err
}

func why(a *api, _ http.ResponseWriter, r *http.Request) (any, error) {
	return a.daemon.Why(r.Context(), r.PathValue("name"))
}

func wake(a *api, _ http.ResponseWriter, r *http.Request) (any, error) {
	return Done{}, a.daemon.Wake(r.PathValue("name"))
}

func stop(a *api, _ http.ResponseWriter, r *http.Request) (any, error) {
	force := r.URL.Query().Get("force")
	if force != "" && force != "yes" && force != "no" {
		return nil, mistaken("force is yes or no")
	}
	return Done{}, a.daemon.Stop(r.PathValue("name"), force == "yes")
}

func hold(a *api, w http.ResponseWriter, r *http.Request) (any, error) {
	h, err := body[Hold](w, r)
	if err != nil {
		return nil, err
	}
	const mostSeconds = 400 * 24 * 3600
	switch {
	case h.For != 0 && !h.Until.IsZero():
		return nil, mistaken("write either until or for")
	case h.For < 0 || h.For > mostSeconds:
		return nil, mistaken("for is a number of seconds, of at most a year")
	case h.For > 0:
		h.Until = time.Now().Add(time.Duration(h.For * float64(time.Second)))
	case h.Until.IsZero():
		return nil, mistaken(`nothing says until when: write "for", in seconds, or "until"`)
	}
	return Done{}, a.daemon.Hold(r.PathValue("name"), h.Until, h.Why)
}

func release(a *api, _ http.ResponseWriter, r *http.Request) (any, error) {
	return a.daemon.Release(r.PathValue("name"))
}

func maintain(a *api, w http.ResponseWriter, r *http.Request) (any, error) {
	m, err := body[Maintenance](w, r)
	if err != nil {
		return nil, err
	}
	if m.Mode != "refuse" && m.Mode != "hold" {
		return nil, mistaken(`mode is "refuse" or "hold"`)
	}
	return Done{}, a.daemon.Maintain(r.PathValue("name"), m.Mode, m.Why)
}

func endMaintenance(a *api, _ http.ResponseWriter, r *http.Request) (any, error) {
	return Done{}, a.daemon.Maintain(r.PathValue("name"), "off", "")
}

func reload(a *api, _ http.ResponseWriter, _ *http.Request) (any, error) {
	return a.daemon.Reload("asked for")
}

// reader returns who reads the history.
func (a *api) reader() (*history.Reader, error) {
	if r := a.daemon.History().Reader(); r != nil {
		return r, nil
	}
	return nil, unavailable
}

func facts(a *api, _ http.ResponseWriter, r *http.Request) (any, error) {
	return page(a, r, func(h *history.Reader, q history.Query) (Facts, error) {
		all, err := h.Facts(r.Context(), q)
		return Facts{some(all)}, err
	})
}

func connections(a *api, _ http.ResponseWriter, r *http.Request) (any, error) {
	return page(a, r, func(h *history.Reader, q history.Query) (Connections, error) {
		all, err := h.Connections(r.Context(), q)
		return Connections{some(all)}, err
	})
}

func starts(a *api, _ http.ResponseWriter, r *http.Request) (any, error) {
	return page(a, r, func(h *history.Reader, q history.Query) (Starts, error) {
		all, err := h.Starts(r.Context(), q)
		return Starts{some(all)}, err
	})
}

// some is a list that is not null in JSON.
func some[T any](all []T) []T {
	if all == nil {
		return []T{}
	}
	return all
}

// page answers a question for a page of entries.
func page[T any](a *api, r *http.Request, read func(*history.Reader, history.Query) (T, error)) (any, error) {
	h, err := a.reader()
	if err != nil {
		return nil, err
	}
	q, err := query(r)
	if err != nil {
		return nil, err
	}
	return read(h, q)
}

// query reads the parameters of a page.
func query(r *http.Request) (q history.Query, err error) {
	v := r.URL.Query()
	q.Target = v.Get("target")
	if q.Since, err = timeOf(v.Get("since"), time.Time{}); err != nil {
		return q, err
	}
	if q.Until, err = timeOf(v.Get("until"), time.Time{}); err != nil {
		return q, err
	}
	if q.Before, err = number(v.Get("before")); err != nil {
		return q, err
	}
	limit, err := number(v.Get("limit"))
	q.Limit = int(min(limit, history.MostEntries))
	return q, err
}

func number(s string) (int64, error) {
	if s == "" {
		return 0, nil
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < 0 {
		return 0, mistaken(strconv.Quote(s) + " is not a whole number")
	}
	return n, nil
}

// timeOf reads a time, or how long ago it was.
func timeOf(s string, otherwise time.Time) (time.Time, error) {
	if s == "" {
		return otherwise, nil
	}
	if at, err := time.Parse(time.RFC3339, s); err == nil && at.Year() >= 1970 && at.Year() < 2200 {
		return at, nil
	}
	if ago, err := time.ParseDuration(s); err == nil && ago >= 0 {
		return time.Now().Add(-ago), nil
	}
	return otherwise, mistaken(strconv.Quote(s) + " is not a time: write one such as 2026-11-26T12:00:00Z, or how long ago, such as 24h")
}

// span reads the parameters of a span of time, of a day if nothing is said.
func span(r *http.Request, usual time.Duration) (target string, since, until time.Time, err error) {
	v, now := r.URL.Query(), time.Now()
	if until, err = timeOf(v.Get("until"), now); err != nil {
		return "", since, until, err
	}
	if since, err = timeOf(v.Get("since"), until.Add(-usual)); err != nil {
		return "", since, until, err
	}
	if !since.Before(until) {
		return "", since, until, mistaken("the time ends before it begins")
	}
	return v.Get("target"), since, until, nil
}

func timeline(a *api, _ http.ResponseWriter, r *http.Request) (any, error) {
	h, err := a.reader()
	if err != nil {
		return nil, err
	}
	target, since, until, err := span(r, 24*time.Hour)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, t := range a.daemon.Status().Targets {
		if target == "" || t.Name == target {
			names = append(names, t.Name)
		}
	}
	if target != "" && len(names) == 0 {
		names = []string{target} // one that is gone has a history
	}
	return h.Timeline(r.Context(), names, since, until)
}

func week(a *api, _ http.ResponseWriter, r *http.Request) (any, error) {
	h, err := a.reader()
	if err != nil {
		return nil, err
	}
	weeks, err := number(r.URL.Query().Get("weeks"))
	if err != nil || weeks > 104 {
		return nil, mistaken("weeks is a whole number up to 104")
	}
	if weeks == 0 {
		weeks = 4
	}
	target := r.URL.Query().Get("target")
	if target == "" {
		return nil, mistaken("a week is of one target: name it with target")
	}
	return h.Week(r.Context(), target, int(weeks), time.Now(), a.place)
}

func saved(a *api, _ http.ResponseWriter, r *http.Request) (any, error) {
	target, since, until, err := span(r, 30*24*time.Hour)
	if err != nil {
		return nil, err
	}
	return a.daemon.Savings(r.Context(), target, since, until)
}

// jsonName is the key of a field.
func jsonName(f reflect.StructField) string {
	name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
	if name == "" {
		return f.Name
	}
	return name
}
