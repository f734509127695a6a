package target

import (
	"flag"
	"os"
	"testing"

	"go.uber.org/goleak"
)

// TestMain plays more random lives than rapid's default, which is for slow tests.
func TestMain(m *testing.M) {
	if err := flag.Set("rapid.checks", "20000"); err != nil {
		panic(err)
	}
	code := m.Run()
	if err := goleak.Find(); code == 0 && err != nil {
		os.Stderr.WriteString(err.Error())
		code = 1
	}
	os.Exit(code)
}
