//go:build unix

package examples

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
)

// systemctlErrors are systemctl's own words, by fault.
var systemctlErrors = map[string]string{
	"auth":    "Failed to start myapp.service: Interactive authentication required.\nSee system logs and 'systemctl status myapp.service' for details.",
	"denied":  "Failed to stop myapp.service: Access denied",
	"timeout": "Failed to start myapp.service: Connection timed out",
	"bus":     "Failed to connect to bus: No such file or directory",
	"job":     "Job for myapp.service failed because the control process exited with error code.",
	"limit":   "Job for myapp.service failed.\nSee \"systemctl status myapp.service\". Start request repeated too quickly.",
	"masked":  "Failed to start myapp.service: Unit myapp.service is masked.",
}

// systemctlMain stands in for systemctl.
func systemctlMain(args []string) int {
	words, set := flags(args, "--system", "--user", "--no-ask-password", "--no-pager", "--")
	if set["--no-ask-password"] == "" || (set["--system"] == "") == (set["--user"] == "") || len(words) != 2 {
		return unexpected("systemctl %q", args)
	}
	if set["--user"] != "" && os.Getenv("XDG_RUNTIME_DIR") == "" {
		return systemctlFail("bus")
	}
	return withMachine(func(m *machine) int {
		verb, unit := words[0], words[1]
		if fault := m.Fail[verb]; fault != "" {
			return systemctlFail(fault)
		}
		if verb == "show" {
			load := "loaded"
			if unit != "myapp.service" {
				load = "not-found"
			}
			fmt.Printf("LoadState=%s\nActiveState=%s\n", load, m.State)
			return 0
		}
		return systemctlChange(m, verb)
	})
}

func systemctlFail(fault string) int {
	fmt.Fprintln(os.Stderr, systemctlErrors[fault])
	return 1
}

// systemctlChange refuses what systemd refuses: a start of a unit that has failed too
// often.
func systemctlChange(m *machine, verb string) int {
	switch verb {
	case "start":
		if m.State == "failed" {
			return systemctlFail("limit")
		}
		m.State = "active"
	case "stop":
		if m.State != "failed" {
			m.State = "inactive"
		}
	case "reset-failed":
		m.State = "inactive"
	default:
		return unexpected("systemctl %s", verb)
	}
	m.Calls = append(m.Calls, verb)
	return 0
}

func newSystemd(t *testing.T, m machine) *kit {
	k := newKit(t, "systemd", "systemctl")
	k.keep(t, m)
	return k
}

func TestSystemdStartsAndStopsAUnit(t *testing.T) {
	t.Parallel()
	for _, scope := range []string{"system", "user"} {
		t.Run(scope, func(t *testing.T) {
			t.Parallel()
			k := newSystemd(t, machine{State: "inactive"})
			k.env["SYSTEMD_SCOPE"] = scope
			k.want(t, "status", 3)
			k.want(t, "stop", 0)
			k.want(t, "start", 0)
			k.want(t, "start", 0)
			k.want(t, "status", 0)
			k.want(t, "stop", 0)
			k.want(t, "status", 3)
		})
	}
}

func TestSystemdStartsAUnitThatHasFailedTooOften(t *testing.T) {
	t.Parallel()
	k := newSystemd(t, machine{State: "failed"})
	k.want(t, "status", 3)
	k.want(t, "stop", 0)
	k.want(t, "start", 0)
	k.wantCalls(t, "stop", "reset-failed", "start")
}

func TestSystemdSaysWhatStandsInTheWay(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		hook, state, verb, fault string
		code                     int
		text                     string
	}{
		{"start", "inactive", "start", "auth", 1, "polkit"},
		{"start", "inactive", "start", "timeout", 75, "timed out"},
		{"start", "inactive", "start", "job", 1, "control process"},
		{"start", "inactive", "start", "masked", 1, "masked"},
		{"start", "inactive", "show", "bus", 1, "enable-linger"},
		{"stop", "active", "stop", "denied", 1, "polkit"},
		{"status", "active", "show", "bus", 1, "enable-linger"},
		{"status", "activating", "", "", 0, ""},
		{"status", "deactivating", "", "", 0, ""},
		{"status", "reloading", "", "", 0, ""},
		{"status", "new", "", "", 1, "unknown state"},
	} {
		t.Run(strings.Join([]string{test.hook, test.state, test.fault}, " "), func(t *testing.T) {
			t.Parallel()
			k := newSystemd(t, machine{State: test.state, Fail: map[string]string{test.verb: test.fault}})
			k.want(t, test.hook, test.code, test.text)
			k.wantCalls(t)
		})
	}
}

func TestSystemdNeverTakesAMissingUnitForAStoppedOne(t *testing.T) {
	t.Parallel()
	k := newSystemd(t, machine{State: "inactive"})
	k.env["SYSTEMD_UNIT"] = "other.service"
	for _, event := range []string{"start", "stop", "status"} {
		k.want(t, event, 1, "there is no unit other.service")
	}
	k.env["SYSTEMD_SCOPE"] = "global"
	k.want(t, "status", 1, "SYSTEMD_SCOPE must be")
	if calls := k.machine(t).Calls; !slices.Equal(calls, nil) {
		t.Errorf("a missing unit led to %v", calls)
	}
}
