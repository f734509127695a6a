package netns

import (
	"errors"
	"net"
	"os"
	"testing"
	"time"
)

func TestHostsReachTheirHubUntilTheyVanish(t *testing.T) {
	hub := NewHub(t)
	for name, vanish := range map[string]func(*Host){"vanish": (*Host).Vanish, "unplug": (*Host).Unplug, "leave": (*Host).Leave} {
		t.Run(name, func(t *testing.T) {
			host := hub.NewHost()
			for _, from := range []string{host.Hub.String(), host.Hub6.String()} {
				ln, err := hub.Listen(net.JoinHostPort(from, "0"))
				if err != nil {
					t.Fatal(err)
				}
				defer ln.Close()
				c, err := host.Dial(ln.Addr().String())
				if err != nil {
					t.Fatal(err)
				}
				defer c.Close()
				at, err := ln.Accept()
				if err != nil {
					t.Fatal(err)
				}
				defer at.Close()
				if _, err := c.Write([]byte("x")); err != nil {
					t.Error(err)
				}
				if _, err := at.Read(make([]byte, 1)); err != nil {
					t.Error(err)
				}
				defer func() { // once it has vanished
					_, _ = c.Write([]byte("y"))
					at.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
					if _, err := at.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
						t.Errorf("something came from who has gone: %v", err)
					}
				}()
			}
			vanish(host)
		})
	}
}
