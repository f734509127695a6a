package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/rouse-proxy/rouse/internal/config"
	"github.com/rouse-proxy/rouse/internal/doctor"
	"github.com/rouse-proxy/rouse/internal/driver"
	"github.com/rouse-proxy/rouse/internal/driver/exec"
	"github.com/rouse-proxy/rouse/internal/state"
)

// Rehearsal says what the doctor rehearses. Config and Out are needed.
type Rehearsal struct {
	Config   *config.Config
	Targets  []string // by name, in this order; none: all
	Out      io.Writer
	EvenIfUp bool // a target that is up already is stopped, too
}

// targets returns those that are rehearsed.
func (r Rehearsal) targets() []config.Target {
	var all []config.Target
	for _, t := range r.Config.Targets {
		if len(r.Targets) == 0 {
			all = append(all, t)
		}
	}
	for _, name := range r.Targets {
		if t := r.Config.Named(name); t != nil {
			all = append(all, *t)
		}
	}
	return all
}

// Rehearse starts and stops each target as a client and a cooldown would, and tells what it finds. While it goes on it has the
// state directory, as a rouse that runs would. The error says that it could not begin.
func (r Rehearsal) Rehearse(ctx context.Context) (well bool, err error) {
	out := &lockedWriter{out: r.Out}
	a := &App{cfg: r.Config, logger: slog.New(&hookPrinter{out: out}), parts: map[string]*part{}, listeners: map[string]*listener{}}
	if err := a.openState(); err != nil {
		if errors.Is(err, state.ErrLocked) {
			err = fmt.Errorf("%w; end that rouse first: a rehearsal would start and stop its targets behind its back", err)
		}
		return false, err
	}
	defer func() { err = errors.Join(err, a.close()) }()
	well = true
	for i, t := range r.targets() {
		if i > 0 {
			_, _ = fmt.Fprintln(out, "\n"+strings.Repeat("-", 72))
		}
		fine, err := a.rehearse(ctx, r, t, out)
		if err != nil {
			return false, err
		}
		well = well && fine
		if ctx.Err() != nil {
			return false, nil // it has told so
		}
	}
	return well, nil
}

// rehearse wakes what a target needs, rehearses it, and leaves the others as they were.
func (a *App) rehearse(ctx context.Context, r Rehearsal, t config.Target, out io.Writer) (well bool, err error) {
	var woken []doctor.Subject
	well = true
	for _, need := range needed(a.cfg, t, nil) {
		s, err := a.subject(need, r)
		if err != nil {
			return false, err
		}
		mine, report := s.Wake(ctx, out)
		_, _ = fmt.Fprintln(out)
		if mine {
			woken = append(woken, s)
		}
		if well = well && len(report.Failed) == 0; !well {
			break
		}
	}
	if well {
		s, err := a.subject(t, r)
		if err != nil {
			return false, err
		}
		well = s.Rehearse(ctx, out).Well()
	}
	for _, s := range slices.Backward(woken) {
		_, _ = fmt.Fprintln(out)
		well = s.Sleep(ctx, out).Well() && well
	}
	return well, nil
}

// needed lists what a target needs, those first that others of them need.
func needed(cfg *config.Config, t config.Target, all []config.Target) []config.Target {
	for _, name := range t.Needs {
		need := cfg.Named(name)
		if need == nil || slices.ContainsFunc(all, func(o config.Target) bool { return o.Name == name }) {
			continue
		}
		all = append(needed(cfg, *need, all), *need)
	}
	return all
}

// subject is a target as the doctor sees it.
func (a *App) subject(t config.Target, r Rehearsal) (doctor.Subject, error) {
	rec, err := a.store.Load(t.Name)
	if err != nil {
		a.logger.Warn("what is known of the target cannot be read", "err", err)
	}
	rec.Target, rec.Epoch = t.Name, rec.Epoch+1
	g, err := a.newGear(func() uint64 { return rec.Epoch }, t)
	if err != nil {
		return doctor.Subject{}, err
	}
	return doctor.Subject{
		Name: t.Name, Address: t.Backend.Address(), Driver: g.driver.Driver(), Prober: g.prober,
		StartTimeout: t.StartTimeout, StopTimeout: t.StopTimeout, EvenIfUp: r.EvenIfUp, Epoch: rec.Epoch,
		ClientFirst: waitsForClients(a.cfg, t), Words: words(t),
		Record: func(mayRun bool) error {
			now := time.Now()
			return a.store.Save(state.Record{Target: t.Name, MayRun: mayRun, Epoch: rec.Epoch, Since: now, LastUsed: now})
		},
	}, nil
}

// waitsForClients says whether a listener waits for what clients of a target say first.
func waitsForClients(cfg *config.Config, t config.Target) bool {
	return slices.ContainsFunc(cfg.Routes, func(r config.Route) bool {
		leads := r.Target == t.Name && r.Port == 0 && r.Path == ""
		for _, c := range r.Choices {
			leads = leads || c.Target == t.Name && c.Port == 0 && c.Path == ""
		}
		return leads && (r.Gate.FirstBytes > 0 || len(r.Gate.WakeOn) > 0 || len(r.Choices) > 0)
	})
}

// words are what a target's steps are called.
func words(t config.Target) doctor.Words {
	p := t.Probe
	ask := map[config.ProbeKind]string{
		config.ProbeTCP: "a connection that stays", config.ProbeHTTP: "GET " + p.Path, config.ProbeHTTPS: "GET " + p.Path + " over TLS",
		config.ProbeTLS: "a TLS handshake", config.ProbeBanner: "what it says first", config.ProbeExec: "by running " + line(p.Command),
	}
	return doctor.Words{Start: line(t.Hooks.Start), Stop: line(t.Hooks.Stop), Status: line(t.Hooks.Status), Probe: ask[p.Kind]}
}

// line shows a command as a person would write it.
func line(argv []string) string {
	var all []string
	for _, word := range argv {
		if word == "" || strings.ContainsAny(word, " \t\"'\\$") || strconv.Quote(word) != `"`+word+`"` {
			word = strconv.Quote(word)
		}
		all = append(all, word)
	}
	return strings.Join(all, " ")
}

// Preview tells what Rehearse would run, and with which environment, and runs nothing. Values of variables that the config sets are not
// shown.
func (r Rehearsal) Preview() error {
	dir, err := r.Config.StateDir(os.Getenv)
	if err != nil {
		return err
	}
	here, err := os.Getwd()
	if err != nil {
		here = "the current directory"
	}
	for _, t := range r.targets() {
		for _, need := range needed(r.Config, t, nil) {
			fmt.Fprintf(r.Out, "Target %q needs %q, which is started before, if it is not up, and stopped afterwards.\n\n", t.Name, need.Name)
		}
		fmt.Fprintf(r.Out, "Rehearsing target %q at %s would run this, in %s:\n", t.Name, t.Backend.Address(), here)
		d, err := exec.New(exec.Options{
			Target: t.Name, Start: t.Hooks.Start, Stop: t.Hooks.Stop, Status: t.Hooks.Status, Ready: t.Probe.Command, Dir: dir, Stem: state.Stem(t.Name), Env: environment(t.Hooks.Env),
		})
		if err != nil {
			return fmt.Errorf("target %q: %w", t.Name, err)
		}
		r.preview(t, d)
	}
	return nil
}

// preview tells the steps of one target.
func (r Rehearsal) preview(t config.Target, d *exec.Driver) {
	ask := "ask at " + t.Backend.Address() + ": " + words(t).Probe
	look := []string{"status", ask, "probe"}
	steps := [][]string{look, {"start", ask, "probe"}, append([]string{"start"}, look...), {"connect to " + t.Backend.Address() + ", and listen for 2 s"}, append([]string{"stop"}, look...), append([]string{"stop"}, look...)}
	titles := []string{"Is it up?", "Start it", "Start it once more", "Connect as a client", "Stop it", "Stop it once more"}
	shown := map[string]bool{}
	for i, step := range steps {
		fmt.Fprintf(r.Out, "\n%d. %s\n", i+1, titles[i])
		for _, what := range step {
			command, is := d.Command(what, driver.Op{Epoch: 1, Reason: "doctor: " + cmp.Or(map[string]string{"start": "start", "stop": "stop", "probe": "probe"}[what], "asking"), Address: t.Backend.Address()})
			switch {
			case is && shown[what]:
				fmt.Fprintf(r.Out, "   %s hook, as above\n", what)
			case is:
				shown[what] = true
				fmt.Fprintf(r.Out, "   %s hook: %s\n", what, line(command.Argv))
				for _, entry := range command.Env {
					fmt.Fprintf(r.Out, "      %s\n", entry)
				}
			case what == "status" || what == "probe": // there is none
			default:
				fmt.Fprintf(r.Out, "   %s\n", what)
			}
		}
	}
}

// lockedWriter lets several goroutines write lines.
type lockedWriter struct {
	mu  sync.Mutex
	out io.Writer
}

func (w *lockedWriter) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.out.Write(b)
}

// hookPrinter is a log for the doctor's patient: what hooks print, and what is worth a note.
type hookPrinter struct {
	out  io.Writer
	with []slog.Attr
}

// Enabled leaves out what only those want to know who look for a fault.
func (p *hookPrinter) Enabled(_ context.Context, level slog.Level) bool {
	return level >= slog.LevelDebug
}

// Handle writes one line.
func (p *hookPrinter) Handle(_ context.Context, r slog.Record) error {
	attrs := map[string]string{}
	text := r.Message
	add := func(a slog.Attr) bool {
		attrs[a.Key] = a.Value.String()
		if a.Key != "target" {
			text += " " + a.Key + "=" + a.Value.String()
		}
		return true
	}
	for _, a := range p.with {
		add(a)
	}
	r.Attrs(add)
	switch {
	case r.Message == "hook output":
		text = "| " + attrs["line"]
	case r.Level < slog.LevelWarn:
		return nil
	}
	_, err := fmt.Fprintf(p.out, "   %s\n", text)
	return err
}

// WithAttrs is for package slog.
func (p *hookPrinter) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &hookPrinter{p.out, append(slices.Clone(p.with), attrs...)}
}

// WithGroup is for package slog. Nobody groups here.
func (p *hookPrinter) WithGroup(string) slog.Handler { return p }
