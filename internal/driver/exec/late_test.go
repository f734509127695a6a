//go:build unix

package exec

import (
	"context"
	"errors"
	"testing"
)

// TestHookIsNotBegunWhenItsTimeIsUp: the time may end while a keeper makes ready, or fails to.
func TestHookIsNotBegunWhenItsTimeIsUp(t *testing.T) {
	r := newRig(t, "traces", Options{Told: func(h HookRun) { t.Errorf("told of %+v", h) }})
	cause := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(cause)
	for _, keeper := range []string{"", animal("nothing"), r.keeper} {
		r.keeper = keeper
		if _, err := r.execute(ctx, job{hook: r.stop, op: anOp, env: r.environ(r.stop, anOp, "")}); !errors.Is(err, cause) {
			t.Errorf("with keeper %q: %v", keeper, err)
		}
	}
}
