package main

import (
	"fmt"
	"io"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/rouse-proxy/rouse/test/netns"
)

// TestTheBackendSeesTheClient: with the routes that the docs want, and over IPv4 and IPv6, by an address and by a name.
func TestTheBackendSeesTheClient(t *testing.T) {
	t.Parallel()
	hub := netns.NewHub(t)
	client, server := hub.NewHost(), hub.NewHost()
	server.Through(hub)
	for _, c := range []struct {
		name            string
		at, front, from netip.Addr
	}{
		{"IPv4", server.Addr, client.Hub, client.Addr},
		{"IPv6", server.Addr6, client.Hub6, client.Addr6},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newStage(t)
			ln, err := server.Listen(netip.AddrPortFrom(c.at, 0).String())
			if err != nil {
				t.Fatal(err)
			}
			defer ln.Close()
			go tellPeers(ln)
			write(t, s.dir, "nothing.sh", "#!/bin/sh\nexit 0\n")
			cmd := command(t.Context(), s.dir, "run", "--config=rouse.yaml")
			write(t, s.dir, "rouse.yaml", fmt.Sprintf("state-dir: state\nlog-level: debug\ntargets:\n  web: {backend: %q, hooks: {start: %[2]s, stop: %[2]s}}\n"+
				"listeners:\n- {listen: \"[::]:0\", target: web, wake-from: any, transparent: yes}\n", ln.Addr(), s.path("nothing.sh")))
			var r *child
			if err := hub.Do(func() error { r = s.launch(cmd); return nil }); err != nil {
				t.Fatal(err)
			}
			_, port, err := net.SplitHostPort(r.address())
			if err != nil {
				t.Fatal(err)
			}
			for range 3 { // the first one is not served by the connection that has proved the target ready
				conn, err := client.Dial(net.JoinHostPort(c.front.String(), port))
				if err != nil {
					t.Fatal(err)
				}
				_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
				if got, err := io.ReadAll(conn); err != nil || string(got) != c.from.String() {
					t.Errorf("the backend saw %q, %v; want %v", got, err, c.from)
				}
				_ = conn.Close()
			}
			r.end()
		})
	}
}

// tellPeers tells whoever connects from where that was.
func tellPeers(ln *net.TCPListener) {
	for {
		conn, err := ln.AcceptTCP()
		if err != nil {
			return
		}
		_, _ = io.WriteString(conn, conn.RemoteAddr().(*net.TCPAddr).IP.String())
		_ = conn.Close()
	}
}
