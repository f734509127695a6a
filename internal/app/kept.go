package app

import (
	"reflect"
	"slices"

	"github.com/rouse-proxy/rouse/internal/config"
)

// sameNotify compares what is secret, too.
func sameNotify(x, y config.Notify) bool {
	return x.Name == y.Name && x.URL.Reveal() == y.URL.Reveal() && x.Key.Reveal() == y.Key.Reveal() && slices.Equal(x.Events, y.Events) && slices.Equal(x.Targets, y.Targets)
}

// kept lists what differs and takes a restart.
func (c *change) kept() (names []string) {
	for _, s := range []struct {
		name    string
		differs bool
	}{
		{"state-dir", c.cfg.State != c.old.State}, {"trace", c.cfg.Trace != c.old.Trace},
		{"log-format", c.cfg.LogFormat != c.old.LogFormat}, {"log-level", c.cfg.LogLevel != c.old.LogLevel},
		{"opentelemetry", c.cfg.Telemetry.Endpoint != c.old.Telemetry.Endpoint || c.cfg.Telemetry.Header.Reveal() != c.old.Telemetry.Header.Reveal() || c.cfg.Telemetry.Percent != c.old.Telemetry.Percent},
		{"history", c.cfg.History != c.old.History}, {"admin", !reflect.DeepEqual(c.cfg.Admin, c.old.Admin)}, {"notify", !slices.EqualFunc(c.cfg.Notify, c.old.Notify, sameNotify)},
	} {
		if s.differs {
			names = append(names, s.name)
		}
	}
	return names
}
