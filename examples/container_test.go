//go:build unix

package examples

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
)

// engineErrors are what the engines print, by fault.
var engineErrors = map[string]map[string]string{
	"docker": {
		"gone":   "Error response from daemon: No such container: myapp",
		"down":   "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?",
		"denied": "permission denied while trying to connect to the Docker daemon socket at unix:///var/run/docker.sock",
		"paused": "Error response from daemon: cannot start a paused container, try unpause instead",
		"state":  "Error response from daemon: container myapp is in the wrong state",
		"port":   "Error response from daemon: driver failed programming external connectivity: Bind for 127.0.0.1:8001 failed: port is already allocated",
	},
	"podman": {
		"gone":   `Error: no such container "myapp"`,
		"down":   "Cannot connect to Podman. Please verify your connection to the Linux system: dial unix: connect: connection refused",
		"denied": "Error: mkdir /run/user/0: permission denied",
		"paused": "Error: unable to start container: container state improper",
		"state":  "Error: container is in the wrong state: container state improper",
		"port":   "Error: rootlessport listen tcp 127.0.0.1:8001: bind: address already in use",
	},
}

// engineMain stands in for docker and podman.
func engineMain(engine string, args []string) int {
	return withMachine(func(m *machine) int {
		verb := args[0]
		if verb == "container" && len(args) == 5 && args[1] == "inspect" && args[2] == "--format" {
			verb = "inspect"
		}
		if args[len(args)-1] != "myapp" {
			return engineFail(engine, "gone")
		}
		if fault := m.Fail[verb]; fault != "" {
			return engineFail(engine, fault)
		}
		if verb == "inspect" {
			return engineInspect(m, args[3])
		}
		return engineChange(engine, m, args[:len(args)-1])
	})
}

func engineFail(engine, fault string) int {
	fmt.Fprintln(os.Stderr, engineErrors[engine][fault])
	return 1
}

func engineInspect(m *machine, format string) int {
	fmt.Fprintln(os.Stderr, "WARNING: the state=of things")
	switch {
	case strings.Contains(format, ".State.Status"):
		fmt.Println("state=" + m.State)
	case !strings.Contains(format, ".NetworkSettings.Networks"):
		return unexpected("format %q", format)
	case m.Boots == 0:
		fmt.Println("address= ")
	default:
		fmt.Printf("address=172.17.0.%d 10.9.9.9 \n", m.Boots)
	}
	return 0
}

func engineChange(engine string, m *machine, args []string) int {
	switch strings.Join(args, " ") + " " + m.State {
	case "start exited", "start created":
		m.Boots++
		m.State = "running"
	case "unpause paused":
		m.State = "running"
	case "pause running":
		m.State = "paused"
	case "stop -t 30 running", "stop -t 30 restarting":
		m.State = "exited"
	case "start paused":
		return engineFail(engine, "paused")
	default:
		return engineFail(engine, "state")
	}
	m.Calls = append(m.Calls, args[0])
	fmt.Println("myapp")
	return 0
}

var engines = []string{"docker", "podman"}

func newContainer(t *testing.T, engine string, m machine) *kit {
	k := newKit(t, "container", engine)
	k.env["CONTAINER_ENGINE"] = engine
	k.keep(t, m)
	return k
}

func TestContainerStartsAndStops(t *testing.T) {
	t.Parallel()
	for _, engine := range engines {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			k := newContainer(t, engine, machine{State: "created"})
			k.want(t, "status", 3)
			k.want(t, "stop", 0)
			k.want(t, "start", 0)
			k.wantAddress(t, "")
			k.want(t, "start", 0)
			k.want(t, "status", 0)
			k.want(t, "stop", 0)
			k.want(t, "status", 3)
			k.want(t, "stop", 0)
			k.wantCalls(t, "start", "stop")
		})
	}
}

func TestContainerIsFrozenAndThawed(t *testing.T) {
	t.Parallel()
	for _, engine := range engines {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			k := newContainer(t, engine, machine{State: "exited"})
			k.env["CONTAINER_SLEEP"] = "pause"
			k.want(t, "stop", 0)
			k.want(t, "start", 0)
			k.want(t, "stop", 0)
			k.want(t, "status", 3)
			k.want(t, "stop", 0)
			k.want(t, "start", 0)
			k.want(t, "status", 0)
			k.wantCalls(t, "start", "pause", "unpause")
		})
	}
}

func TestContainerFoundFrozenCanBeStopped(t *testing.T) {
	t.Parallel()
	k := newContainer(t, "docker", machine{State: "paused"})
	k.want(t, "stop", 0)
	k.wantCalls(t, "unpause", "stop")
}

func TestContainerTellsItsOwnAddress(t *testing.T) {
	t.Parallel()
	k := newContainer(t, "docker", machine{State: "exited"})
	k.env["CONTAINER_ADDRESS"] = "yes"
	k.want(t, "start", 0)
	k.wantAddress(t, "address=172.17.0.1\n")
	k.want(t, "stop", 0)
	k.want(t, "start", 0)
	k.wantAddress(t, "address=172.17.0.2\n")
	k.keep(t, machine{State: "running"})
	k.want(t, "start", 1, "no address of its own")
	k.wantAddress(t, "")
}

func TestContainerSaysWhatStandsInTheWay(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		hook, state, verb, fault string
		code                     int
		text                     string
	}{
		{"start", "exited", "inspect", "gone", 1, "create --name myapp"},
		{"start", "exited", "inspect", "down", 75, "annot connect"},
		{"start", "exited", "inspect", "denied", 1, "let the user that runs rouse"},
		{"start", "exited", "start", "port", 1, "already"},
		{"start", "dead", "", "", 1, "make it anew"},
		{"start", "removing", "", "", 75, "try again soon"},
		{"start", "stopping", "", "", 75, "try again soon"},
		{"start", "restarting", "", "", 0, ""},
		{"stop", "running", "inspect", "gone", 1, "create --name myapp"},
		{"stop", "running", "inspect", "down", 75, "annot connect"},
		{"stop", "removing", "", "", 75, "try again soon"},
		{"status", "restarting", "", "", 0, ""},
		{"status", "dead", "", "", 3, ""},
		{"status", "new", "", "", 1, "unknown state"},
		{"status", "running", "inspect", "gone", 1, "create --name myapp"},
		{"status", "running", "inspect", "down", 75, "annot connect"},
	} {
		for _, engine := range engines {
			t.Run(strings.Join([]string{engine, test.hook, test.state, test.fault}, " "), func(t *testing.T) {
				t.Parallel()
				k := newContainer(t, engine, machine{State: test.state, Fail: map[string]string{test.verb: test.fault}})
				k.want(t, test.hook, test.code, test.text)
				k.wantCalls(t)
			})
		}
	}
}

func TestContainerTakesTheEngineThatIsInstalled(t *testing.T) {
	t.Parallel()
	both := newKit(t, "container", "podman", "docker")
	both.keep(t, machine{State: "running", Fail: map[string]string{"inspect": "gone"}})
	both.want(t, "status", 1, "docker: ")
	both.env["CONTAINER_ENGINE"] = "podman"
	both.want(t, "status", 1, "podman: ")
	both.env["CONTAINER_ENGINE"] = "nonesuch"
	both.want(t, "status", 1, "found no program \"nonesuch\"")
	both.env["CONTAINER_ENGINE"], both.env["CONTAINER_SLEEP"] = "docker", "remove"
	both.keep(t, machine{State: "running"})
	both.want(t, "stop", 1, "CONTAINER_SLEEP must be")
	if !slices.Equal(both.machine(t).Calls, nil) {
		t.Errorf("a wrong setting led to %v", both.machine(t).Calls)
	}
}
