//go:build linux

package main

import (
	"bytes"
	"context"
	"debug/elf"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
)

// programs are what a town runs.
type programs struct {
	rouse string
	cloud string
	jump  uint64 // address of the variable that is added to rouse's wall clock; 0: there is none
}

// build builds the programs.
func (s settings) build(ctx context.Context, dir string, say func(string)) (programs, error) {
	p := programs{rouse: filepath.Join(dir, "rouse"), cloud: filepath.Join(dir, "fakecloud")}
	say("building rouse and the cloud; the first time this takes a minute or two")
	flags, err := flagsFor(ctx, dir, s.race)
	if err != nil {
		say(err.Error())
	}
	if err := compile(ctx, p.cloud, "./test/fakecloud"); err != nil {
		return p, err
	}
	if err := compile(ctx, p.rouse, "./cmd/rouse", flags...); err != nil {
		return p, err
	}
	p.jump = address(p.rouse, "time."+jumpName)
	return p, nil
}

// flagsFor returns the flags of rouse's own build. Its error says that it will have no wall clock of its own.
func flagsFor(ctx context.Context, dir string, race bool) ([]string, error) {
	if race {
		return []string{"-race"}, nil // and the clock of everybody: the whole library would be built anew, twice
	}
	overlay, err := ownClock(ctx, dir)
	if err != nil {
		return nil, fmt.Errorf("rouse gets no wall clock of its own: %w", err)
	}
	return []string{"-overlay=" + overlay}, nil
}

// compile builds one program of this module.
func compile(ctx context.Context, to, what string, flags ...string) error {
	root, err := goTool(ctx, "list", "-m", "-f", "{{.Dir}}")
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, goCommand(), append(append([]string{"build", "-o", to}, flags...), what)...)
	cmd.Dir = root
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("building %s: %w: %s", what, err, out)
	}
	return nil
}

func goCommand() string {
	if cmd := os.Getenv("GO"); cmd != "" {
		return cmd
	}
	return "go"
}

// goTool runs the go command, and returns what it prints.
func goTool(ctx context.Context, args ...string) (string, error) {
	out, err := exec.CommandContext(ctx, goCommand(), args...).Output()
	if err != nil {
		return "", fmt.Errorf("running go %s: %w", strings.Join(args, " "), err)
	}
	return strings.TrimSpace(string(out)), nil
}

// What is added to the standard library, and where.
const (
	jumpName = "chaosJump"
	readsNow = "sec, nsec, mono := runtimeNow()\n"
	addsJump = "\tsec += " + jumpName + "\n"
	declares = "\n// " + jumpName + " is written from outside.\nvar " + jumpName + " int64\n"
)

// ownClock writes an overlay in which time.Now adds a variable to the wall clock. The monotonic clock stays.
func ownClock(ctx context.Context, dir string) (overlay string, err error) {
	root, err := goTool(ctx, "env", "GOROOT")
	if err != nil {
		return "", err
	}
	original := filepath.Join(root, "src", "time", "time.go")
	text, err := os.ReadFile(original)
	if err != nil {
		return "", err
	}
	before, after, found := bytes.Cut(text, []byte(readsNow))
	if !found || bytes.Contains(after, []byte(readsNow)) {
		return "", errors.New("time.Now of this Go is not written as we know it")
	}
	changed := filepath.Join(dir, "time.go")
	if err := os.WriteFile(changed, bytes.Join([][]byte{before, []byte(readsNow), []byte(addsJump), after, []byte(declares)}, nil), 0o644); err != nil {
		return "", err
	}
	data, err := json.Marshal(map[string]any{"Replace": map[string]string{original: changed}})
	if err != nil {
		return "", err
	}
	overlay = filepath.Join(dir, "overlay.json")
	return overlay, os.WriteFile(overlay, data, 0o644)
}

// address returns where a variable of a program is, 0 if that has none or may be loaded anywhere.
func address(program, symbol string) uint64 {
	f, err := elf.Open(program)
	if err != nil {
		return 0
	}
	defer f.Close()
	symbols, err := f.Symbols()
	if err != nil || f.Type != elf.ET_EXEC {
		return 0
	}
	for _, s := range symbols {
		if s.Name == symbol {
			return s.Value
		}
	}
	return 0
}

// untilTold returns a context that ends when we are told to.
func untilTold() (context.Context, context.CancelFunc) {
	return signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
}
