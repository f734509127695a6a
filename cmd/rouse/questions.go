package main

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"github.com/rouse-proxy/rouse/internal/config"
)

// A question is about one flag.
type question struct {
	flag, text string
	answer     string // if nothing is typed
	optional   bool
	file       bool // the answer is a program's path
}

// questions are what a first config needs to know. The others of its settings have good defaults.
var questions = []question{
	{flag: "target-ip", text: "Where is the server that is to sleep and wake? Its IP address or host name"},
	{flag: "target-port", text: "Its TCP port"},
	{flag: "target-name", text: "A name for it, for the log and for its hooks", answer: "server"},
	{flag: "hook-start-svc", text: "The program that starts it: its path", file: true},
	{flag: "hook-stop-svc", text: "The program that stops it", file: true},
	{flag: "hook-status", text: "The program that says whether it runs, if you have one (exit 0: it runs, 3: it does not)", optional: true, file: true},
	{flag: "probe", text: "How does it show that it is ready? tcp, http:/path, https:/path, tls, or banner if it speaks first", answer: "tcp"},
	{flag: "proxy-ip", text: "On which address of this machine do clients connect to rouse? 0.0.0.0 is all of them", answer: "0.0.0.0"},
	{flag: "proxy-port", text: "On which port?"},
	{flag: "wake-from", text: "Who may wake it? any, or a network such as 192.168.0.0/16 (the others are served while it is awake)", answer: "any"},
	{flag: "cooldown-period", text: "After how long without a client is it stopped?", answer: "30m"},
}

// interview asks a person what a config needs.
type interview struct {
	in  *bufio.Reader
	out io.Writer
}

// errNoAnswer is why nothing is written.
var errNoAnswer = errors.New("the questions were not answered; nothing was written")

// flags asks until each answer is right.
func (i interview) flags(ctx context.Context) (config.Flags, error) {
	fmt.Fprint(i.out, "A few questions, and a config file with comments is written. Enter takes what stands in [brackets].\n\n")
	var f config.Flags
	given := map[string]string{}
	for _, q := range questions {
		if q.flag == "proxy-port" {
			q.answer = given["target-port"]
		}
		answer, err := i.ask(ctx, q, given)
		if err != nil {
			return f, err
		}
		if given[q.flag] = answer; answer != "" {
			set(&f, q.flag, answer)
		}
	}
	return f, nil
}

// ask asks one question until the answer is right, beside those that were given.
func (i interview) ask(ctx context.Context, q question, given map[string]string) (string, error) {
	for {
		hint := ""
		switch {
		case q.answer != "":
			hint = " [" + q.answer + "]"
		case q.optional:
			hint = " [none]"
		}
		fmt.Fprintf(i.out, "%s%s: ", q.text, hint)
		line, err := i.in.ReadString('\n')
		if err != nil || ctx.Err() != nil {
			fmt.Fprintln(i.out)
			return "", errNoAnswer
		}
		answer := strings.TrimSpace(line)
		if answer == "" {
			answer = q.answer
		}
		if answer == "" && q.optional {
			return "", nil
		}
		problem := judge(q.flag, answer, given)
		if problem == "" {
			i.remark(q, answer)
			return answer, nil
		}
		fmt.Fprintf(i.out, "  %s\n", problem)
	}
}

// remark says what is right and may not be there yet.
func (i interview) remark(q question, answer string) {
	if _, err := strconv.Atoi(answer); err == nil && q.flag == "cooldown-period" {
		fmt.Fprintf(i.out, "  (that is %s seconds; %sm would be minutes)\n", answer, answer)
	}
	if _, err := os.Stat(answer); err != nil && q.file {
		fmt.Fprintf(i.out, "  (%s is not there yet; docs/hooks.md says what it has to do)\n", answer)
	}
}

// judge says what is wrong with the value of one flag, beside those that were given. Those that have to be there and are not
// yet are filled with something that is right.
func judge(flag, value string, given map[string]string) string {
	var f config.Flags
	for name, fine := range map[string]string{
		"target-ip": "192.0.2.1", "target-port": "1", "target-name": "server", "hook-start-svc": "/a", "hook-stop-svc": "/b", "proxy-port": "2", "proxy-ip": "0.0.0.0",
	} {
		if name != flag {
			set(&f, name, cmp.Or(given[name], fine))
		}
	}
	set(&f, flag, value)
	_, err := config.FromFlags(f)
	problems, ok := errors.AsType[config.Problems](err)
	if !ok {
		return ""
	}
	for _, p := range problems {
		if p.Where == "--"+flag {
			p.Where = "that is not it"
			return p.String()
		}
	}
	return ""
}

func set(f *config.Flags, name, value string) {
	for _, d := range f.Definitions() {
		if d.Name == name {
			_ = d.Set(value) // it never fails
		}
	}
}

// output asks where the file is to be written.
func (i interview) output() (string, error) {
	const usual = "rouse.yaml"
	for {
		fmt.Fprintf(i.out, "Where is the config to be written? [%s]: ", usual)
		line, err := i.in.ReadString('\n')
		if err != nil {
			fmt.Fprintln(i.out)
			return "", errNoAnswer
		}
		path := strings.TrimSpace(line)
		if path == "" {
			path = usual
		}
		if _, err := os.Lstat(path); err == nil {
			fmt.Fprintf(i.out, "  %s is there already; choose another name\n", path)
			continue
		}
		return path, nil
	}
}
