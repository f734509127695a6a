package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/rouse-proxy/rouse/internal/admin"
	"github.com/rouse-proxy/rouse/internal/config"
)

func printLine(out io.Writer, v any) error {
	e := json.NewEncoder(out)
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

func newDashboard() *cobra.Command {
	var s steering
	cmd := &cobra.Command{
		Use: "dashboard [--config=FILE]", DisableFlagsInUseLine: true,
		Short: "the address of the dashboard, with the key to it",
		Long: `Prints the address of the dashboard. What stands behind the # is the token: the browser keeps it to
itself. The config has to say where to listen, as in admin: {listen: 127.0.0.1:8099}, or the flag
--admin-listen.

` + whichRouse,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			listen, path, err := s.door(cmd.Context())
			if err != nil {
				return err
			}
			token, err := admin.ReadToken(path)
			if errors.Is(err, os.ErrNotExist) {
				return fmt.Errorf("there is no token in %s yet: rouse makes it when it starts", path)
			}
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "http://%s/#token=%s\n", reachable(listen), token)
			return err
		},
	}
	s.flags(cmd)
	return cmd
}

// door finds where the dashboard is, and the file with its token. A rouse that runs with flags alone is asked.
func (s *steering) door(ctx context.Context) (listen netip.AddrPort, token string, err error) {
	const closed = "the dashboard is not open: write admin: {listen: 127.0.0.1:8099} or --admin-listen=127.0.0.1:8099, and restart rouse"
	if s.state != "" {
		st, err := admin.Dial(s.state).Status(ctx)
		if err == nil && st.Address == "" {
			err = errors.New(closed)
		}
		if err == nil {
			listen, err = netip.ParseAddrPort(st.Address)
		}
		return listen, admin.TokenPath(s.state), err
	}
	loaded, err := load(s.config, "; nothing was asked")
	if err != nil {
		return listen, "", err
	}
	c := loaded.Config.Admin
	switch dir, err := s.directory(); {
	case !c.Listen.IsValid():
		return listen, "", errors.New(closed)
	case c.TokenFile != "":
		return c.Listen, c.TokenFile, nil
	default:
		return c.Listen, admin.TokenPath(dir), err
	}
}

// reachable is an address by which this machine reaches a listener.
func reachable(a netip.AddrPort) netip.AddrPort {
	switch {
	case !a.Addr().IsUnspecified():
		return a
	case a.Addr().Is4():
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), a.Port())
	default:
		return netip.AddrPortFrom(netip.IPv6Loopback(), a.Port())
	}
}

func newDial(std streams) *cobra.Command {
	var s steering
	cmd := &cobra.Command{
		Use: "dial TARGET[:PORT]", DisableFlagsInUseLine: true,
		Short: "join standard input and output to a target, waking it",
		Long: `Connects to a target through a listener of the running rouse, which wakes it, and joins standard
input and output to it. PORT is that of the listener, where several lead to the target. For ssh:

  ssh -o ProxyCommand="rouse dial bastion" me@bastion

` + whichRouse + `

Exit codes: 0 the connection has ended in order, 1 it could not be made or broke.`,
		Args: oneTarget,
		RunE: func(cmd *cobra.Command, args []string) error {
			client, err := s.client()
			if err != nil {
				return err
			}
			st, err := client.Status(cmd.Context())
			if err != nil {
				return err
			}
			network, address, err := way(st.Targets, args[0])
			if err != nil {
				return err
			}
			return join(cmd.Context(), network, address, std.in, cmd.OutOrStdout())
		},
	}
	s.flags(cmd)
	return cmd
}

// way finds the listener that leads to a target.
func way(all []admin.Target, name string) (network, address string, err error) {
	name, port, hasPort := strings.Cut(name, ":")
	some, err := chosen(all, name)
	if err != nil {
		return "", "", err
	}
	if len(some) != 1 || some[0].Name != name {
		return "", "", fmt.Errorf("%s is a group: name one target", name)
	}
	var fit []string
	for _, l := range some[0].Listeners {
		a, err := netip.ParseAddrPort(l)
		switch {
		case err != nil && !hasPort:
			return "unix", l, nil
		case err == nil && (!hasPort || fmt.Sprint(a.Port()) == port):
			fit = append(fit, reachable(a).String())
		}
	}
	switch {
	case len(fit) == 0 && hasPort:
		return "", "", fmt.Errorf("no listener with port %s leads to %s: it has %s", port, name, strings.Join(some[0].Listeners, ", "))
	case len(fit) == 0:
		return "", "", fmt.Errorf("no listener leads to %s", name)
	case len(fit) > 1 && !hasPort:
		return "", "", config.Problems{{Where: "TARGET", Text: fmt.Sprintf("%d listeners lead to %s", len(fit), name), Hint: "name the port, as in " + name + ":" + fit[0][strings.LastIndexByte(fit[0], ':')+1:]}}
	}
	return "tcp", fit[0], nil
}

// join copies both ways until both sides have ended. The end of the input is passed on; what the target still says is read to its end.
func join(ctx context.Context, network, address string, in io.Reader, out io.Writer) error {
	d := net.Dialer{Timeout: 10 * time.Second}
	conn, err := d.DialContext(ctx, network, address)
	if err != nil {
		return fmt.Errorf("connecting to rouse's listener: %w", err)
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	go func() {
		_, _ = io.Copy(conn, in) // what fails is told by the other direction
		if half, ok := conn.(interface{ CloseWrite() error }); ok {
			_ = half.CloseWrite()
		}
	}()
	if _, err := io.Copy(out, conn); err != nil && ctx.Err() == nil {
		return fmt.Errorf("the connection through %s broke: %w", address, err)
	}
	return nil
}
