package config

import (
	"math"
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

// A stretch of a file goes from a column of its first line to the end of its last.
type stretch struct{ first, column, last int }

// hide keeps a stretch from being shown, whatever is said about its lines.
func (s *Source) hide(hidden stretch) { s.hidden = append(s.hidden, hidden) }

// shown is how many characters of a line may be shown.
func (s *Source) shown(line int) int {
	most := math.MaxInt
	for _, h := range s.hidden {
		switch {
		case line == h.first:
			most = min(most, h.column-1)
		case h.first < line && line <= h.last:
			return 0
		}
	}
	return most
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
func (k *keeper) keep(n *yaml.Node) { k.source.hide(stretch{n.Line, n.Column, k.lastLine(n)}) }

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
