package target

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rouse-proxy/rouse/internal/event"
)

// saves are what the trace tells of records so far.
func (m *machineRoom) saves() (told []string) {
	for _, l := range m.trace.Lines() {
		if l.Kind == event.StateNotSaved || l.Kind == event.StateSaved {
			told = append(told, fmt.Sprintf("%s: %s of epoch %d, %s", l.Target, l.Kind, l.Epoch, l.Error))
		}
	}
	return told
}

// TestTraceTellsOfARecordThatWasNotSaved, and of the next one that was: a rouse that comes in between begins with an
// older epoch, and that is no fault of its own.
func TestTraceTellsOfARecordThatWasNotSaved(t *testing.T) {
	bubble(t, func(t *testing.T, m *machineRoom) {
		m.saveErr = errors.New("no space left on device")
		first := m.open()
		first.acquire().Release()
		time.Sleep(time.Minute)
		first.close()
		s := m.open() // from the record of a target that was never started
		defer s.close()
		time.Sleep(time.Second)
		synctest.Wait()
		if told := m.saves(); !slices.Contains(told, "web: state not saved of epoch 1, no space left on device") {
			t.Errorf("told %q", told)
		}
		m.saveErr = nil
		s.acquire().Release()
		time.Sleep(31 * time.Minute)
		s.expect(Stopped, 1, 1)
		if told := m.saves(); strings.Count(strings.Join(told, ";"), "saved again") != 1 {
			t.Errorf("told %q", told)
		}
	})
}

// TestTraceTellsOfADiskThatDoesNotAnswer: a start goes on without the record.
func TestTraceTellsOfADiskThatDoesNotAnswer(t *testing.T) {
	bubble(t, func(t *testing.T, m *machineRoom) {
		disk := deadDisk{machineRoom: m, replaced: make(chan struct{})}
		defer close(disk.replaced)
		m.saveErr = errBroken
		s := m.open(func(o *Options) { o.Store = disk })
		s.acquire().Release()
		s.close()
		if told := m.saves(); !slices.Contains(told, "web: state not saved of epoch 1, the disk does not answer") {
			t.Errorf("told %q", told)
		}
	})
}

// TestFaultOfASinkThatIsToldOfARecordHarmsNobody: the recorder tells it, and not the supervisor.
func TestFaultOfASinkThatIsToldOfARecordHarmsNobody(t *testing.T) {
	bubble(t, func(t *testing.T, m *machineRoom) {
		m.saveErr, m.rigged = errBroken, true
		s := m.open(func(o *Options) { o.Events = event.NewLog(func(event.Event) { panic("a bug") }) })
		defer s.close()
		s.acquire().Release()
		time.Sleep(31 * time.Minute)
		s.expect(Stopped, 1, 1)
	})
}
