package config

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// TestConfigsInTheDocsAreRight: whole files, and the parts that stand by themselves.
func TestConfigsInTheDocsAreRight(t *testing.T) {
	blocks := regexp.MustCompile("(?s)```yaml\n(.*?)```")
	whole := 0
	for _, page := range []string{"README.md", "docs/gates.md", "docs/routing.md", "docs/reload.md", "docs/targets.md", "docs/watching.md", "docs/notifications.md", "docs/api.md"} {
		text, err := os.ReadFile("../../" + page)
		if err != nil {
			t.Fatal(err)
		}
		for _, b := range blocks.FindAllStringSubmatch(string(text), -1) {
			whole++
			loaded, err := FromFiles(sourcesOf(b[1]), World{Getenv: func(string) (string, bool) { return "", false }, ReadSecret: func(string) ([]byte, bool, error) { return []byte("x"), false, nil }})
			if err != nil {
				t.Errorf("%s:\n%s\n%v", page, b[1], err)
				continue
			}
			if p := loaded.Config.Unstated(); len(p) > 0 {
				t.Errorf("%s:\n%s\n%v", page, b[1], p)
			}
		}
	}
	const base = "targets:\n  a:\n    backend: h:1\n    hooks: {start: /a, stop: /b}\n"
	for _, part := range []string{
		"    budget: {money-per-day: 2.50, price-per-hour: 0.40, price-per-start: 0.05}", `    always-on: [{cron: "0 8 * * MON-FRI", for: 10h, time-zone: Europe/Berlin}]`,
	} {
		found := false
		for _, page := range []string{"docs/gates.md", "docs/reload.md"} {
			text, err := os.ReadFile("../../" + page)
			if err != nil {
				t.Fatal(err)
			}
			found = found || strings.Contains(string(text), part)
		}
		if !found {
			t.Errorf("no page has %s", part)
		}
		files(t, base+part+"\nlisteners:\n- {listen: 127.0.0.1:1, target: a}\n")
	}
	if whole < 4 {
		t.Errorf("only %d configs are found in the docs", whole)
	}
}

// TestLinesInTheDocsAreRight: what stands indented on the pages about watching, put into a file.
func TestLinesInTheDocsAreRight(t *testing.T) {
	const target = "    backend: h:1\n    hooks: {start: /a, stop: /b}\n"
	const listeners = "listeners:\n- {listen: 127.0.0.1:1, target: web}\n"
	for page, lines := range map[string][]string{
		"docs/watching.md": {
			"    admin: {listen: 127.0.0.1:8099}\n",
			"    targets:\n      web:\n        cost: {per-hour: 0.40, per-start: 0.05, stopped-per-hour: 0.02, currency: EUR}\n        power: {watts: 60, stopped-watts: 2}\n",
		},
		"docs/api.md":     {"    admin: {listen: 127.0.0.1:8099}\n"},
		"docs/metrics.md": {"    opentelemetry: {endpoint: \"http://127.0.0.1:4318\", percent: 10}\n"},
		"docs/notifications.md": {
			"    notify:\n    - {name: phone, url: \"file:/etc/rouse/ntfy\"}\n" +
				"    - {name: automation, url: \"${HOOK_URL}\", key: \"file:/etc/rouse/webhook-key\", events: [wakes, stops, failures, recovered], targets: [web]}\n",
		},
	} {
		text, err := os.ReadFile("../../" + page)
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range lines {
			if !strings.Contains(string(text), l) {
				t.Errorf("%s has no\n%s", page, l)
			}
			file := strings.ReplaceAll("\n"+l, "\n    ", "\n")[1:]
			if strings.Contains(file, "  web:\n") {
				file = strings.Replace(file, "  web:\n", "  web:\n"+target, 1)
			} else {
				file += "targets:\n  web:\n" + target
			}
			_, err := FromFiles(sourcesOf(file+listeners), World{
				Getenv:     func(string) (string, bool) { return "https://example.org/hook", true },
				ReadSecret: func(string) ([]byte, bool, error) { return []byte("ntfy://ntfy.example.org/topic"), false, nil },
			})
			if err != nil {
				t.Errorf("%s:\n%s\n%v", page, file, err)
			}
		}
	}
}
