package config

import (
	"math"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"
)

// A keeper knows what may be a secret in a file, beside what is decoded as one: values share lines with other keys, about
// which there may be something to say.
type keeper struct {
	source *Source
	next   map[*yaml.Node]*yaml.Node // what begins behind a node
	line   int                       // the newest that was looked at
	text   string
}

// lines are those from the first to the last.
type lines struct{ first, last int }

// hide keeps what stands on some lines from being shown, whatever is said about them.
func (s *Source) hide(l lines) { s.hidden = append(s.hidden, l) }

// hides reports whether a line is among those.
func (s *Source) hides(line int) bool {
	return slices.ContainsFunc(s.hidden, func(l lines) bool { return l.first <= line && line <= l.last })
}

// newKeeper returns the keeper of a document.
func newKeeper(s *Source, document *yaml.Node) *keeper {
	k := &keeper{source: s, next: map[*yaml.Node]*yaml.Node{}}
	k.follow(document, nil)
	return k
}

// follow notes what begins behind each part of a node.
func (k *keeper) follow(n, next *yaml.Node) {
	k.next[n] = next
	for i := len(n.Content) - 1; i >= 0; i-- {
		k.follow(n.Content[i], next)
		next = n.Content[i]
	}
}

// keep keeps a value from being shown.
func (k *keeper) keep(n *yaml.Node) { k.source.hide(lines{n.Line, k.lastLine(n)}) }

// keepFlow is keep for a list or a mapping that may share its lines.
func (k *keeper) keepFlow(n *yaml.Node) {
	if n.Style&yaml.FlowStyle != 0 {
		k.keep(n)
	}
}

// lastLine is the last line on which a node may stand. YAML tells only where each begins.
func (k *keeper) lastLine(n *yaml.Node) int {
	next := k.next[n]
	if next == nil {
		return math.MaxInt
	}
	if next.Line != k.line {
		k.line, k.text = next.Line, k.source.line(next.Line)
	}
	if indented := len(k.text) - len(strings.TrimLeft(k.text, " -")); indented < next.Column-1 {
		return next.Line // it ends there
	}
	return next.Line - 1
}
