package cycles

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/rouse-proxy/rouse/internal/driver/exec"
)

func TestMain(m *testing.M) {
	exec.RunKeeper() // hooks of the real cycles have keepers, which are this program
	goleak.VerifyTestMain(m)
}
