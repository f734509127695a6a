//go:build unix

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rouse-proxy/rouse/internal/admin"
)

// TestAPersonAsksWhatIsSoAndWhatWas: by the commands, as scripts and people use them.
func TestAPersonAsksWhatIsSoAndWhatWas(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	front := freeAddress(t, s.front)
	r := s.startFile("state-dir: state\nlog-level: debug\nadmin: {listen: \"127.0.0.1:0\"}\ntargets:\n" +
		strings.Replace(s.entryOf("web", "    groups: [lab]\n    cost: {per-hour: 1, currency: EUR}\n"), "500ms", "1h", 1) + fmt.Sprintf("listeners:\n- {listen: %s, target: web}\n", front))
	r.awaitTarget("web", "stopped")
	run := func(want string, args ...string) outcome {
		t.Helper()
		got := rouse(t, s.dir, append(args, "--config=rouse.yaml")...)
		if got.code != exitDone || !strings.Contains(got.stdout, want) {
			t.Errorf("rouse %s: exits with %d, and tells nothing of %q: %s %s", strings.Join(args, " "), got.code, want, got.stdout, oneLine(got.stderr))
		}
		return got
	}
	run("asleep", "status")
	run("It is stopped", "why", "web")

	dial := command(t.Context(), s.dir, "dial", "web", "--config=rouse.yaml")
	var said bytes.Buffer
	in, err := dial.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	dial.Stdout, dial.Stderr = &said, os.Stderr
	if err := dial.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := in.Write([]byte("through standard input\n")); err != nil {
		t.Fatal(err)
	}
	r.awaitTarget("web", "ready")
	s.eventually("the client is told of", func() bool {
		return strings.Contains(rouse(t, s.dir, "why", "web", "--config=rouse.yaml").stdout, "is connected through "+front.String())
	})
	if err := in.Close(); err != nil {
		t.Fatal(err)
	}
	if err := dial.Wait(); err != nil || !strings.Contains(said.String(), "through standard input") {
		t.Errorf("dial: %v, it said %q", err, said.String())
	}

	var st admin.Status
	if err := json.Unmarshal([]byte(run("", "status", "lab", "--json").stdout), &st); err != nil || len(st.Targets) != 1 || st.Targets[0].Health != admin.Up || st.Targets[0].Connections != 1 {
		t.Errorf("status: %+v, %v", st, err)
	}
	if got := rouse(t, s.dir, "status", "nobody", "--config=rouse.yaml"); got.code != exitFailed || !strings.Contains(got.stderr, "neither a target nor a group") {
		t.Errorf("of nobody: %d %s", got.code, got.stderr)
	}
	run("have to wait", "maintenance", "web", "--hold", "--why=backup")
	run("new clients have to wait (backup)", "status")
	run("are let in", "maintenance", "lab", "--off")
	run("is held until", "hold", "web", "--for=1h")
	run("held by hand no more", "release", "web")
	run("web is stopped", "stop", "web", "--force")
	s.eventually("the history has it", func() bool {
		return strings.Contains(rouse(t, s.dir, "history", "--config=rouse.yaml").stdout, "stopping → stopped")
	})
	run("a person stops it", "history", "--target=web", "--since=1h")
	run(front.String(), "history", "--connections", "--csv")
	run(`"ok":true`, "history", "--starts", "--json")
	run("cold starts", "report")
	run("break-even", "tune", "web")
	if got := rouse(t, s.dir, "__complete", "wake", "--config=rouse.yaml", ""); !strings.Contains(got.stdout, "web\tstopped") || !strings.Contains(got.stdout, "lab\ta group") {
		t.Errorf("a shell is told %q", got.stdout)
	}
	for _, c := range []struct {
		want string
		args []string
	}{
		{"is not a time", []string{"history", "--since=yesterday"}}, {"is out of range", []string{"history", "--limit=0"}}, {"beside --json", []string{"history", "--json", "--csv"}},
		{"is not a month", []string{"report", "--month=May"}}, {"yet to come", []string{"report", "--month=2999-01"}}, {"0 names are given", []string{"why"}},
	} {
		if got := rouse(t, s.dir, append(c.args, "--config=rouse.yaml")...); got.code != exitUsage || !strings.Contains(got.stderr, c.want) {
			t.Errorf("rouse %s: %d %s", strings.Join(c.args, " "), got.code, got.stderr)
		}
	}
	if got := rouse(t, s.dir, "top", "--config=rouse.yaml"); got.code != exitFailed || !strings.Contains(got.stderr, "status --watch") {
		t.Errorf("top without a terminal: %d %s", got.code, got.stderr)
	}
	r.end()
	run("stopping → stopped", "history") // with no rouse there
	if got := rouse(t, s.dir, "why", "web", "--config=rouse.yaml"); got.code != exitFailed || !strings.Contains(got.stderr, "no rouse runs") {
		t.Errorf("why without a rouse: %d %s", got.code, got.stderr)
	}
}

// TestManualPagesAreRight: man itself finds nothing wrong with them.
func TestManualPagesAreRight(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if got := rouse(t, dir, "man", "pages"); got.code != exitDone || !strings.Contains(got.stdout, "wrote ") {
		t.Fatalf("%d %s %s", got.code, got.stdout, got.stderr)
	}
	pages, err := filepath.Glob(filepath.Join(dir, "pages", "rouse*.1"))
	if err != nil || len(pages) < 20 {
		t.Fatalf("%d pages, %v", len(pages), err)
	}
	for _, page := range pages {
		text, err := os.ReadFile(page)
		if err != nil || !strings.HasPrefix(string(text), ".TH ROUSE") || !strings.Contains(string(text), ".SH DESCRIPTION") {
			t.Errorf("%s: %v: no page of a manual", page, err)
		}
	}
	if _, err := exec.LookPath("groff"); err != nil {
		return // where it is, it reads them all
	}
	out, err := exec.Command("groff", append([]string{"-man", "-Tutf8", "-ww", "-z"}, pages...)...).CombinedOutput()
	if err != nil || len(out) > 0 {
		t.Errorf("groff: %v\n%s", err, out)
	}
}
