package app

import (
	"context"
	"errors"
	"fmt"
	osexec "os/exec"
	"syscall"

	"net/netip"

	"github.com/rouse-proxy/rouse/internal/config"
	"github.com/rouse-proxy/rouse/internal/driver"
	"github.com/rouse-proxy/rouse/internal/probe"
	"github.com/rouse-proxy/rouse/internal/proxyproto"
)

// prober returns who says whether a target is ready.
func (a *App) prober(epoch func() uint64, t config.Target, g *gear) (*probe.Prober, error) {
	opts := probe.Options{
		Kind: string(t.Probe.Kind), Path: t.Probe.Path, Status: statuses(t.Probe.Status), Expect: t.Probe.Expect,
		ServerName: t.Probe.ServerName, Verify: t.Probe.Verify,
		Settle: t.Probe.Settle, Interval: t.Probe.Interval, Timeout: t.Probe.Timeout, Preamble: preamble(t), Allow: a.allow,
		Command: func(ctx context.Context, address string) error {
			return verdict(g.driver.Ready(ctx, driver.Op{Epoch: epoch(), Reason: "probe", Address: address}))
		},
	}
	return probe.New(opts)
}

func statuses(all []config.StatusRange) []probe.StatusRange {
	var ranges []probe.StatusRange
	for _, r := range all {
		ranges = append(ranges, probe.StatusRange(r))
	}
	return ranges
}

// preamble is the PROXY header of one who speaks for nobody, if a target wants one.
func preamble(t config.Target) []byte {
	if v := versionOf(t.Probe.SendProxy); v != 0 {
		return proxyproto.Header(v, netip.AddrPort{}, netip.AddrPort{})
	}
	return nil
}

// versionOf reads the version of a PROXY header; 0 is none.
func versionOf(word string) proxyproto.Version {
	switch word {
	case "v1":
		return proxyproto.V1
	case "v2":
		return proxyproto.V2
	}
	return 0
}

// busy returns who says whether a target is busy; nil: nobody does.
func (a *App) busy(t config.Target, g *gear) (func(context.Context, driver.Op) (bool, error), error) {
	switch {
	case len(t.Busy.Command) > 0:
		return func(ctx context.Context, op driver.Op) (bool, error) {
			ctx, cancel := context.WithTimeout(ctx, t.Busy.Timeout)
			defer cancel()
			return g.driver.Busy(ctx, op)
		}, nil
	case t.Busy.Path == "":
		return nil, nil
	}
	p, err := probe.New(probe.Options{
		Kind: busyKind(t), Path: t.Busy.Path, Status: []probe.StatusRange{{First: 200, Last: 299}}, Timeout: t.Busy.Timeout,
		ServerName: t.Probe.ServerName, Preamble: preamble(t), Allow: a.allow,
	})
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, op driver.Op) (bool, error) {
		_, err := p.Once(ctx, op.Address)
		if errors.Is(err, probe.ErrAnswers) || errors.Is(err, syscall.ECONNREFUSED) {
			return false, nil
		}
		return err == nil, err
	}, nil
}

// busyKind is that of the request whether a target is busy: over TLS if the probe asks so.
func busyKind(t config.Target) string {
	if t.Probe.Kind == config.ProbeHTTPS || t.Probe.Kind == config.ProbeTLS {
		return probe.HTTPS
	}
	return probe.HTTP
}

// refuseAfter is how many starts may fail while clients wait. In the settings of a target 0 stands for the usual number.
func refuseAfter(r config.Retry) int {
	if r != (config.Retry{}) && r.RefuseAfter == 0 {
		return -1
	}
	return r.RefuseAfter
}

// verdict tells a readiness command that has said no, or has not answered in time,
// from one that could not be run.
func verdict(err error) error {
	_, exited := errors.AsType[*osexec.ExitError](err)
	if err == nil || exited || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return fmt.Errorf("%w: %w", probe.ErrCannotAsk, err)
}
