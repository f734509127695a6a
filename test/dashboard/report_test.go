package dashboard

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// run returns what the program prints.
func (h *house) run(args ...string) string {
	h.t.Helper()
	out, err := exec.Command(h.program, append(args, "--config="+h.config)...).CombinedOutput()
	if err != nil {
		h.t.Errorf("rouse %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// TestFourWeeksAreReportedAndTuned asks of a history, with no rouse there. With PICTURES=DIR the pages are kept there.
func TestFourWeeksAreReportedAndTuned(t *testing.T) {
	h := build(t)
	h.fill()
	pages := os.Getenv("PICTURES")
	if pages == "" {
		pages = t.TempDir()
	}
	for _, c := range []struct {
		args []string
		want []string
	}{
		{[]string{"tune", "web"}, []string{"a cooldown of", "← the choice", "break-even", "▲", "EUR"}},
		{[]string{"tune", "web", "--json", "--waiting=100"}, []string{`"cooldown":`, `"thin": false`}},
		{[]string{"tune", "minecraft", "--html=" + filepath.Join(pages, "tune.html")}, []string{"wrote "}},
		{[]string{"report", "--html=" + filepath.Join(pages, "report.html")}, []string{"wrote "}},
		{[]string{"report"}, []string{"web\n", "cold starts", "saved", "█"}},
		{[]string{"report", "--json", "--target=web"}, []string{`"always_on_cost":`, `"energy_saved":`}},
		{[]string{"history", "--target=web", "--limit=5"}, []string{"ready → stopping: idle for 10m"}},
		{[]string{"history", "--connections", "--since=7d", "--csv"}, []string{"TIME,TARGET,CLIENT", "0.0.0.0:443"}},
		{[]string{"history", "--starts", "--json", "--limit=1"}, []string{`"seconds":`, `"ok":true`}},
	} {
		out := h.run(c.args...)
		for _, want := range c.want {
			if !strings.Contains(out, want) {
				t.Errorf("rouse %s says nothing of %q:\n%s", strings.Join(c.args, " "), want, out)
			}
		}
		if testing.Verbose() {
			t.Logf("rouse %s\n%s", strings.Join(c.args, " "), out)
		}
	}
	for _, name := range []string{"report.html", "tune.html"} {
		text, err := os.ReadFile(filepath.Join(pages, name))
		if err != nil || !strings.Contains(string(text), "<svg") || strings.Contains(string(text), "http") && strings.Contains(string(text), "src=") {
			t.Errorf("%s: %v: no plot in it, or something from elsewhere", name, err)
		}
	}
}
