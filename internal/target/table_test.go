package target

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the lifecycle table into ARCHITECTURE.md")

const (
	tableFile  = "../../ARCHITECTURE.md"
	tableBegin = "<!-- lifecycle: written by internal/target -->\n"
	tableEnd   = "<!-- lifecycle end -->"
)

// TestLifecycleTable keeps the table of ARCHITECTURE.md true: every cell is what the
// machine really does.
func TestLifecycleTable(t *testing.T) {
	data, err := os.ReadFile(tableFile)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, found := strings.Cut(string(data), tableBegin)
	table, tail, ended := strings.Cut(rest, tableEnd)
	if !found || !ended {
		t.Fatalf("%s has no place for the lifecycle table", tableFile)
	}
	want := lifecycleTable()
	if table == want {
		return
	}
	if !*update {
		t.Fatalf("the lifecycle table of %s is not what the machine does; run: go test ./internal/target -run Table -update\nwant:\n%s", tableFile, want)
	}
	if err := os.WriteFile(tableFile, []byte(head+tableBegin+want+tableEnd+tail), 0o644); err != nil {
		t.Fatal(err)
	}
}

// typical is the machine in each state as it mostly is.
var typical = []machine{
	{state: Unknown, op: opCheck, mayRun: true},
	{state: Stopped, armed: alarmLook},
	{state: Starting, op: opStart, mayRun: true},
	{state: Ready, mayRun: true, armed: alarmIdle},
	{state: Stopping, op: opStop, mayRun: true},
	{state: Failed, starts: 1, armed: alarmBackoff},
}

func lifecycleTable() string {
	var b strings.Builder
	b.WriteString("| state | a client wants it | last hold released | operation ended well | operation failed | timer | dial refused |\n")
	b.WriteString("|---|---|---|---|---|---|---|\n")
	for _, m := range typical {
		cells := []string{m.state.String(), cell(m, input{kind: stepAcquired}), released(m), endedWell(m), endedBadly(m), expiry(m), suspected(m)}
		fmt.Fprintf(&b, "| %s |\n", strings.Join(cells, " | "))
	}
	return b.String()
}

func released(m machine) string {
	if m.op == opStop {
		return "–" // nobody holds it then
	}
	m.held = 1
	m.armed = m.wantAlarm()
	return cell(m, input{kind: stepCounted})
}

func suspected(m machine) string {
	if m.op == opStop {
		return "–"
	}
	m.held = 1
	m.armed = m.wantAlarm()
	return cell(m, input{kind: stepSuspected})
}

func expiry(m machine) string {
	if m.armed == alarmOff {
		return "–"
	}
	text := cell(m, input{kind: stepExpired})
	if m.state == Failed {
		m.waiting = 1
		text += "; wanted: " + cell(m, input{kind: stepExpired})
	}
	return text
}

// both says what happens when nobody waits and when somebody does.
func both(m machine, in input) string {
	unwanted := cell(m, in)
	m.waiting = 1
	if wanted := cell(m, in); wanted != unwanted {
		return unwanted + "; wanted: " + wanted
	}
	return unwanted
}

func endedWell(m machine) string {
	switch m.op {
	case opCheck:
		up, down := input{kind: stepChecked, found: foundUp}, input{kind: stepChecked, found: foundDown}
		return "up: " + both(m, up) + "<br>down: " + both(m, down)
	case opStart:
		return both(m, input{kind: stepStarted})
	case opStop:
		text := both(m, input{kind: stepStopped})
		m.starts = 1
		return text + "<br>after a failed start: " + cell(m, input{kind: stepStopped})
	default:
		return "–"
	}
}

func endedBadly(m machine) string {
	switch m.op {
	case opCheck:
		return "runs, but silent: " + both(m, input{kind: stepChecked, found: foundSilent}) +
			"<br>nobody can tell: " + both(m, input{kind: stepChecked, found: foundUnclear})
	case opStart:
		return both(m, input{kind: stepStarted, failed: true})
	case opStop:
		return both(m, input{kind: stepStopped, failed: true})
	default:
		return "–"
	}
}

// cell says what the machine does with one input.
func cell(m machine, in input) string {
	before := m
	out := m.step(in)
	var words []string
	if m.state != before.state {
		words = append(words, "→ "+m.state.String())
	}
	if out.run == opCheck {
		words = append(words, "ask")
	}
	if out.grant {
		words = append(words, "grant all")
	}
	if out.refuse {
		words = append(words, "refuse all")
	}
	if len(words) == 0 && m.waiting > before.waiting {
		words = append(words, "queue")
	}
	if out.rearm && out.alarm != alarmOff {
		words = append(words, "arm "+[...]string{"", "cooldown", "backoff", "look"}[out.alarm])
	}
	if len(words) == 0 {
		return "–"
	}
	return strings.Join(words, ", ")
}
