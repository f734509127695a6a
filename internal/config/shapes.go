package config

import (
	"reflect"

	"go.yaml.in/yaml/v4"
)

// decode reads targets by name.
func (all *NamedTargets) decode(d *decoder, n *yaml.Node, _ mark) {
	d.pairs(n, func(name Text, value *yaml.Node) {
		t := NamedTarget{Name: name}
		d.decode(reflect.ValueOf(&t.Entry).Elem(), value, name.at)
		*all = append(*all, t)
	})
}

// decode reads ports by name.
func (all *NamedPorts) decode(d *decoder, n *yaml.Node, _ mark) {
	d.pairs(n, func(name Text, value *yaml.Node) {
		p := NamedPort{Name: name}
		d.decode(reflect.ValueOf(&p.Ports).Elem(), value, name.at)
		*all = append(*all, p)
	})
}

// decode reads variables by name. Nothing of their values is shown, whatever is wrong.
func (all *Variables) decode(d *decoder, n *yaml.Node, _ mark) {
	d.private++
	defer func() { d.private-- }()
	if n.Kind == yaml.ScalarNode || n.Style&yaml.FlowStyle != 0 {
		d.keep(n)
	}
	d.pairs(n, func(name Text, value *yaml.Node) {
		v := VariableEntry{Name: name}
		switch {
		case value.Kind == yaml.MappingNode:
			v.decodeFile(d, value, name.at)
		case isNull(value):
		default:
			d.decode(reflect.ValueOf(&v.Value).Elem(), value, name.at)
		}
		*all = append(*all, v)
	})
}

// variableFile is the value of a variable that stands in a file.
type variableFile struct {
	// Path of a file whose text is the value, without one line end at its end.
	File Path `yaml:"file" missing:"write file: and a path, or the value itself"`
}

func (v *VariableEntry) decodeFile(d *decoder, n *yaml.Node, at mark) {
	var f variableFile
	d.decode(reflect.ValueOf(&f).Elem(), n, at)
	v.File = Text(f.File)
}

// decode reads a probe: one value, or keys.
func (p *ProbeEntry) decode(d *decoder, n *yaml.Node, at mark) {
	if n.Kind == yaml.ScalarNode {
		p.setShort(d, d.text(n))
		return
	}
	d.mapping(reflect.ValueOf(p).Elem(), n, at)
}

// setShort takes the probe from one value. All else is as it is by default.
func (p *ProbeEntry) setShort(d *decoder, short Text) {
	d.fill(reflect.ValueOf(p).Elem(), short.at, map[string]bool{"kind": true})
	p.short = short
}

// decode reads one entry or a list of them.
func (all *ShapeEntries) decode(d *decoder, n *yaml.Node, at mark) {
	entries := []*yaml.Node{n}
	if n.Kind == yaml.SequenceNode {
		if entries = n.Content; len(entries) == 0 {
			d.report(d.at(n), wrong("the list is empty", "write what belongs in it, or leave the key out"))
		}
	}
	for _, entry := range entries {
		var s ShapeEntry
		d.decode(reflect.ValueOf(&s).Elem(), entry, at)
		*all = append(*all, s)
	}
}

// decode reads a protocol alone, or keys.
func (s *ShapeEntry) decode(d *decoder, n *yaml.Node, at mark) {
	if n.Kind == yaml.ScalarNode {
		s.short = d.text(n)
		return
	}
	d.mapping(reflect.ValueOf(s).Elem(), n, at)
}

// decode reads hosts, or keys.
func (h *HTTPEntry) decode(d *decoder, n *yaml.Node, at mark) {
	h.at = d.at(n)
	d.namesOrKeys(&h.Host, reflect.ValueOf(h).Elem(), n, at)
}

// decode reads databases, or keys.
func (p *PostgresEntry) decode(d *decoder, n *yaml.Node, at mark) {
	p.at = d.at(n)
	d.namesOrKeys(&p.Database, reflect.ValueOf(p).Elem(), n, at)
}

// namesOrKeys reads the keys of a struct, or the names of its most usual key alone.
func (d *decoder) namesOrKeys(alone *Names, keys reflect.Value, n *yaml.Node, at mark) {
	if n.Kind == yaml.MappingNode {
		d.mapping(keys, n, at)
		return
	}
	*alone = Names(d.texts(n))
}
