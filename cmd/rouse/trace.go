package main

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/rouse-proxy/rouse/internal/config"
	"github.com/rouse-proxy/rouse/internal/trace"
)

// errViolated is the end of a check that found something. The report has said what.
var errViolated = errors.New("a rule was broken")

func newTrace() *cobra.Command {
	cmd := &cobra.Command{
		Use: "trace check FILE...", DisableFlagsInUseLine: true,
		Short: "check what rouse has written with --trace",
		Long: `For the traces that rouse --trace=FILE writes: a line of JSON for everything that happens.
What can be done with them so far is to check them; see: rouse trace check --help
`,
		RunE: func(cmd *cobra.Command, words []string) error {
			if problems := strayWords(cmd, words[:min(len(words), 1)]); len(problems) > 0 { // the others are its files
				return problems
			}
			return config.Problems{{Where: "rouse trace", Text: "what to do is missing", Hint: "write: rouse trace check FILE"}}
		},
	}
	cmd.AddCommand(newTraceCheck())
	return cmd
}

func newTraceCheck() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: "check [--json] FILE...", DisableFlagsInUseLine: true,
		Short: "whether the rouse that wrote a trace has kept its promises",
		Long: `Reads what rouse --trace=FILE has written and holds it against what rouse promises: that nothing
was stopped under a client, that there was one operation at a time, that what nobody used was
stopped in time, and more. Several files are merged by their times. A trace may end anywhere.

Exit codes: 0 no rule was broken, 1 one was, 2 this is not a trace.`,
		RunE: func(cmd *cobra.Command, paths []string) error {
			if len(paths) == 0 {
				return config.Problems{{Where: "rouse trace check", Text: "the trace is missing", Hint: "write: rouse trace check FILE"}}
			}
			report, err := trace.CheckFiles(paths, trace.CheckOptions{})
			if err != nil {
				return notATrace{err}
			}
			return writeReport(cmd, report, asJSON)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "write the report as JSON; durations are nanoseconds")
	return cmd
}

// notATrace is the error of a file that cannot be judged.
type notATrace struct{ error }

func (n notATrace) Unwrap() error { return n.error }

// writeReport writes the report for people or for programs. The error is the verdict.
func writeReport(cmd *cobra.Command, report *trace.Report, asJSON bool) error {
	var err error
	if asJSON {
		out := json.NewEncoder(cmd.OutOrStdout())
		out.SetIndent("", "  ")
		err = out.Encode(report)
	} else {
		err = report.Write(cmd.OutOrStdout())
	}
	switch {
	case err != nil:
		return fmt.Errorf("writing the report: %w", err)
	case !report.OK():
		return errViolated
	}
	return nil
}
