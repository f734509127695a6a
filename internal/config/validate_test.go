package config

import (
	"errors"
	"log/slog"
	"math"
	"net/netip"
	"strings"
	"testing"
	"time"
)

func TestValidateFindsEachBrokenInvariant(t *testing.T) {
	listen := netip.MustParseAddrPort
	for want, spoil := range map[string]func(c *Config, t *Target){
		"targets: there is none; a rouse needs at least one": func(c *Config, _ *Target) { c.Targets, c.Routes[0].Target = nil, "x" },
		"routes: there is none; a rouse needs at least one":  func(c *Config, _ *Target) { c.Routes = nil },
		`targets[1].name: "vm.lan:22" is the name of another target too; each needs its own`: func(c *Config, t *Target) {
			c.Targets = append(c.Targets, *t)
		},
		"targets[0].name: it is empty; write a name":         func(c *Config, t *Target) { t.Name, c.Routes[0].Target = "", "" },
		"targets[0].name: \"a b\" has a character":           func(c *Config, t *Target) { t.Name, c.Routes[0].Target = "a b", "a b" },
		"targets[0].backend.host: \"\" is not a host name":   func(_ *Config, t *Target) { t.Backend.Host = "" },
		"targets[0].backend.host: \"[::1]\" is not in its p": func(_ *Config, t *Target) { t.Backend.Host = "[::1]" },
		"targets[0].backend.host: \"0.0.0.0\" means every":   func(_ *Config, t *Target) { t.Backend.Host = "0.0.0.0" },
		"targets[0].backend.port: \"0\" is no port":          func(_ *Config, t *Target) { t.Backend.Port = 0 },
		"targets[0].hooks.start: missing":                    func(_ *Config, t *Target) { t.Hooks.Start = nil },
		"targets[0].hooks.stop: it is empty":                 func(_ *Config, t *Target) { t.Hooks.Stop = []string{""} },
		"targets[0].hooks.status: the command has a NUL":     func(_ *Config, t *Target) { t.Hooks.Status = []string{"a", "\x00"} },
		"targets[0].hooks.env[0]: \"1\" is not the name":     func(_ *Config, t *Target) { t.Hooks.Env = []Variable{{Name: "1"}} },
		"targets[0].hooks.env: \"A\" is given twice":         func(_ *Config, t *Target) { t.Hooks.Env = []Variable{{Name: "A"}, {Name: "A", Inherit: true}} },
		"targets[0].probe.kind: \"tpc\" is not a probe":      func(_ *Config, t *Target) { t.Probe.Kind = "tpc" },
		"targets[0].probe.path: missing":                     func(_ *Config, t *Target) { t.Probe.Kind = ProbeHTTP },
		"targets[0].probe.path: \"x\" has a character":       func(_ *Config, t *Target) { t.Probe = Probe{Kind: ProbeHTTP, Path: "x"} },
		"targets[0].probe.expect: \"\\n\" has a control": func(_ *Config, t *Target) {
			t.Probe = Probe{Kind: ProbeBanner, Expect: "\n"}
		},
		"targets[0].probe.expect: \"xx": func(_ *Config, t *Target) {
			t.Probe = Probe{Kind: ProbeBanner, Expect: strings.Repeat("x", maxBanner+1)}
		},
		"targets[0].probe.command: missing":                   func(_ *Config, t *Target) { t.Probe.Kind = ProbeExec },
		"targets[0].probe: a tcp probe has what belongs":      func(_ *Config, t *Target) { t.Probe.Path = "/" },
		"targets[0].probe.settle: -1ns is negative":           func(_ *Config, t *Target) { t.Probe.Settle = -1 },
		"targets[0].probe.settle: 50ms is not shorter":        func(_ *Config, t *Target) { t.StartTimeout = time.Millisecond },
		"targets[0].cooldown: 0s would stop the target":       func(_ *Config, t *Target) { t.Cooldown = 0 },
		"targets[0].cooldown: 8760h0m0.000000001s is longer":  func(_ *Config, t *Target) { t.Cooldown = year + 1 },
		"targets[0].start_timeout: 0s would leave":            func(_ *Config, t *Target) { t.StartTimeout = 0 },
		"targets[0].stop_timeout: 25h is longer than a day":   func(_ *Config, t *Target) { t.StopTimeout = 25 * time.Hour },
		"targets[0].release_rate: -1 is negative":             func(_ *Config, t *Target) { t.ReleaseRate = -1 },
		"targets[0].release_rate: NaN is not a number":        func(_ *Config, t *Target) { t.ReleaseRate = math.NaN() },
		"targets[0].release_rate: +Inf is more than":          func(_ *Config, t *Target) { t.ReleaseRate = math.Inf(1) },
		"targets[0].release_rate: 0.001 is less than":         func(_ *Config, t *Target) { t.ReleaseRate = 0.001 },
		"routes[0].listen: missing":                           func(c *Config, _ *Target) { c.Routes[0].Listen = netip.AddrPort{} },
		"routes[0].listen: \"224.0.0.1\" is a multicast":      func(c *Config, _ *Target) { c.Routes[0].Listen = listen("224.0.0.1:80") },
		"routes[0].listen: [::ffff:10.0.0.1]:80 is not in it": func(c *Config, _ *Target) { c.Routes[0].Listen = listen("[::ffff:10.0.0.1]:80") },
		"routes[1].listen: 0.0.0.0:8000 is the listener of":   func(c *Config, _ *Target) { c.Routes = append(c.Routes, c.Routes[0]) },
		"routes[0].target: there is no target \"x\"":          func(c *Config, _ *Target) { c.Routes[0].Target = "x" },
		"routes[0].listen: rouse would connect to itself": func(c *Config, t *Target) {
			t.Backend, c.Routes[0].Listen = Backend{Host: "localhost", Port: 22}, listen("127.0.0.1:22")
		},
		"state: \"~/x\" begins with a ~":             func(c *Config, _ *Target) { c.State = "~/x" },
		"log_format: \"\" is not one of":             func(c *Config, _ *Target) { c.LogFormat = "" },
		"log_level: INFO+1 is not a level":           func(c *Config, _ *Target) { c.LogLevel = slog.LevelInfo + 1 },
		"drain: -1ns is negative":                    func(c *Config, _ *Target) { c.Drain = -1 },
		"on_exit: \"burn\" is not one of keep, stop": func(c *Config, _ *Target) { c.OnExit = "burn" },
	} {
		c := from(t, "target-ip=vm.lan", "target-port=22")
		spoil(c, &c.Targets[0])
		err := c.Validate()
		checkProblems(t, err)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("the error is %v, want %q", err, want)
		}
	}
}

func TestValidateListsEverythingAtOnce(t *testing.T) {
	err := (&Config{}).Validate()
	problems, _ := errors.AsType[Problems](err)
	var where []string
	for _, p := range problems {
		where = append(where, p.Where)
	}
	if got := strings.Join(where, " "); got != "targets routes log_format on_exit" {
		t.Errorf("problems with %s", got)
	}
	err = (&Config{Targets: make([]Target, 2), Routes: make([]Route, 2)}).Validate()
	if problems, _ = errors.AsType[Problems](err); len(problems) < 15 {
		t.Errorf("only %d problems: %v", len(problems), err)
	}
}

func TestOnlyALoopIsALoop(t *testing.T) {
	for _, c := range []struct {
		listen, host string
		loop         bool
	}{
		{"0.0.0.0", "127.0.0.1", true}, {"0.0.0.0", "127.9.9.9", true}, {"0.0.0.0", "localhost", true}, {"0.0.0.0", "0.0.0.0", true},
		{"0.0.0.0", "::1", false}, {"0.0.0.0", "10.0.0.1", false}, {"0.0.0.0", "vm.lan", false}, {"0.0.0.0", "localhost.lan", false},
		{"::", "127.0.0.1", true}, {"::", "::1", true}, {"::", "::", true}, {"::", "::ffff:127.0.0.1", true}, {"::", "fd00::1", false},
		{"::", "x.localhost.", true}, {"127.0.0.1", "LocalHost", true}, {"127.0.0.1", "127.0.0.1", true}, {"127.0.0.1", "127.0.0.2", false},
		{"127.0.0.2", "localhost", false}, {"::1", "localhost", true}, {"::1", "127.0.0.1", false}, {"127.0.0.1", "0.0.0.0", true},
		{"10.0.0.1", "10.0.0.1", true}, {"10.0.0.1", "127.0.0.1", false}, {"10.0.0.1", "10.0.0.2", false},
	} {
		listen := netip.AddrPortFrom(netip.MustParseAddr(c.listen), 80)
		if err := checkLoop(listen, Backend{Host: c.host, Port: 80}); (err != nil) != c.loop {
			t.Errorf("listening on %s with target %s: %v", c.listen, c.host, err)
		}
		if err := checkLoop(listen, Backend{Host: c.host, Port: 81}); err != nil {
			t.Errorf("another port: %v", err)
		}
	}
}
