package exec

import (
	"context"
	"errors"
	"strings"
	"testing"
)

// In these tests a script of the zoo takes the place of the keeper, and does what a real one does seldom.

func TestHookWithoutAKeeperRunsAllTheSame(t *testing.T) {
	for name, keeper := range map[string]string{
		"missing": "/no/such/program", "ends": animal("keeper-ends"), "cannot start it": animal("keeper-cannot-start"), "of another rouse": animal("keeper-newer"),
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, "address-good", Options{})
			r.keeper = keeper
			for range 2 {
				if address, err := r.Start(t.Context(), anOp); err != nil || address != "192.0.2.7:8443" {
					t.Errorf("start is %q, %v", address, err)
				}
			}
			if log := r.log.String(); strings.Count(log, "WARN "+noKeeper) != 1 {
				t.Errorf("log is\n%s", log)
			}
			if exists(r.recordPath) || exists(r.resultAt) || exists(r.outcomePath) {
				t.Error("something was left behind")
			}
		})
	}
}

func TestKeeperThatIsStuckEarlierThanRouseIsHeard(t *testing.T) {
	r := newRig(t, "nothing", Options{})
	r.keeper = animal("keeper-stuck")
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if _, err := r.Start(ctx, anOp); !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "did not finish within") {
		t.Errorf("error is %v", err)
	}
}

func TestKeeperThatIsKilledBeforeItTellsItsResultHasWrittenIt(t *testing.T) {
	r := newRig(t, "nothing", Options{})
	r.keeper = animal("keeper-killed")
	if address, err := r.Start(t.Context(), anOp); err != nil || address != "192.0.2.7" {
		t.Errorf("start is %q, %v", address, err)
	}
}
