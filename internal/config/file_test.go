package config

import (
	"bytes"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
)

// files reads files that must be right: texts in order, called a.yaml, b.yaml and so on.
func files(t testing.TB, texts ...string) *Loaded {
	t.Helper()
	loaded, err := FromFiles(sourcesOf(texts...), testWorld())
	if err != nil {
		t.Fatalf("%v\nin\n%s", err, strings.Join(texts, "\n---\n"))
	}
	if err := loaded.Config.Validate(); err != nil {
		t.Fatalf("accepted, but not valid: %v", err)
	}
	return loaded
}

func sourcesOf(texts ...string) []Source {
	var sources []Source
	for i, text := range texts {
		sources = append(sources, Source{Name: string(rune('a'+i)) + ".yaml", Data: []byte(text)})
	}
	return sources
}

// sayings are, for each flag, values and what a file says for them: settings of the program, keys of the target, of its
// hooks and of the listener. "" leaves a part as it is in minimal.
var sayings = map[string][]struct{ value, program, target, hooks, listener string }{
	"target-ip": {{value: "vm.lan", target: "backend: vm.lan:8000"}, {value: "fd00::15", target: `backend: "[fd00::15]:8000"`},
		{value: "::ffff:10.0.0.5", target: "backend: 10.0.0.5:8000"}},
	"target-port":     {{value: "22", target: "backend: 192.168.100.15:22"}},
	"target-name":     {{value: "db"}},
	"probe":           {{value: "http:/x?y=z", target: "probe: {kind: http, path: /x?y=z}"}, {value: "http", target: "probe: {kind: http}"}, {value: "banner:SSH-", target: "probe: banner:SSH-"}, {value: "banner", target: "probe: {kind: banner}"}, {value: "exec:/bin/ready", target: "probe: {kind: exec, command: [/bin/ready]}"}, {value: "tcp", target: "probe: tcp"}, {value: "https:/x", target: "probe: {kind: https, path: /x}"}, {value: "https", target: "probe: https"}, {value: "tls", target: "probe: {kind: tls, verify: no}"}, {value: "tls:vm.lan", target: "probe: {kind: tls, server-name: vm.lan}"}},
	"settle":          {{value: "1", target: "probe: {kind: tcp, settle: 1s}"}, {value: "0", target: "probe: {kind: tcp, settle: 0}"}},
	"release-rate":    {{value: "0.5", target: "release-rate: 0.5"}, {value: "50", target: `release-rate: "50"`}},
	"hook-start-svc":  {{value: "/opt/My Scripts/start.sh", hooks: "{start: /opt/My Scripts/start.sh, stop: ./stop.sh}"}},
	"hook-stop-svc":   {{value: "./halt", hooks: "{start: ./start.sh, stop: [./halt]}"}},
	"hook-status":     {{value: "./status.sh", hooks: "{start: ./start.sh, stop: ./stop.sh, status: ./status.sh}"}},
	"hook-env":        {{value: "TOKEN", hooks: "{start: ./start.sh, stop: ./stop.sh, env: {TOKEN: }}"}, {value: "A=b: \"c\" ", hooks: `{start: ./start.sh, stop: ./stop.sh, env: {A: 'b: "c" '}}`}, {value: "A=", hooks: `{start: ./start.sh, stop: ./stop.sh, env: {A: ""}}`}, {value: "A=8000", hooks: `{start: ./start.sh, stop: ./stop.sh, env: {A: "${PORT}"}}`}},
	"cooldown-period": {{value: "60", target: "cooldown: 60"}, {value: "1h30m", target: "cooldown: 90m"}},
	"start-timeout":   {{value: "90s", target: "start-timeout: 90s"}},
	"stop-timeout":    {{value: "1h", target: "stop-timeout: 1h"}},
	"recheck-period":  {{value: "0", target: "recheck: 0"}},
	"proxy-ip":        {{value: "::", listener: `"[::]:8000"`}, {value: "127.0.0.1", listener: "[127.0.0.1:8000]"}, {value: "0.0.0.0", listener: "0.0.0.0:8000"}},
	"proxy-port":      {{value: "0", listener: "0"}, {value: "2222", listener: "2222"}},
	"drain-timeout":   {{value: "0", program: "drain-timeout: 0s"}},
	"on-exit":         {{value: "stop", program: "on-exit: stop"}},
	"state-dir":       {{value: "/var/lib/my rouse", program: "state-dir: /var/lib/my rouse"}},
	"log-format":      {{value: "json", program: `log-format: "json"`}},
	"log-level":       {{value: "debug", program: "log-level: debug"}},
	"trace":           {{value: "/tmp/t.jsonl", program: "trace: /tmp/t.jsonl"}},
	"admin-listen":    {{value: "127.0.0.1:8099", program: "admin: {listen: \"127.0.0.1:8099\"}"}, {value: "[::1]:1", program: "admin: {listen: \"[::1]:1\"}"}},

	"connect-from":       {{value: "192.168.0.0/16", listener: "8000\n  connect-from: 192.168.0.0/16"}, {value: "any", listener: "8000\n  connect-from: [any]"}},
	"wake-from":          {{value: "fd00::15", listener: "8000\n  wake-from: [\"fd00::15\"]"}, {value: "file:/etc/friends", listener: "8000\n  wake-from: file:/etc/friends"}},
	"wake-on":            {{value: "ssh", listener: "8000\n  wake-on: ssh"}, {value: "tls", listener: "8000\n  wake-on: [tls]"}},
	"first-bytes-within": {{value: "3", listener: "8000\n  first-bytes-within: 3s"}},
	"min-hold":           {{value: "500ms", listener: "8000\n  min-hold: 500ms"}},
	"source-rate":        {{value: "20/1m", listener: "8000\n  source-rate: 20/m"}},
	"starts-per-hour":    {{value: "6", target: "budget: {starts-per-hour: 6}"}},
	"starts-per-day":     {{value: "20", target: "budget: {starts-per-day: 20}"}},
	"gate":               {{value: "observe", listener: "8000\n  gate: observe"}},
}

// TestEachFlagAndItsKeyAreOneConfig: what a flag says, the file says, and rouse init writes a file that says it.
func TestEachFlagAndItsKeyAreOneConfig(t *testing.T) {
	for _, d := range new(Flags).Definitions() {
		if len(sayings[d.Name]) == 0 {
			t.Errorf("nothing says how a file says --%s", d.Name)
		}
		for _, s := range sayings[d.Name] {
			fromFlags := from(t, d.Name+"="+s.value)
			name, key := fromFlags.Targets[0].Name, ""
			if !strings.HasPrefix(s.target, "backend") {
				key = "    backend: 192.168.100.15:8000\n"
			}
			hooks := s.hooks
			if hooks == "" {
				hooks = "{start: ./start.sh, stop: ./stop.sh}"
			}
			listener := s.listener
			if listener == "" {
				listener = "8000"
			}
			text := fmt.Sprintf("%s\ntargets:\n  %q:\n    %s\n%s    hooks: %s\nlisteners:\n- listen: %s\n  target: %q\n", s.program, name, s.target, key, hooks, listener, name)
			if got := files(t, text).Config; !reflect.DeepEqual(got, fromFlags) {
				t.Errorf("--%s=%s is\n%+v\nand the file\n%s\nis\n%+v", d.Name, s.value, fromFlags, text, got)
			}
			written, err := fromFlags.YAML()
			if err != nil {
				t.Fatalf("--%s=%s: %v", d.Name, s.value, err)
			}
			if got := files(t, string(written)).Config; !reflect.DeepEqual(got, fromFlags.stated()) {
				t.Errorf("--%s=%s is\n%+v\nand what is written\n%s\nis\n%+v", d.Name, s.value, fromFlags, written, got)
			}
		}
	}
}

const lab = `
state-dir: /s
targets:
  nas:
    host: 192.168.1.10
    backends: {ssh: 22, web: 443, game: 9000-9002}
    hooks:
      start: [/bin/wol, "aa:bb"]
      stop: /bin/stop
      env: {KEY: {file: /good}, MODE: "${NOWHERE:-x}y$${z}", TERM: }
    probe: {kind: tcp, backend: web}
    cooldown: 1h
  row: {backend: "vm.lan:7000-7001", hooks: {start: /bin/a, stop: /bin/b}}
listeners:
- {listen: 127.0.0.1:2222, target: nas, backend: ssh}
- listen: ["127.0.0.1:443", "[::1]:443"]
  target: nas
  backend: web
- {listen: "127.0.0.1:9100-9102", target: nas, backend: game}
- {listen: 192.168.1.2:7000-7001, target: row}
`

func TestAFileHasManyTargetsPortsAndListeners(t *testing.T) {
	c := files(t, lab).Config
	times := Target{Cooldown: time.Hour, StartTimeout: 5 * time.Minute, StopTimeout: 5 * time.Minute, Recheck: time.Minute}
	nas, row := times, times
	nas.Name, nas.Backend = "nas", Backend{Host: "192.168.1.10", Port: 443}
	nas.Hooks = Hooks{Start: []string{"/bin/wol", "aa:bb"}, Stop: []string{"/bin/stop"}, Env: []Variable{
		{Name: "KEY", Value: NewSecret("hunter2")}, {Name: "MODE", Value: NewSecret("xy${z}")}, {Name: "TERM", Inherit: true}}}
	nas.Probe = Probe{Kind: ProbeTCP, Settle: 50 * time.Millisecond}
	row.Name, row.Backend, row.Cooldown, row.Probe = "row", Backend{Host: "vm.lan", Port: 7000}, 30*time.Minute, nas.Probe
	row.Hooks = Hooks{Start: []string{"/bin/a"}, Stop: []string{"/bin/b"}}
	if want := []Target{nas, row}; !reflect.DeepEqual(c.Targets, want) {
		t.Errorf("the targets are\n%+v\nwant\n%+v", c.Targets, want)
	}
	var routes []string
	for _, r := range c.Routes {
		routes = append(routes, fmt.Sprintf("%v>%s:%d", r.Listen, r.Target, r.Port))
	}
	// The port that the probe asks is 0: wherever a hook says it is.
	want := "127.0.0.1:2222>nas:22 127.0.0.1:443>nas:0 [::1]:443>nas:0 127.0.0.1:9100>nas:9000 127.0.0.1:9101>nas:9001 127.0.0.1:9102>nas:9002 " +
		"192.168.1.2:7000>row:0 192.168.1.2:7001>row:7001"
	if got := strings.Join(routes, " "); got != want {
		t.Errorf("the routes are\n%s\nwant\n%s", got, want)
	}
}

func TestAFileSaysHowToCareForATarget(t *testing.T) {
	text := strings.Replace(lab, "probe: {kind: tcp, backend: web}", `probe: {kind: https, backend: web, status: [200-299, 401], server-name: a.lan, verify: yes, settle: 2s, interval: 5s, timeout: 4s}
    no-traffic: 20m
    busy: {http: /jobs, every: 2m}
    retry: {pause: 5m}
    crash-loop: {deaths: 3}`, 1)
	text = strings.Replace(text, "listen: [\"127.0.0.1:443\"", "send-proxy-protocol: v2\n  transparent: yes\n  listen: [\"127.0.0.1:443\"", 1)
	c := files(t, text).Config
	nas := c.Named("nas")
	want := Target{
		Probe: Probe{Kind: ProbeHTTPS, Path: "/", Status: []StatusRange{{200, 299}, {401, 401}}, ServerName: "a.lan", Verify: true,
			Settle: 2 * time.Second, Interval: 5 * time.Second, Timeout: 4 * time.Second, SendProxy: "v2"},
		NoTraffic: 20 * time.Minute, Busy: Busy{Path: "/jobs", Every: 2 * time.Minute, Timeout: 10 * time.Second, AtMost: 4 * time.Hour},
		Retry: Retry{5 * time.Minute, 5 * time.Minute, 3}, CrashLoop: CrashLoop{3, 10 * time.Minute, 15 * time.Minute},
	}
	got := Target{Probe: nas.Probe, NoTraffic: nas.NoTraffic, Busy: nas.Busy, Retry: nas.Retry, CrashLoop: nas.CrashLoop}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got\n%+v\nwant\n%+v", got, want)
	}
	if !c.Routes[1].Transparent || c.Routes[0].Transparent {
		t.Errorf("the wrong listeners are transparent: %+v", c.Routes)
	}
}

func TestFragmentsAreOneConfig(t *testing.T) {
	whole := files(t, lab).Config
	head, tail, _ := strings.Cut(lab, "listeners:")
	if got := files(t, "listeners:"+tail, head).Config; !reflect.DeepEqual(got, whole) {
		t.Errorf("in two files it is\n%+v\nwant\n%+v", got, whole)
	}
}

func TestFragmentsThatDisagreeAreRefused(t *testing.T) {
	target := "targets:\n  web: {backend: \"10.0.0.5:80\", hooks: {start: /bin/a, stop: /bin/b}}\n"
	_, err := FromFiles(sourcesOf("log-level: info\n"+target+goodListener, "log-level: debug\n"+target+goodListener), testWorld())
	want := `b.yaml:1:12: this is set in two files; the other place is a.yaml:1:12
b.yaml:3:3: there is a target "web" already; the other place is a.yaml:3:3
b.yaml:5:12: 127.0.0.1:8000 is the listener of another route too; each needs its own`
	if err == nil || err.Error() != want {
		t.Errorf("the error is\n%v\nwant\n%s", err, want)
	}
	_, err = FromFiles(sourcesOf("log-level: loud\n", "targets: [\n", "log-format: x\n"), testWorld())
	checkProblems(t, err)
	if err == nil || strings.Count(err.Error(), "\n") != 2 || !strings.HasPrefix(err.Error(), "a.yaml:1:12") {
		t.Errorf("not everything wrong in all files is told: %v", err)
	}
}

func TestWarnings(t *testing.T) {
	hooks := "hooks: {start: /bin/a, stop: /bin/b}"
	for name, c := range map[string]struct{ text, want string }{
		"none":     {"targets:\n  a: {backend: h:1, " + hooks + "}\nlisteners:\n- {listen: 127.0.0.1:1, target: a}\n- {listen: \"100.64.1.1:1\", target: a}\n- {listen: 192.168.1.2:1, target: a}\n", ""},
		"backend":  {"targets:\n  a: {backend: h:1, " + hooks + "}\n  b: {backend: h:1, " + hooks + "}\nlisteners:\n- {listen: 127.0.0.1:1, target: a}\n- {listen: 127.0.0.1:2, target: b}\n", `a.yaml:3:3: the targets "a" and "b" have the same backend`},
		"hooks":    {"targets:\n  a: {backend: h:1, " + hooks + "}\n  b: {backend: h:2, " + hooks + "}\nlisteners:\n- {listen: 127.0.0.1:1, target: a}\n- {listen: 127.0.0.1:2, target: b}\n", `a.yaml:3:3: the targets "a" and "b" have the same hooks`},
		"env":      {"targets:\n  a: {backend: h:1, hooks: {start: /a, stop: /b, env: {VM: a}}}\n  b: {backend: h:2, hooks: {start: /a, stop: /b, env: {VM: b}}}\nlisteners:\n- {listen: 127.0.0.1:1, target: a}\n- {listen: 127.0.0.1:2, target: b}\n", ""},
		"nobody":   {"targets:\n  a: {backend: h:1, " + hooks + "}\n  b: {backend: h:2, hooks: {start: /c, stop: /d}}\nlisteners:\n- {listen: 127.0.0.1:1, target: a}\n", `a.yaml:3:3: no listener leads to the target "b"`},
		"relative": {"targets:\n  a: {backend: h:1, hooks: {start: ./a, stop: /b}}\nlisteners:\n- {listen: 127.0.0.1:1, target: a}\n", `a.yaml:2:36: "./a" begins where rouse is started`},
		"secret":   {"targets:\n  a: {backend: h:1, hooks: {start: /a, stop: /b, env: {API_KEY: x, MODE: y, PASSWORD: \"${HUNTER}\"}}}\nlisteners:\n- {listen: 127.0.0.1:1, target: a}\n", "a.yaml:2:56: other users of this machine can read this file, and \"API_KEY\" looks like a secret"},
		"first":    {"targets:\n  a: {backend: \"h:3306\", " + hooks + "}\nlisteners:\n- {listen: 127.0.0.1:80, target: a, first-bytes-within: 3s}\n", "a.yaml:4:12: the gate waits for the client to speak, and at port 3306 (MySQL) the server speaks first"},
		"observe":  {"targets:\n  a: {backend: h:1, " + hooks + "}\nlisteners:\n- {listen: 127.0.0.1:80, target: a, gate: observe}\n", "a.yaml:4:12: the gate only observes"},
		"file":     {"targets:\n  a: {backend: h:1, hooks: {start: /a, stop: /b, env: {X: {file: /public}}}}\nlisteners:\n- {listen: 127.0.0.1:1, target: a}\n", "a.yaml:2:66: other users of this machine can read the file of \"X\""},
	} {
		sources := sourcesOf(c.text)
		sources[0].Public = true
		loaded, err := FromFiles(sources, testWorld())
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		got := ""
		if len(loaded.Warnings) > 0 {
			got = loaded.Warnings.Error()
		}
		if (c.want == "") != (got == "") || !strings.HasPrefix(got, c.want) || strings.Contains(got, "\n") {
			t.Errorf("%s: the warnings are %q, want one that begins with %q", name, got, c.want)
		}
	}
}

func TestPlacesOfWhatIsFoundLater(t *testing.T) {
	loaded := files(t, lab)
	placed := loaded.Place(Problems{
		{Where: "targets[0].hooks.start", Text: "x"}, {Where: "targets[1].backend.port", Text: "y"}, {Where: "routes[3].listen", Text: "z"}, {Where: "elsewhere", Text: "e"},
	})
	want := "a.yaml:8:15: x\na.yaml:13:18: y\na.yaml:19:12: z\nelsewhere: e"
	if placed.Error() != want {
		t.Errorf("they are placed at\n%v\nwant\n%s", placed, want)
	}
	if want := []string{`- {listen: "127.0.0.1:9100-9102", target: nas, backend: game}`, "           ^"}; !slices.Equal(placed[2].Snippet, want) {
		t.Errorf("the snippet is %q, want %q", placed[2].Snippet, want)
	}
	placed = PlaceFlags(Problems{{Where: "targets[0].hooks.start"}, {Where: "targets[0].probe.command"}, {Where: "targets[0].backend.port"}, {Where: "routes[0].listen"}})
	if got := fmt.Sprint(placed[0].Where, placed[1].Where, placed[2].Where, placed[3].Where); got != "--hook-start-svc--probe--target-port--proxy-port" {
		t.Errorf("the flags are %s", got)
	}
}

func TestADirectoryIsReadInTheOrderOfNames(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"20-b.yaml": "b", "10-a.yaml": "a", ".hidden.yaml": "no", "c.yml": "no", "c.yaml.bak": "no"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	sources, err := ReadSources(dir)
	if err != nil || len(sources) != 2 || string(sources[0].Data)+string(sources[1].Data) != "ab" || sources[0].Public {
		t.Errorf("it reads %+v, %v", sources, err)
	}
	if err := os.WriteFile(filepath.Join(dir, "30-long.yaml"), bytes.Repeat([]byte("# \n"), mostBytes), 0o644); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		dir:                              filepath.Join(dir, "30-long.yaml") + ": it is longer than 512 KiB; this is hardly a config file; name another, or a directory of several",
		filepath.Join(dir, "none"):       filepath.Join(dir, "none") + ": it cannot be read: ",
		t.TempDir():                      "there is no file in it that ends in .yaml",
		filepath.Join(dir, "10-a.yaml/"): "",
	} {
		_, err := ReadSources(path)
		if want == "" {
			continue
		}
		checkProblems(t, err)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", path, err, want)
		}
	}
}

func TestAFileThatAnybodyMayChangeIsRefused(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("there are no such modes")
	}
	path := filepath.Join(t.TempDir(), "rouse.yaml")
	if err := os.WriteFile(path, []byte(lab), 0o600); err != nil {
		t.Fatal(err)
	}
	for mode, want := range map[os.FileMode]string{
		0o600: "", 0o644: "", 0o666: path + ": any user of this machine may change it, and it says which programs are run; chmod o-w " + path,
	} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		sources, err := ReadSources(path)
		if got := fmt.Sprint(err); err != nil && got != want || err == nil && (want != "" || sources[0].Public != (mode == 0o644)) {
			t.Errorf("mode %o: %+v, %v; want %q", mode, sources, err, want)
		}
	}
}

func TestUsualPlaces(t *testing.T) {
	t.Chdir(t.TempDir())
	env := map[string]string{"HOME": "/h"}
	getenv := func(name string) string { return env[name] }
	if got := strings.Join(UsualPlaces(getenv), " "); got != "rouse.yaml /h/.config/rouse/rouse.yaml /etc/rouse/rouse.yaml" {
		t.Errorf("the places are %s", got)
	}
	env["XDG_CONFIG_HOME"] = t.TempDir()
	want := filepath.Join(env["XDG_CONFIG_HOME"], "rouse", "rouse.yaml")
	if err := os.MkdirAll(filepath.Dir(want), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(want, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := FindFile(getenv); err != nil || got != want {
		t.Errorf("it finds %q, %v, want %q", got, err, want)
	}
	if err := os.WriteFile("rouse.yaml", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := FindFile(getenv); err != nil || got != "rouse.yaml" {
		t.Errorf("it finds %q, %v", got, err)
	}
}

func TestWhatNoFileCanSayIsNotWritten(t *testing.T) {
	c := from(t, "hook-env=A=\xff")
	if _, err := c.YAML(); err == nil || !strings.Contains(err.Error(), "no file can hold") {
		t.Errorf("the error is %v", err)
	}
	c = files(t, lab).Config
	if _, err := c.YAML(); err == nil {
		t.Error("several ports are written")
	}
}

func TestExpand(t *testing.T) {
	for raw, want := range map[string]string{
		"": "", "plain": "plain", "$": "$", "$HOME": "$HOME", "${HOME}": "/home/me", "a${HOME}b${PORT}": "a/home/meb8000",
		"${EMPTY}": "", "${EMPTY:-x}": "x", "${NOWHERE:-}": "", "${NOWHERE:-a:-b}": "a:-b", "$${HOME}": "${HOME}", "$$${HOME}": "$${HOME}", "${HUNTER}": "hunter2",
	} {
		if got, _, err := expand(raw, testWorld().Getenv); err != nil || got != want {
			t.Errorf("expand(%q) = %q, %v, want %q", raw, got, err, want)
		}
		if got, _, err := expand(escape(raw), testWorld().Getenv); err != nil || got != raw {
			t.Errorf("%q escaped and expanded is %q, %v", raw, got, err)
		}
	}
}

func TestListenersAreRead(t *testing.T) {
	for raw, want := range map[string]row{
		"8000": {ip: netip.IPv4Unspecified(), first: 8000, last: 8000}, "0": {ip: netip.IPv4Unspecified(), first: 0, last: 0}, "80-82": {ip: netip.IPv4Unspecified(), first: 80, last: 82},
		"1.2.3.4:5": {ip: netip.MustParseAddr("1.2.3.4"), first: 5, last: 5}, "[::]:5-6": {ip: netip.IPv6Unspecified(), first: 5, last: 6}, "[fe80::1%eth0]:5": {ip: netip.MustParseAddr("fe80::1%eth0"), first: 5, last: 5},
		"[::ffff:1.2.3.4]:5": {ip: netip.MustParseAddr("1.2.3.4"), first: 5, last: 5},
	} {
		if got, err := parseListen(raw); err != nil || got != want {
			t.Errorf("parseListen(%q) = %v, %v, want %v", raw, got, err, want)
		}
	}
}

// TestWhoMayWakeIsStatedWhereStrangersCome: in a file it has to be, and rouse init writes it.
func TestWhoMayWakeIsStatedWhereStrangersCome(t *testing.T) {
	for listen, want := range map[string]string{
		"8000": "this listens on every address", `"[::]:8000"`: "this listens on every address", "8.8.8.8:80": "8.8.8.8 is a public address",
		"10.0.0.1:80": "", "127.0.0.1:80": "", `"[fd00::1]:80"`: "", "100.64.1.1:80": "", "unix:/run/x.sock": "",
	} {
		text := "targets:\n  a: {backend: h:1, hooks: {start: /a, stop: /b}}\nlisteners:\n- listen: " + listen + "\n  target: a\n"
		got := files(t, text).Config.Unstated()
		if want == "" && len(got) > 0 || want != "" && (len(got) != 1 || !strings.HasPrefix(got[0].Text, want)) {
			t.Errorf("%s: %v, want %q", listen, got, want)
		}
		for _, statement := range []string{"wake-from: any", "wake-from: 10.0.0.0/8", "connect-from: file:/friends"} {
			if got := files(t, text+"  "+statement+"\n").Config.Unstated(); len(got) > 0 {
				t.Errorf("%s, %s: %v", listen, statement, got)
			}
		}
		if got := files(t, text+"  connect-from: any\n").Config.Unstated(); want != "" && len(got) == 0 {
			t.Errorf("%s: that anybody may connect does not say who may wake", listen)
		}
	}
}
