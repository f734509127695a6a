//go:build linux

package real

import (
	"bufio"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// newPostgres makes a database that has never run, and returns its folder.
func newPostgres(t *testing.T) (dir string) {
	t.Helper()
	need(t, "/usr/lib/postgresql/*/bin/postgres", "postgresql", "psql", "postgresql-client", "pgbench", "postgresql-contrib")
	dir = newDir(t)
	if os.Geteuid() == 0 { // PostgreSQL refuses root
		need(t, "setpriv", "util-linux")
		uid, gid := 65534, 65534
		if u, err := user.Lookup("postgres"); err == nil {
			uid, _ = strconv.Atoi(u.Uid)
			gid, _ = strconv.Atoi(u.Gid)
		}
		if err := os.Chown(dir, uid, gid); err != nil {
			t.Fatal(err)
		}
	}
	run(t, script(t, dir, "postgres/init.sh"))
	t.Cleanup(func() {
		if text, err := os.ReadFile(filepath.Join(dir, "postgres.log")); err == nil && t.Failed() {
			t.Logf("PostgreSQL's log:\n%s", text)
		}
	})
	return dir
}

func postgresSetup(t *testing.T, dir string, flags ...string) setup {
	t.Helper()
	ready, err := filepath.Abs("testdata/postgres/ready.sh")
	if err != nil {
		t.Fatal(err)
	}
	return setup{hooks: "testdata/postgres", dir: dir, port: freePort(t), flags: append(flags, "--probe=exec:"+ready)}
}

// psql is a client that comes through rouse.
func psql(t *testing.T, p *proxy, flags ...string) *exec.Cmd {
	t.Helper()
	return command(t, nil, append([]string{"psql", "-X", "-q", "-A", "-t", "-h", "127.0.0.1", "-p", p.port, "-U", "postgres"}, flags...)...)
}

// ask runs one query. PostgreSQL must have nothing to complain about.
func ask(t *testing.T, p *proxy, query string) string {
	t.Helper()
	stdout, stderr := run(t, psql(t, p, "-c", query))
	if stderr != "" {
		t.Errorf("psql says %q", stderr)
	}
	return strings.TrimSpace(stdout)
}

func wantNoPidFile(t *testing.T, dir string) {
	t.Helper()
	if fileExists(filepath.Join(dir, "data", "postmaster.pid")) {
		t.Error("PostgreSQL is stopped, but has left its postmaster.pid: it was not shut down")
	}
}

func TestPsqlWakesPostgresWhichIsStoppedAndWokenAgain(t *testing.T) {
	dir := newPostgres(t)
	p := start(t, postgresSetup(t, dir, "--cooldown-period=1s"))

	at := p.now()
	if got := ask(t, p, "select 6 * 7"); got != "42" {
		t.Errorf("psql got %q", got)
	}
	ask(t, p, "create table t as select 'kept' as word")
	at = p.await(t, at, "state changed", "to", "starting")
	at = p.await(t, at, "state changed", "to", "ready")
	at = p.wantStopped(t, at)
	wantNoPidFile(t, dir)

	if got := ask(t, p, "select word from t"); got != "kept" {
		t.Errorf("after the second wake psql got %q", got)
	}
	at = p.await(t, at, "state changed", "to", "ready", "epoch", "2")
	p.wantStopped(t, at)
	wantNoPidFile(t, dir)
	if n := len(pids(t, dir)); n != 2 {
		t.Errorf("PostgreSQL was started %d times, want 2", n)
	}
}

func TestPsqlThatComesWhilePostgresIsBeingStoppedIsServed(t *testing.T) {
	dir := newPostgres(t)
	p := start(t, postgresSetup(t, dir, "--cooldown-period=1s"))
	at := p.now()
	ask(t, p, "create table t as select 'kept' as word")
	at = p.await(t, at, "state changed", "to", "stopping")
	if got := ask(t, p, "select word from t"); got != "kept" {
		t.Errorf("psql got %q", got)
	}
	at = p.await(t, at, "state changed", "to", "ready", "epoch", "2")
	p.wantStopped(t, at)
	wantNoPidFile(t, dir)
}

func TestPgbenchRunsFromAsleepWithoutAnError(t *testing.T) {
	dir := newPostgres(t)
	p := start(t, postgresSetup(t, dir, "--cooldown-period=1s"))
	bench := func(flags ...string) string {
		stdout, _ := run(t, command(t, nil, append([]string{"pgbench", "-h", "127.0.0.1", "-p", p.port, "-U", "postgres"}, flags...)...))
		return stdout
	}
	bench("-i", "-q", "postgres")
	at := p.wantStopped(t, 0)

	said := bench("-c", "4", "-t", "250", "postgres")
	for _, want := range []string{"number of transactions actually processed: 1000/1000\n", "number of failed transactions: 0 "} {
		if !strings.Contains(said, want) {
			t.Errorf("pgbench does not say %q:\n%s", want, said)
		}
	}
	end := p.wantStopped(t, at)
	if n := p.count(0, end, "client ended", "cause", "closed"); n < 5 {
		t.Errorf("%d connections ended well, want those of pgbench", n)
	}
	for _, trouble := range []string{"client refused", "client left", "backend did not answer", "waiting to try again"} {
		if n := p.count(0, end, trouble); n != 0 {
			t.Errorf("%d times %q", n, trouble)
		}
	}
}

// PostgreSQL that was killed recovers at its next start. Its port is open at once, and
// whoever comes too early is sent away: FATAL: the database system is starting up.
func TestPostgresKilledUnderAClientRecoversUnseen(t *testing.T) {
	dir := newPostgres(t)
	p := start(t, postgresSetup(t, dir, "--cooldown-period=1s"))
	ask(t, p, "create table t as select g, md5(g::text) from generate_series(1, 500000) g")

	idle := psql(t, p, "-f", "-")
	in, out := pipes(t, idle)
	if _, err := in.Write([]byte("select 'here';\n")); err != nil {
		t.Fatal(err)
	}
	if word, err := bufio.NewReader(out).ReadString('\n'); err != nil || word != "here\n" {
		t.Fatalf("the idle client read %q, %v", word, err)
	}
	at := p.now()
	killPostgres(t, dir)
	if got := ask(t, p, "select count(*) from t"); got != "500000" {
		t.Errorf("after the crash psql got %q", got)
	}
	at = p.await(t, at, "state changed", "to", "ready", "epoch", "2")
	probed, err := os.ReadFile(filepath.Join(dir, "probe.log"))
	if err != nil || !strings.Contains(string(probed), "1\n") {
		t.Errorf("the probe was never told that PostgreSQL recovers, so this proves nothing: it got %q, %v", probed, err)
	}
	_, _ = in.Write([]byte("select 'lost';\n"))
	in.Close()
	if err := idle.Wait(); err == nil {
		t.Error("the idle client ended well, but its server was killed")
	}
	p.wantStopped(t, at)
	wantNoPidFile(t, dir)
}

// killPostgres kills the server as a crash would, and forgets what its probe has said.
func killPostgres(t *testing.T, dir string) {
	t.Helper()
	pid := wantAlive(t, dir)
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the killed PostgreSQL is gone", func() bool { return !alive(pid) })
	if err := os.Remove(filepath.Join(dir, "probe.log")); err != nil {
		t.Fatal(err)
	}
}

func TestPostgresOfARouseThatWasKilledIsStoppedByTheNext(t *testing.T) {
	dir := newPostgres(t)
	s := postgresSetup(t, dir)
	long, short := s, s
	long.flags = append(long.flags, "--cooldown-period=1h")
	first := start(t, long)
	ask(t, first, "select 1")
	first.kill(t)
	wantAlive(t, dir)

	short.adopting = true
	short.flags = append(short.flags, "--cooldown-period=1s")
	second := start(t, short)
	at := second.await(t, 0, "state changed", "to", "ready")
	if n := second.count(0, at, "hook begun", "operation", "start"); n != 0 {
		t.Error("the second rouse started what ran already")
	}
	second.wantStopped(t, at)
	wantNoPidFile(t, dir)
}

// TestPsqlPassesAGateThatWantsPostgres: with TLS preferred, as psql has it by default, it asks for encryption first.
func TestPsqlPassesAGateThatWantsPostgres(t *testing.T) {
	need(t, "curl", "curl")
	dir := newPostgres(t)
	p := start(t, postgresSetup(t, dir, "--cooldown-period=1s", "--wake-on=postgres"))
	at := p.now()
	if out, err := command(t, nil, "curl", "-sS", "--max-time", "30", "http://127.0.0.1:"+p.port).CombinedOutput(); err == nil {
		t.Errorf("curl got %q", out)
	}
	p.await(t, at, "client refused")
	p.wantAsleep(t)
	for _, mode := range []string{"disable", "prefer"} {
		at = p.now()
		cmd := psql(t, p, "-c", "select 6 * 7")
		cmd.Env = append(os.Environ(), "PGSSLMODE="+mode)
		if out, _ := run(t, cmd); strings.TrimSpace(out) != "42" {
			t.Errorf("sslmode=%s: psql got %q", mode, out)
		}
		at = p.await(t, at, "state changed", "to", "ready")
		p.wantStopped(t, at)
	}
}
