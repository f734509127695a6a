package config

import (
	"flag"
	"log/slog"
	"net/netip"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

// from returns the Config of flags that must be right.
func from(t *testing.T, args ...string) *Config {
	t.Helper()
	c, err := FromFlags(parse(t, withRight(args...)...))
	if err != nil {
		t.Fatalf("%q: %v", args, err)
	}
	return c
}

func TestTheFourRequiredFlagsAreEnough(t *testing.T) {
	want := &Config{
		Targets: []Target{{
			Name:         "192.168.100.15:8000",
			Backend:      Backend{Host: "192.168.100.15", Port: 8000},
			Hooks:        Hooks{Start: []string{"./start.sh"}, Stop: []string{"./stop.sh"}},
			Probe:        Probe{Kind: ProbeTCP, Settle: 50 * time.Millisecond},
			Cooldown:     30 * time.Minute,
			StartTimeout: 5 * time.Minute,
			StopTimeout:  5 * time.Minute,
			Recheck:      time.Minute,
		}},
		Routes:    []Route{{Listen: netip.MustParseAddrPort("0.0.0.0:8000"), To: To{Target: "192.168.100.15:8000"}}},
		LogFormat: LogAuto,
		LogLevel:  slog.LevelInfo,
		Drain:     30 * time.Second,
		OnExit:    OnExitKeep,
	}
	if got := from(t); !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestEachFlagReachesItsField(t *testing.T) {
	c := from(t, "target-ip=[fd00::15]", "target-port=22", "target-name=vm-1", "probe=exec:/bin/ready", "settle=0",
		"hook-status=./status.sh", "hook-env=TOKEN", "hook-env=A=b c ", "cooldown-period=60", "start-timeout=90s",
		"stop-timeout=1h", "recheck-period=0", "release-rate=0.5", "proxy-ip=[::1]", "proxy-port=0", "drain-timeout=0", "on-exit=stop",
		"state-dir=./state", "log-format=json", "log-level=debug")
	want := &Config{
		Targets: []Target{{
			Name:    "vm-1",
			Backend: Backend{Host: "fd00::15", Port: 22},
			Hooks: Hooks{Start: []string{"./start.sh"}, Stop: []string{"./stop.sh"}, Status: []string{"./status.sh"},
				Env: []Variable{{Name: "TOKEN", Inherit: true}, {Name: "A", Value: NewSecret("b c ")}}},
			Probe:        Probe{Kind: ProbeExec, Command: []string{"/bin/ready"}},
			Cooldown:     time.Minute,
			StartTimeout: 90 * time.Second,
			StopTimeout:  time.Hour,
			ReleaseRate:  0.5,
		}},
		Routes:    []Route{{Listen: netip.MustParseAddrPort("[::1]:0"), To: To{Target: "vm-1"}}},
		State:     "./state",
		LogFormat: LogJSON,
		LogLevel:  slog.LevelDebug,
		OnExit:    OnExitStop,
	}
	if !reflect.DeepEqual(c, want) {
		t.Errorf("got  %+v\nwant %+v", c, want)
	}
	if got := c.Targets[0].Backend.Address(); got != "[fd00::15]:22" {
		t.Errorf("the address is %q", got)
	}
}

func TestGoodValuesAreAccepted(t *testing.T) {
	for _, line := range []string{
		"target-ip=vm.lan", "target-ip=my_app", "target-ip=VM.lan.", "target-ip=localhost target-port=22",
		"target-ip=::ffff:10.0.0.5", "target-ip=fe80::1%eth0", "target-ip=xn--bcher-kva.example", "target-ip=a",
		"target-ip=127.0.0.1 target-port=8001", "target-ip=::1 proxy-ip=0.0.0.0", "target-ip=10.0.0.2 proxy-ip=10.0.0.1",
		"target-ip=127.0.0.1 proxy-port=0", "target-ip=127.0.0.2 proxy-ip=127.0.0.1", "target-ip=127.0.0.1 proxy-ip=10.0.0.1",
		"target-port=1", "target-port=65535", "proxy-port=1", "proxy-ip=::", "proxy-ip=fe80::1%2",
		"target-name=web@home:[1]_a.b-c", "hook-start-svc=/opt/My Scripts/start.sh", "hook-start-svc=start.sh",
		"hook-start-svc=./it's", `hook-start-svc=C:\hooks\start.bat`, "hook-start-svc=/opt/start web",
		"probe=http", "probe=http:/", "probe=http:/a/b?c=d&e=%20", "probe=banner", "probe=banner:SSH-2.0", "probe=banner:220 ",
		"probe=banner: x", "probe=exec:/opt/my ready.sh",
		"hook-env=_A1", "hook-env=A=", "hook-env=A=b=c", "hook-env=PATH=/bin", "hook-env=A=\" x\n", "hook-env=a hook-env=A",
		"cooldown-period=1", "cooldown-period=+5m", "cooldown-period=1.5h", "cooldown-period=8760h", "cooldown-period=500ms",
		"settle=1m", "settle=0s", "start-timeout=24h", "recheck-period=24h", "drain-timeout=24h", "state-dir=.", "state-dir=/var/lib/my rouse",
		"release-rate=0", "release-rate=0.0", "release-rate=0.01", "release-rate=007", "release-rate=1000000", "release-rate=-0",
	} {
		// Values with spaces are cut apart at what looks like the next flag.
		var args []string
		for part := range strings.SplitSeq(line, " ") {
			if name, _, ok := strings.Cut(part, "="); ok && isFlag(name) {
				args = append(args, part)
			} else {
				args[len(args)-1] += " " + part
			}
		}
		c := from(t, args...)
		if err := c.Validate(); err != nil {
			t.Errorf("%s: %v", line, err)
		}
	}
}

// isFlag reports whether there is a flag of that name.
func isFlag(name string) bool {
	return slices.ContainsFunc(new(Flags).Definitions(), func(d Definition) bool { return d.Name == name })
}

func TestProbesAreRead(t *testing.T) {
	for raw, want := range map[string]Probe{
		"tcp":             {Kind: ProbeTCP},
		"http":            {Kind: ProbeHTTP, Path: "/"},
		"http:/x?y=z":     {Kind: ProbeHTTP, Path: "/x?y=z"},
		"banner":          {Kind: ProbeBanner},
		"banner:SSH-2.0:": {Kind: ProbeBanner, Expect: "SSH-2.0:"},
		"exec:/a:b":       {Kind: ProbeExec, Command: []string{"/a:b"}},
	} {
		if got, err := parseProbe(raw); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("parseProbe(%q) = %+v, %v, want %+v", raw, got, err, want)
		}
	}
}

func TestDurationsAreRead(t *testing.T) {
	for raw, want := range map[string]time.Duration{
		"90s": 90 * time.Second, "30m": 30 * time.Minute, "1h30m": 90 * time.Minute, "60": time.Minute, "0": 0,
		"007": 7 * time.Second, "-3": -3 * time.Second, "+3": 3 * time.Second, "1.5h": 90 * time.Minute, "1m30s500ms": 90*time.Second + 500*time.Millisecond,
	} {
		if got, err := ParseDuration(raw); err != nil || got != want {
			t.Errorf("ParseDuration(%q) = %v, %v, want %v", raw, got, err, want)
		}
	}
}

func TestRatesAreRead(t *testing.T) {
	for raw, want := range map[string]float64{"0": 0, "0.0": 0, "50": 50, "0.5": 0.5, "12.25": 12.25, "1000000": 1e6} {
		if got, err := parseRate(raw); err != nil || got != want {
			t.Errorf("parseRate(%q) = %v, %v, want %v", raw, got, err, want)
		}
	}
}

func TestParseDurationSaysWhatWouldBeRight(t *testing.T) {
	for raw, want := range map[string]string{
		"":                     `"" is not a duration; write one such as 90s, 30m or 1h30m`,
		"30min":                `"30min" is not a duration; write 30m`,
		"9223372036854775807":  `"9223372036854775807" is longer than any duration; a bare number is seconds; write one such as 30m`,
		"-9223372036854775807": `"-9223372036854775807" is longer than any duration; a bare number is seconds; write one such as 30m`,
		"--5":                  `"--5" is not a duration; write one such as 90s, 30m or 1h30m`,
	} {
		if _, err := ParseDuration(raw); err == nil || err.Error() != want {
			t.Errorf("ParseDuration(%q): %v, want %s", raw, err, want)
		}
	}
}

func TestNearestFindsWhatWasMeant(t *testing.T) {
	var flags []string
	for _, d := range new(Flags).Definitions() {
		flags = append(flags, "--"+d.Name)
	}
	for word, want := range map[string]string{
		"--taget-ip": "--target-ip", "--target-prot": "--target-port", "target_ip": "--target-ip", "--TARGET-IP": "--target-ip",
		"--cooldown": "--cooldown-period", "--hook-start": "--hook-start-svc", "--hook-start-service": "--hook-start-svc",
		"--proxyport": "--proxy-port", "--log-levle": "--log-level", "--statedir": "--state-dir",
		"--verbose": "", "--x": "", "": "", "--": "", strings.Repeat("target-ip", 100): "",
	} {
		if got := Nearest(word, flags); got != want {
			t.Errorf("Nearest(%q) = %q, want %q", word, got, want)
		}
	}
	if got := Nearest("word", nil); got != "" {
		t.Errorf("Nearest with no candidates = %q", got)
	}
}

func TestDistanceCountsEdits(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want int
	}{
		{"", "", 0}, {"", "abc", 3}, {"abc", "", 3}, {"abc", "abc", 0}, {"abc", "abd", 1}, {"abc", "acb", 1}, {"abc", "bca", 2},
		{"kitten", "sitting", 3}, {"ca", "abc", 3},
	} {
		if got := distance(c.a, c.b); got != c.want {
			t.Errorf("distance(%q, %q) = %d, want %d", c.a, c.b, got, c.want)
		}
	}
}

func TestTheFlagTableIsSound(t *testing.T) {
	var f Flags
	seen, groups := map[string]bool{}, []string{}
	for _, d := range f.Definitions() {
		var _ flag.Value = d
		if seen[d.Name] || d.Name == "" || d.Placeholder == "" || d.Type() != d.Placeholder {
			t.Errorf("a bad definition: %+v", d)
		}
		seen[d.Name] = true
		if d.Usage == "" || strings.ContainsAny(d.Usage, "\n`") || strings.HasSuffix(d.Usage, ".") {
			t.Errorf("--%s: the usage %q is not one plain line", d.Name, d.Usage)
		}
		if d.Required != (d.missing != "") || d.Required && d.Default != "" || d.String() != d.Default {
			t.Errorf("--%s: what it is when it is missing is not clear", d.Name)
		}
		if !slices.Contains(groups, d.Group) {
			groups = append(groups, d.Group)
		} else if groups[len(groups)-1] != d.Group {
			t.Errorf("--%s: the group %s is in two pieces", d.Name, d.Group)
		}
	}
	for _, seed := range []string{"target-ip", "target-port", "hook-start-svc", "hook-stop-svc", "cooldown-period", "proxy-ip", "proxy-port"} {
		if !seen[seed] {
			t.Errorf("--%s is missing", seed)
		}
	}
	if want := []string{GroupTarget, GroupHooks, GroupTimes, GroupListener, GroupGates, GroupDaemon}; !slices.Equal(groups, want) {
		t.Errorf("the groups are %q, want %q", groups, want)
	}
	if got := (Definition{}).String(); got != "" {
		t.Errorf("the zero Definition is %q", got)
	}
}

func TestADefinitionSetsItsFlags(t *testing.T) {
	f := parse(t, "target-ip=a", "hook-env=A", "hook-env=B=c")
	if f.TargetIP != "a" || !slices.Equal(f.HookEnv, []string{"A", "B=c"}) {
		t.Errorf("the flags are %+v", f)
	}
	for _, d := range f.Definitions() {
		if want := map[string]string{"target-ip": "a", "hook-env": "A B=c"}[d.Name]; want != "" && d.String() != want {
			t.Errorf("--%s is %q, want %q", d.Name, d.String(), want)
		}
	}
}

func TestStateDirFollowsTheServiceManagerAndTheUser(t *testing.T) {
	for _, c := range []struct {
		name string
		args []string
		env  map[string]string
		want string
	}{
		{"named", []string{"state-dir=./here"}, map[string]string{"HOME": "/home/a", "STATE_DIRECTORY": "/s"}, "./here"},
		{"service", nil, map[string]string{"STATE_DIRECTORY": "/var/lib/rouse:/var/lib/x", "XDG_STATE_HOME": "/x"}, "/var/lib/rouse/0.0.0.0_8000"},
		{"empty service", nil, map[string]string{"STATE_DIRECTORY": ":", "HOME": "/h"}, "/h/.local/state/rouse/0.0.0.0_8000"},
		{"xdg", nil, map[string]string{"XDG_STATE_HOME": "/x", "HOME": "/h"}, "/x/rouse/0.0.0.0_8000"},
		{"relative xdg", nil, map[string]string{"XDG_STATE_HOME": "x", "HOME": "/h"}, "/h/.local/state/rouse/0.0.0.0_8000"},
		{"IPv6", []string{"proxy-ip=::", "proxy-port=80"}, map[string]string{"HOME": "/h"}, "/h/.local/state/rouse/ip6---_80"},
		{"IPv6 zone", []string{"proxy-ip=fe80::1%eth0"}, map[string]string{"HOME": "/h"}, "/h/.local/state/rouse/ip6-fe80--1%eth0_8000"},
		{"nothing", nil, nil, ""},
		{"relative home", nil, map[string]string{"HOME": "h"}, ""},
	} {
		got, err := from(t, c.args...).StateDir(func(name string) string { return c.env[name] })
		if got != c.want || (err == nil) != (c.want != "") {
			t.Errorf("%s: %q, %v, want %q", c.name, got, err, c.want)
		}
		if err != nil && !strings.Contains(err.Error(), "name one with --state-dir") {
			t.Errorf("%s: the error has no hint: %v", c.name, err)
		}
	}
}

// TestTheStateIsFoundAgainWhenListenersAreAdded: the first one names the folder.
func TestTheStateIsFoundAgainWhenListenersAreAdded(t *testing.T) {
	c := from(t)
	c.Routes = append(c.Routes, Route{Listen: netip.MustParseAddrPort("0.0.0.0:22"), To: To{Target: c.Targets[0].Name}})
	if got, err := c.StateDir(func(string) string { return "/x" }); err != nil || got != "/x/0.0.0.0_8000" {
		t.Errorf("StateDir = %q, %v", got, err)
	}
}

func TestStateDirOnWindows(t *testing.T) {
	env := map[string]string{"LOCALAPPDATA": `C:\Users\a\AppData\Local`, "HOME": "/h"}
	got := stateBase("windows", func(name string) string { return env[name] })
	if want := `C:\Users\a\AppData\Local` + string(os.PathSeparator) + "rouse"; got != want {
		t.Errorf("the base is %q, want %q", got, want)
	}
}
