//go:build unix

package examples

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A machine is what a stand-in knows of the one machine it manages. It is kept in a
// file between two runs of the stand-in; hooks run one at a time, so nobody locks it.
type machine struct {
	State string            // in the words of the program that is stood in for
	Left  int               // looks until State gives way to Next
	Next  string            // the state that follows
	Boots int               // starts so far; part of the address that a run gets
	Fail  map[string]string // command -> what it fails with
	Exit  int               // exit status of a failure, 0: the stand-in's usual one
	Calls []string          // commands that changed something, in order
}

// keep puts m where the hooks of k will find it.
func (k *kit) keep(t *testing.T, m machine) {
	t.Helper()
	if k.env[stateFile] == "" {
		k.env[stateFile] = filepath.Join(t.TempDir(), "state.json")
	}
	if err := m.save(k.env[stateFile]); err != nil {
		t.Fatal(err)
	}
}

// machine reads back what the stand-ins have made of it.
func (k *kit) machine(t *testing.T) machine {
	t.Helper()
	m, err := loadMachine(k.env[stateFile])
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func (m machine) save(file string) error {
	text, err := json.Marshal(m)
	if err != nil {
		return err
	}
	return os.WriteFile(file, text, 0o600)
}

func loadMachine(file string) (machine, error) {
	var m machine
	text, err := os.ReadFile(file)
	if err != nil {
		return m, err
	}
	return m, json.Unmarshal(text, &m)
}

// withMachine is the frame of a stand-in: it loads the machine, lets act work on it,
// and saves it. A stand-in that is called in a way it does not expect exits with 99,
// which no test wants.
func withMachine(act func(m *machine) int) int {
	m, err := loadMachine(os.Getenv(stateFile))
	if err != nil {
		return unexpected("%v", err)
	}
	code := act(&m)
	if err := m.save(os.Getenv(stateFile)); err != nil {
		return unexpected("%v", err)
	}
	return code
}

func unexpected(format string, args ...any) int {
	fmt.Fprintf(os.Stderr, "stand-in: "+format+"\n", args...)
	return 99
}

// tick is one look at the machine: whatever is under way gets on a little.
func (m *machine) tick() {
	if m.Left == 0 {
		return
	}
	if m.Left--; m.Left == 0 {
		m.State = m.Next
	}
}

// turn puts the machine into a passing state that gives way to next after looks.
func (m *machine) turn(state, next string, looks int) {
	m.State, m.Next, m.Left = state, next, looks
}

// flags splits arguments into words and --name=value or --name value flags. Flags in
// bare stand alone.
func flags(args []string, bare ...string) (words []string, set map[string]string) {
	set = map[string]string{}
	for i := 0; i < len(args); i++ {
		name, value, joined := strings.Cut(args[i], "=")
		switch {
		case !strings.HasPrefix(name, "-"):
			words = append(words, args[i])
		case joined:
			set[name] = value
		case strings.Contains(" "+strings.Join(bare, " ")+" ", " "+name+" ") || i+1 == len(args):
			set[name] = "true"
		default:
			i++
			set[name] = args[i]
		}
	}
	return words, set
}

// wantCalls checks which commands have changed the machine.
func (k *kit) wantCalls(t *testing.T, want ...string) {
	t.Helper()
	if got := k.machine(t).Calls; strings.Join(got, ", ") != strings.Join(want, ", ") {
		t.Fatalf("commands that changed the machine: %v, want %v", got, want)
	}
}
