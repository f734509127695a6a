//go:build linux

package real

import (
	"bufio"
	"bytes"
	"errors"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/user"
	"path/filepath"
	"testing"
	"time"
)

// An sshServer is what its clients need to know.
type sshServer struct {
	*proxy
	user string
}

// startSSH puts rouse in front of an OpenSSH server that takes one key only.
func startSSH(t *testing.T, flags ...string) *sshServer {
	t.Helper()
	need(t, "/usr/sbin/sshd", "openssh-server", "ssh", "openssh-client", "scp", "openssh-client", "ssh-keygen", "openssh-client")
	needPrivsepFolder(t)
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	s, dir := &sshServer{user: me.Username}, newDir(t)
	for _, key := range []string{"host", "user"} {
		run(t, command(t, nil, "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", filepath.Join(dir, key)))
	}
	s.proxy = start(t, setup{hooks: "testdata/ssh", dir: dir, port: freePort(t), flags: append(flags, "--probe=banner:SSH-")})
	t.Cleanup(func() {
		if text, err := os.ReadFile(filepath.Join(dir, "sshd.log")); err == nil && t.Failed() {
			t.Logf("sshd's log:\n%s", text)
		}
	})
	return s
}

// needPrivsepFolder sees to the folder that sshd wants when root starts it, and that
// exists only where the system has started one.
func needPrivsepFolder(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		return
	}
	const folder = "/run/sshd"
	if err := os.Mkdir(folder, 0o755); errors.Is(err, fs.ErrExist) {
		return
	} else if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.Remove(folder) }) // somebody may use it by now
}

// options are those of ssh and scp alike; portFlag differs.
func (s *sshServer) options(program, portFlag string) []string {
	return []string{program, portFlag, s.port, "-F", "/dev/null", "-i", filepath.Join(s.dir, "user"), "-o", "IdentitiesOnly=yes",
		"-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=accept-new", "-o", "UserKnownHostsFile=" + filepath.Join(s.dir, "known")}
}

func (s *sshServer) ssh(words ...string) []string {
	return append(append(s.options("ssh", "-p"), s.user+"@127.0.0.1"), words...)
}

func TestSSHWakesItsServerWhichIsThenStopped(t *testing.T) {
	s := startSSH(t, "--cooldown-period=1s")
	at := s.now()
	for range 2 {
		stdout, _ := run(t, command(t, nil, s.ssh("echo", "hi")...))
		if stdout != "hi\n" {
			t.Errorf("ssh prints %q", stdout)
		}
		at = s.wantStopped(t, at)
	}
}

func TestTwentyMegabytesGoBothWaysThroughSSHUnharmed(t *testing.T) {
	s := startSSH(t, "--cooldown-period=1s")
	at := s.now()
	noise := make([]byte, 20<<20)
	if _, err := rand.NewChaCha8([32]byte{1}).Read(noise); err != nil {
		t.Fatal(err)
	}
	here, there, back := filepath.Join(s.dir, "here"), filepath.Join(s.dir, "there"), filepath.Join(s.dir, "back")
	if err := os.WriteFile(here, noise, 0o600); err != nil {
		t.Fatal(err)
	}
	remote := s.user + "@127.0.0.1:" + there
	run(t, command(t, nil, append(s.options("scp", "-P"), "-q", here, remote)...))
	run(t, command(t, nil, append(s.options("scp", "-P"), "-q", remote, back)...))
	for _, copied := range []string{there, back} {
		if got, err := os.ReadFile(copied); err != nil || !bytes.Equal(got, noise) {
			t.Errorf("%s has %d bytes, %v; want the %d bytes that were sent", copied, len(got), err, len(noise))
		}
	}

	// The same without a protocol of its own, and both ways at once.
	cmd := command(t, bytes.NewReader(noise), s.ssh("cat")...)
	if stdout, _ := run(t, cmd); stdout != string(noise) {
		t.Errorf("ssh cat gave %d bytes back; want the %d that were sent", len(stdout), len(noise))
	}
	s.wantStopped(t, at)
}

func TestAnIdleSSHSessionKeepsItsServerAwake(t *testing.T) {
	const cooldown = time.Second
	s := startSSH(t, "--cooldown-period="+cooldown.String())
	session := command(t, nil, s.ssh("cat")...)
	in, out := pipes(t, session)
	lines := bufio.NewReader(out)
	echo := func(text string) {
		t.Helper()
		if _, err := in.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
		if got, err := lines.ReadString('\n'); err != nil || got != text {
			t.Fatalf("the session answers %q, %v; want %q", got, err, text)
		}
	}
	echo("begin\n")
	began := time.Now()
	at := s.now()
	wantAlive(t, s.dir)
	run(t, command(t, nil, s.ssh("true")...)) // a client that leaves, which begins no cooldown
	left := s.await(t, at, "client ended")
	// Time itself is what has to pass here, with nothing said.
	time.Sleep(time.Until(began.Add(2 * cooldown)))
	echo("still here\n")
	awake := s.now()
	if n := s.count(at, awake, "cooldown begins") + s.count(at, awake, "operation begun"); n != 0 {
		t.Errorf("rouse began a cooldown or an operation under an open session")
	}
	wantAlive(t, s.dir)

	if err := in.Close(); err != nil {
		t.Fatal(err)
	}
	if err := session.Wait(); err != nil {
		t.Errorf("the session ended with %v", err)
	}
	ended := s.await(t, left, "client ended")
	if n := s.count(at, ended, "operation begun", "operation", "stop"); n != 0 {
		t.Errorf("the stop began before the session had ended")
	}
	s.wantStopped(t, left)
}
