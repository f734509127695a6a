package app

import (
	"context"
	"fmt"
	"log/slog"
	"os"

	"github.com/rouse-proxy/rouse/internal/config"
	"github.com/rouse-proxy/rouse/internal/driver/exec"
	"github.com/rouse-proxy/rouse/internal/event"
	"github.com/rouse-proxy/rouse/internal/notify"
	"github.com/rouse-proxy/rouse/internal/otlp"
	"github.com/rouse-proxy/rouse/internal/trace"
)

// openEvents says who is told of events: the log, the trace if one is wanted, and the sinks of
// the caller. The log alone does not care for all of them.
func (a *App) openEvents(opts Options) error {
	h := newHush(a.logger)
	a.onClose(func() error { h.flush(); return nil })
	a.openHistory()
	sinks := append([]func(event.Event){logSink(a.logger, h), a.history.Sink, a.metrics.Sink}, opts.Sinks...)
	if err := a.openNotifier(); err != nil {
		return err
	}
	if a.notifier != nil {
		sinks = append(sinks, a.notifier.Sink)
	}
	if t := a.cfg.Telemetry; t.Endpoint != "" {
		host, _ := os.Hostname() // without it there is none in a trace
		var err error
		a.exporter, err = otlp.New(otlp.Options{Endpoint: t.Endpoint, Header: t.Header.Reveal(), Share: t.Percent / 100, Version: opts.Version, Host: host, Logger: a.logger})
		if err != nil {
			return err
		}
		sinks = append(sinks, a.exporter.Sink)
	}
	if a.cfg.Trace != "" {
		if err := a.openTrace(opts.Version); err != nil {
			return err
		}
		sinks = append(sinks, a.trace.Sink)
	}
	a.events = event.NewLog(sinks...)
	return nil
}

// openTrace comes after the state directory is ours: so no two runs have the trace of one target at a time.
func (a *App) openTrace(version string) error {
	var err error
	if a.trace, err = trace.Open(a.cfg.Trace, trace.Options{Version: version, Settings: traced(a.cfg), Logger: a.logger}); err != nil {
		return err
	}
	a.onClose(a.closeTrace)
	return nil
}

// openNotifier makes who tells people.
func (a *App) openNotifier() error {
	if len(a.cfg.Notify) == 0 {
		return nil
	}
	host, _ := os.Hostname() // without it there is none in a message
	o := notify.Options{Host: host, Logger: a.logger}
	for _, n := range a.cfg.Notify {
		o.Channels = append(o.Channels, notify.Channel{Name: n.Name, URL: n.URL.Reveal(), Key: n.Key.Reveal(), Groups: n.Events, Targets: n.Targets})
	}
	var err error
	a.notifier, err = notify.New(o)
	return err
}

// InspectNotify finds notifications whose URLs are no such thing. Nothing of them is shown.
func InspectNotify(cfg *config.Config) (problems config.Problems) {
	for i, n := range cfg.Notify {
		if err := notify.Check(notify.Channel{Name: n.Name, URL: n.URL.Reveal(), Key: n.Key.Reveal()}); err != nil {
			problems = append(problems, config.Problem{Where: fmt.Sprintf("notify[%d].url", i), Text: err.Error()})
		}
	}
	return problems
}

// traced is what a trace says of the settings of targets.
func traced(cfg *config.Config) map[string]trace.Settings {
	settings := map[string]trace.Settings{}
	for _, t := range cfg.Targets {
		if t.Auto.On { // it may be anything between these
			settings[t.Name] = trace.Settings{Cooldown: t.Auto.Least, StartTimeout: t.StartTimeout, StopTimeout: t.StopTimeout, LongestIdle: max(t.MinUptime, t.Busy.Every, t.Auto.Most)}
			continue
		}
		settings[t.Name] = trace.Settings{
			Cooldown: t.Cooldown, StartTimeout: t.StartTimeout, StopTimeout: t.StopTimeout, LongestIdle: max(t.MinUptime, t.Busy.Every),
		}
	}
	return settings
}

// closeTrace is no reason to fail: whoever wants the trace finds in the log why it has no end.
func (a *App) closeTrace() error {
	if err := a.trace.Close(); err != nil {
		a.logger.Error("the trace may lack its end", "err", err)
	}
	return nil
}

// tellHook passes on what the driver tells of a hook's process.
func (a *App) tellHook(target string, r exec.HookRun) {
	kind := event.HookBegun
	if r.Ended {
		kind = event.HookEnded
	}
	a.events.Emit(event.Event{Kind: kind, Target: target, Operation: r.Hook, PID: r.PID, Epoch: r.Epoch, Err: r.Err, Output: r.Output})
}

// logSink writes every event to the log.
func logSink(logger *slog.Logger, h *hush) func(event.Event) {
	return func(e event.Event) {
		level := e.Level()
		if !h.say(e) {
			return
		}
		if e.Kind == event.StateNotSaved {
			return // whoever could not save it has said so, and what that may cost
		}
		if logger.Enabled(context.Background(), level) {
			logger.LogAttrs(context.Background(), level, string(e.Kind), e.Attrs()...)
		}
	}
}
