package main

import (
	"bytes"
	_ "embed"
	"fmt"
	"reflect"
	"strings"

	"github.com/rouse-proxy/rouse/internal/config"
)

//go:embed intro.md
var intro []byte

// page is the reference of every key.
func (s *schema) page() []byte {
	out := bytes.NewBuffer(nil)
	out.WriteString("<!-- Written by go generate ./internal/config; change the comments in internal/config/file.go, or scripts/configdoc/intro.md. -->\n\n")
	out.Write(intro)
	for _, section := range []struct {
		title, text string
		entry       reflect.Type
	}{
		{"The program", "Keys at the top of a file. Each may stand in one file of a directory.", reflect.TypeFor[config.File]()},
		{"`targets:` NAME`:`", "One target. It needs `backend`, or `host` and `backends`.", reflect.TypeFor[config.TargetEntry]()},
		{"`hooks:`", "Below a target. [The hook contract](hooks.md) says what hooks get and what is expected of them.", reflect.TypeFor[config.HooksEntry]()},
		{"`probe:`", "Below a target, in the long form.", reflect.TypeFor[config.ProbeEntry]()},
		{"`listeners:`", "A list. Holds are counted for each target over all its listeners: it sleeps when nobody is left on any of them.",
			reflect.TypeFor[config.ListenerEntry]()},
		{"`routes:`", "A list in an entry of `listeners:`. [Routing](routing.md) has more.", reflect.TypeFor[config.ChoiceEntry]()},
		{"`wake-on:`", "In an entry of `listeners:`. A protocol alone, or these keys, one entry for each protocol. [Gates](gates.md) has more.", reflect.TypeFor[config.ShapeEntry]()},
		{"`http:`", "In an entry of `routes:` or `wake-on:`.", reflect.TypeFor[config.HTTPEntry]()},
		{"`postgres:`", "In an entry of `routes:` or `wake-on:`.", reflect.TypeFor[config.PostgresEntry]()},
		{"`health:`", "In an entry of `listeners:`.", reflect.TypeFor[config.HealthEntry]()},
		{"`budget:`", "Below a target.", reflect.TypeFor[config.BudgetEntry]()},
		{"`busy:`", "Below a target.", reflect.TypeFor[config.BusyEntry]()},
		{"`retry:`", "Below a target.", reflect.TypeFor[config.RetryEntry]()},
		{"`crash-loop:`", "Below a target.", reflect.TypeFor[config.CrashLoopEntry]()},
		{"`cost:`", "Below a target.", reflect.TypeFor[config.CostEntry]()},
		{"`power:`", "Below a target.", reflect.TypeFor[config.PowerEntry]()},
		{"`auto-cooldown:`", "Below a target.", reflect.TypeFor[config.AutoCooldownEntry]()},
		{"`history:`", "At the top of the file.", reflect.TypeFor[config.HistoryEntry]()},
		{"`admin:`", "At the top of the file. [The dashboard and the API](api.md) has more.", reflect.TypeFor[config.AdminEntry]()},
		{"`opentelemetry:`", "At the top of the file. [Metrics](metrics.md) has more.", reflect.TypeFor[config.TelemetryEntry]()},
		{"`notify:`", "A list at the top of the file. [Notifications](notifications.md) has more.", reflect.TypeFor[config.NotifyEntry]()},
		{"`always-on:`, `never-wake:`", "Lists below a target.", reflect.TypeFor[config.WindowEntry]()},
	} {
		fmt.Fprintf(out, "\n## %s\n\n%s\n\n| key | value | default | meaning |\n|---|---|---|---|\n", section.title, section.text)
		for _, f := range fieldsOf(section.entry) {
			fmt.Fprintf(out, "| `%s` | %s | %s | %s |\n", f.Tag.Get("yaml"), valueOf(f), defaultOf(f), s.meaning(section.entry, f))
		}
	}
	return out.Bytes()
}

func (s *schema) meaning(t reflect.Type, f reflect.StructField) string {
	text := s.doc(t, f.Name)
	if example := f.Tag.Get("example"); example != "" {
		text += fmt.Sprintf(" Example: `%s`", example)
	}
	return strings.ReplaceAll(text, "|", `\|`)
}

func defaultOf(f reflect.StructField) string {
	switch {
	case f.Tag.Get("missing") != "":
		return "required"
	case f.Tag.Get("default") != "":
		return "`" + f.Tag.Get("default") + "`"
	default:
		return ""
	}
}

// valueOf says what stands behind a key.
func valueOf(f reflect.StructField) string {
	switch f.Type {
	case reflect.TypeFor[config.Word]():
		return "`" + strings.ReplaceAll(f.Tag.Get("words"), " ", "`, `") + "`"
	case reflect.TypeFor[config.Command]():
		return "path or list"
	case reflect.TypeFor[config.Listens](), reflect.TypeFor[config.Networks](), reflect.TypeFor[config.Names]():
		return "one or list"
	case reflect.TypeFor[config.HTTPEntry](), reflect.TypeFor[config.PostgresEntry]():
		return "one, list or keys"
	case reflect.TypeFor[config.ShapeEntries]():
		return "one or list"
	case reflect.TypeFor[config.BudgetEntry](), reflect.TypeFor[config.HealthEntry](), reflect.TypeFor[config.BusyEntry](),
		reflect.TypeFor[config.RetryEntry](), reflect.TypeFor[config.CrashLoopEntry](), reflect.TypeFor[config.CostEntry](), reflect.TypeFor[config.PowerEntry](),
		reflect.TypeFor[config.AutoCooldownEntry](), reflect.TypeFor[config.HistoryEntry](), reflect.TypeFor[config.AdminEntry](), reflect.TypeFor[config.TelemetryEntry]():
		return "keys"
	case reflect.TypeFor[[]config.ChoiceEntry](), reflect.TypeFor[[]config.WindowEntry](), reflect.TypeFor[[]config.NotifyEntry]():
		return "list"
	case reflect.TypeFor[config.NamedTargets](), reflect.TypeFor[config.NamedPorts](), reflect.TypeFor[config.Variables](), reflect.TypeFor[config.HooksEntry]():
		return "keys"
	case reflect.TypeFor[config.ProbeEntry]():
		return "text or keys"
	case reflect.TypeFor[[]config.ListenerEntry]():
		return "list"
	case reflect.TypeFor[config.Plain]():
		return "text"
	}
	return strings.ToLower(f.Type.Name())
}
