package config

import (
	"strings"
)

// expand puts variables of our environment into a value: ${NAME}, or ${NAME:-other} for one that may be unset or empty.
// $${ stands for ${ itself, and every other $ is what it is. It returns a name that was put in, if there is one: the
// result may be a secret then.
func expand(raw string, getenv func(string) (string, bool)) (value, variable string, err error) {
	var out strings.Builder
	for rest := raw; ; {
		i := strings.Index(rest, "${")
		if i < 0 {
			out.WriteString(rest)
			return out.String(), variable, nil
		}
		if i > 0 && rest[i-1] == '$' {
			out.WriteString(rest[:i-1] + "${")
			rest = rest[i+2:]
			continue
		}
		inner, after, closed := strings.Cut(rest[i+2:], "}")
		name, other, otherwise := strings.Cut(inner, ":-")
		if strings.Contains(other, "${") {
			return "", "", wrong("a variable stands in the default of another", "write ${NAME:-default} with a plain text as the default")
		}
		if !closed || !isVariable(name) || len(name) > maxName {
			return "", "", wrong("a ${ begins no variable", "write ${NAME} or ${NAME:-default}, or $${ for ${ itself")
		}
		text, set := getenv(name)
		switch {
		case otherwise && text == "":
			text = other
		case !set:
			return "", "", wrong("the variable "+name+" of the environment is not set", "set it, or write ${"+name+":-default}")
		}
		out.WriteString(rest[:i] + text)
		rest, variable = after, name
	}
}

// escape writes a value so that expand returns it.
func escape(value string) string { return strings.ReplaceAll(value, "${", "$${") }
