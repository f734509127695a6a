package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/rouse-proxy/rouse/internal/admin"
)

func newMan(root func() *cobra.Command) *cobra.Command {
	cmd := &cobra.Command{
		Use: "man DIRECTORY", DisableFlagsInUseLine: true,
		Short: "write manual pages",
		Long: `Writes a manual page for rouse and one for each of its commands into a directory, such as
/usr/local/share/man/man1. Then: man rouse, man rouse-status.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := os.MkdirAll(args[0], 0o755); err != nil {
				return err
			}
			top := root()
			n := 0
			for _, c := range append([]*cobra.Command{top}, top.Commands()...) {
				if c.Hidden || c.Name() == "help" {
					continue
				}
				name := strings.ReplaceAll(c.CommandPath(), " ", "-")
				if err := os.WriteFile(filepath.Join(args[0], name+".1"), []byte(manual(name, c)), 0o644); err != nil {
					return err
				}
				n++
			}
			_, err := fmt.Fprintf(cmd.OutOrStdout(), "wrote %d pages to %s\n", n, args[0])
			return err
		},
	}
	return cmd
}

// manual is a page for man(1), in the macros of man(7).
func manual(name string, c *cobra.Command) string {
	var b strings.Builder
	fmt.Fprintf(&b, ".TH %s 1 \"\" \"rouse %s\" \"User Commands\"\n.SH NAME\n%s \\- %s\n.SH SYNOPSIS\n.B %s\n", strings.ToUpper(name), roff(version()), name, roff(c.Short), roff(c.UseLine()))
	text := c.Long
	if !c.HasParent() {
		text = helpHead + helpTail
	}
	b.WriteString(".SH DESCRIPTION\n.nf\n" + roffLines(text) + ".fi\n")
	if c.HasParent() && c.LocalFlags().HasAvailableFlags() {
		b.WriteString(".SH OPTIONS\n")
		c.LocalFlags().VisitAll(func(f *pflag.Flag) {
			placeholder, usage := pflag.UnquoteUsage(f)
			flag := "--" + f.Name
			if placeholder != "" {
				flag += "=" + placeholder
			}
			fmt.Fprintf(&b, ".TP\n.B %s\n%s\n", roff(flag), roff(usage))
		})
	}
	if !c.HasParent() {
		b.WriteString(".SH OPTIONS\n.nf\n" + roffLines(c.UsageString()) + ".fi\n.SH SEE ALSO\n")
		var names []string
		for _, s := range c.Commands() {
			if !s.Hidden && s.Name() != "help" {
				names = append(names, "rouse\\-"+roff(s.Name())+"(1)")
			}
		}
		b.WriteString(strings.Join(names, ", ") + "\n")
	}
	return b.String()
}

// roff keeps a text from being taken for markup.
func roff(s string) string {
	return strings.NewReplacer(`\`, `\e`, "-", `\-`, "\n", " ").Replace(s)
}

func roffLines(s string) string {
	var b strings.Builder
	for line := range strings.Lines(strings.TrimRight(s, "\n") + "\n") {
		line = roff(strings.TrimSuffix(line, "\n"))
		if strings.HasPrefix(line, ".") || strings.HasPrefix(line, "'") {
			line = `\&` + line
		}
		b.WriteString(line + "\n")
	}
	return b.String()
}

// completeTime is how long a shell waits for the names of targets.
const completeTime = 2 * time.Second

// completeTargets lets shells complete the names of targets and groups, where the running rouse can be asked.
func completeTargets(root *cobra.Command) {
	for _, c := range root.Commands() {
		if !strings.Contains(c.Use, "TARGET") || c.ValidArgsFunction != nil {
			continue
		}
		groups := strings.Contains(c.Use, "GROUP")
		c.ValidArgsFunction = func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			if len(args) > 0 {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			return targetNames(cmd, groups), cobra.ShellCompDirectiveNoFileComp
		}
	}
}

// targetNames asks the rouse that the flags name; nothing if it cannot be asked.
func targetNames(cmd *cobra.Command, groups bool) (names []string) {
	s := steering{}
	s.config, _ = cmd.Flags().GetString("config") // without it, the usual places
	s.state, _ = cmd.Flags().GetString("state-dir")
	client, err := s.client()
	if err != nil {
		return nil
	}
	var all []admin.Target
	done := make(chan struct{})
	go func() {
		defer close(done)
		if st, err := client.Status(cmd.Context()); err == nil {
			all = st.Targets
		}
	}()
	select {
	case <-done:
	case <-time.After(completeTime):
		return nil
	}
	seen := map[string]bool{}
	for _, t := range all {
		names = append(names, t.Name+"\t"+t.State)
		for _, g := range t.Groups {
			if groups && !seen[g] {
				seen[g] = true
				names = append(names, g+"\ta group")
			}
		}
	}
	return names
}
