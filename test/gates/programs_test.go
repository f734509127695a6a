//go:build linux

package gates

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func serve(ln net.Listener, name string) {
	_ = http.Serve(ln, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprintf(w, "%s %s\n", name, r.URL.Path) }))
}

// tlsServer runs openssl's own, with a certificate of that name.
func (l *lab) tlsServer(name string) (address string) {
	l.t.Helper()
	key, cert, p := filepath.Join(l.dir, name+".key"), filepath.Join(l.dir, name+".pem"), port(l.t)
	l.want("", "openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN="+name, "-keyout", key, "-out", cert)
	l.run(&log{}, "openssl", "s_server", "-accept", "127.0.0.1:"+p, "-key", key, "-cert", cert, "-www", "-quiet")
	l.listens(p)
	return "127.0.0.1:" + p
}

func TestOpensslIsLedByTheNameThatItAsksFor(t *testing.T) {
	need(t, "openssl", "openssl")
	l := newLab(t)
	front, strict := port(t), port(t)
	names := []string{"shop.example", "wiki.example", "rest.example"}
	var config strings.Builder
	config.WriteString("targets:\n")
	for i, name := range names {
		config.WriteString(l.target([]string{"shop", "wiki", "rest"}[i], l.tlsServer(name), ""))
	}
	l.rouse(strict, config.String()+fmt.Sprintf(`listeners:
- listen: 127.0.0.1:%s
  target: rest
  routes:
  - {tls: shop.example, target: shop}
  - {tls: "*.wiki.example", target: wiki}
- listen: 127.0.0.1:%s
  wake-on: {tls: shop.example}
  routes:
  - {tls: ["shop.example", "wiki.example"], target: shop}
`, front, strict))
	ask := func(p, name, version string) []string {
		return []string{"openssl", "s_client", "-connect", "127.0.0.1:" + p, "-servername", name, version}
	}
	l.fails(ask(strict, "wiki.example", "-tls1_3")...) // may use it, not wake it
	l.fails(ask(strict, "other.example", "-tls1_3")...)
	if n := l.starts(); n != 0 {
		t.Errorf("%d starts by names that wake nothing", n)
	}
	for _, version := range []string{"-tls1_2", "-tls1_3"} {
		l.want("CN = shop.example", ask(front, "shop.example", version)...)
		l.want("CN = wiki.example", ask(front, "de.wiki.example", version)...)
		l.want("CN = rest.example", ask(front, "nobody.example", version)...)
		l.want("CN = rest.example", "openssl", "s_client", "-connect", "127.0.0.1:"+front, "-noservername", version)
		l.want("CN = shop.example", ask(strict, "wiki.example", version)...) // it is awake now
	}
	if n := l.starts(); n != 3 {
		t.Errorf("%d starts, want 3", n)
	}
}

func TestCurlIsLedByHostAndWakesByPath(t *testing.T) {
	need(t, "curl", "curl")
	l := newLab(t)
	front, gated := port(t), port(t)
	l.rouse(gated, "targets:\n"+l.target("a", l.web("a"), "")+l.target("b", l.web("b"), "")+l.target("c", l.web("c"), "")+fmt.Sprintf(`listeners:
- listen: 127.0.0.1:%s
  target: b
  routes:
  - {http: {host: a.example, path: /only}, target: a}
- listen: 127.0.0.1:%s
  target: c
  wake-on: {http: {path: /app, user-agent: "!bot"}}
`, front, gated))
	curl := func(p string, more ...string) []string {
		return append([]string{"curl", "-sS", "--max-time", "20", "http://127.0.0.1:" + p}, more...)
	}
	l.want("b /", curl(front, "-H", "Host: a.example")...)
	l.want("a /only/x", "curl", "-sS", "-H", "Host: a.example", "http://127.0.0.1:"+front+"/only/x", "http://127.0.0.1:"+front+"/only/y")
	l.fails(curl(gated)...)
	l.fails("curl", "-sS", "-A", "NiceBot/1.0 (bot)", "http://127.0.0.1:"+gated+"/app")
	if n := l.starts(); n != 2 {
		t.Errorf("%d starts, want those of a and b", n)
	}
	l.want("c /app", "curl", "-sS", "http://127.0.0.1:"+gated+"/app")
	l.want("c /", curl(gated)...)
}

func TestHAProxySaysWhoTheClientIs(t *testing.T) {
	need(t, "haproxy", "haproxy", "curl", "curl")
	for _, send := range []string{"send-proxy", "send-proxy-v2"} {
		l := newLab(t)
		front, inner := port(t), port(t)
		l.rouse(inner, "targets:\n"+l.target("web", l.web("web"), "")+fmt.Sprintf(`listeners:
- listen: 127.0.0.1:%s
  target: web
  proxy-protocol-from: 127.0.0.1
  wake-from: 127.0.0.5
  connect-from: [127.0.0.5, 127.0.0.6, 127.0.0.7]
`, inner))
		config := filepath.Join(l.dir, "haproxy.cfg")
		text := fmt.Sprintf("defaults\n mode tcp\n timeout connect 5s\n timeout client 30s\n timeout server 30s\nlisten in\n bind 127.0.0.1:%s\n server rouse 127.0.0.1:%s %s\n", front, inner, send)
		if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		l.run(&log{}, "/usr/sbin/haproxy", "-db", "-f", config)
		l.listens(front)
		curl := func(p, from string) []string {
			return []string{"curl", "-sS", "--max-time", "20", "--interface", from, "http://127.0.0.1:" + p + "/"}
		}
		l.fails(curl(front, "127.0.0.6")...) // may not wake
		l.fails(curl(front, "127.0.0.8")...) // may not connect
		l.fails(curl(inner, "127.0.0.1")...) // HAProxy's own address without a header
		// Who is not the proxy cannot say that it is somebody else.
		l.fails("curl", "-sS", "--haproxy-protocol", "--interface", "127.0.0.6", "http://127.0.0.1:"+inner+"/")
		if n := l.starts(); n != 0 {
			t.Errorf("%s: %d starts", send, n)
		}
		l.want("web /", curl(front, "127.0.0.5")...)
		l.want("web /", curl(front, "127.0.0.6")...)
		if !strings.Contains(l.out.String(), "client 127.0.0.5:") {
			t.Errorf("%s: the log does not name the client", send)
		}
	}
}

func TestNginxHearsWhoTheClientIs(t *testing.T) {
	need(t, "nginx", "nginx", "curl", "curl")
	for _, version := range []string{"v1", "v2"} {
		l := newLab(t)
		front, back := port(t), port(t)
		config := filepath.Join(l.dir, "nginx.conf")
		text := fmt.Sprintf(`daemon off; master_process off; pid %[1]s/nginx.pid; error_log %[1]s/error.log;
events {}
http {
  access_log off; client_body_temp_path %[1]s/a; proxy_temp_path %[1]s/b; fastcgi_temp_path %[1]s/c; uwsgi_temp_path %[1]s/d; scgi_temp_path %[1]s/e;
  server { listen 127.0.0.1:%[2]s proxy_protocol; location / { return 200 "client $proxy_protocol_addr\n"; } }
}
`, l.dir, back)
		if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		l.run(&log{}, "/usr/sbin/nginx", "-p", l.dir, "-e", filepath.Join(l.dir, "early.log"), "-c", config)
		l.listens(back)
		l.rouse(front, "targets:\n"+l.target("web", "127.0.0.1:"+back, "")+fmt.Sprintf("listeners:\n- {listen: 127.0.0.1:%s, target: web, send-proxy-protocol: %s}\n", front, version))
		for _, from := range []string{"127.0.0.5", "127.0.0.6", "127.0.0.5"} { // the first comes over the connection of the probe
			l.want("client "+from, "curl", "-sS", "--max-time", "20", "--interface", from, "http://127.0.0.1:"+front+"/")
		}
	}
}
