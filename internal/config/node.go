package config

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"
)

// A mark is a place in a source. The zero mark is none.
type mark struct {
	source       *Source
	line, column int  // from 1; in characters, as editors count
	private      bool // what stands there may be a secret
	blank        bool // nothing of the line is to be shown
}

// String returns FILE:LINE:COLUMN.
func (m mark) String() string {
	if m.source == nil {
		return "config"
	}
	return m.source.Name + ":" + strconv.Itoa(m.line) + ":" + strconv.Itoa(m.column)
}

// index is the order of the files.
func (m mark) index() int {
	if m.source == nil {
		return -1
	}
	return m.source.index
}

// A decoder fills the types of the file from the nodes of one document, and reports what does not fit. It knows shapes,
// not meanings.
type decoder struct {
	*keeper
	getenv  func(string) (string, bool)
	report  func(at mark, err error)
	private int  // how many nodes above may hold secrets
	lost    bool // something stands where it cannot be, so that it is not known what the file lacks
}

// shaped is a type that has more than one shape.
type shaped interface {
	decode(d *decoder, n *yaml.Node, at mark)
}

var (
	textType  = reflect.TypeFor[Text]()
	textsType = reflect.TypeFor[Texts]()
)

func (d *decoder) at(n *yaml.Node) mark {
	return mark{source: d.source, line: max(n.Line, 1), column: max(n.Column, 1), private: d.private > 0}
}

// decode fills v, which stands behind the key at.
func (d *decoder) decode(v reflect.Value, n *yaml.Node, at mark) {
	if n.Kind == yaml.AliasNode {
		d.report(d.at(n), wrong("*"+shorten(n.Value)+" is an alias, which is not followed here", "write the value out"))
		return
	}
	if custom, ok := v.Addr().Interface().(shaped); ok {
		custom.decode(d, n, at)
		return
	}
	switch t := v.Type(); {
	case t.ConvertibleTo(textType):
		v.Set(reflect.ValueOf(d.text(n)).Convert(t))
	case t.ConvertibleTo(textsType):
		v.Set(reflect.ValueOf(d.texts(n)).Convert(t))
	case t.Kind() == reflect.Struct:
		d.mapping(v, n, at)
	case t.Kind() == reflect.Slice:
		d.list(v, n)
	default:
		panic("config: no way to decode " + t.String())
	}
}

// list fills a slice.
func (d *decoder) list(v reflect.Value, n *yaml.Node) {
	if n.Kind != yaml.SequenceNode {
		d.lost = true
		d.report(d.at(n), wrong("this has to be a list", "begin each entry with a dash, as in - listen: 0.0.0.0:8000"))
		return
	}
	v.Set(reflect.MakeSlice(v.Type(), len(n.Content), len(n.Content)))
	for i, entry := range n.Content {
		d.decode(v.Index(i), entry, d.at(entry))
	}
}

// mapping fills a struct from keys and values.
func (d *decoder) mapping(v reflect.Value, n *yaml.Node, at mark) {
	fields := fieldsOf(v.Type())
	given := map[string]bool{}
	switch {
	case isNull(n):
		n = &yaml.Node{Kind: yaml.MappingNode, Line: n.Line, Column: n.Column} // to say what is missing
	case n.Kind != yaml.MappingNode:
		for _, key := range fields.keys {
			given[key] = v.Type().Field(fields.index[key]).Tag.Get("missing") != "" // no more about it
		}
	}
	d.pairs(n, func(key Text, value *yaml.Node) {
		i, known := fields.index[key.raw]
		if !known {
			d.lost = d.lost || v.Type() == reflect.TypeFor[File]()
			d.keepFlow(value) // nobody knows what it holds
			d.report(key.at, unknownKey(key.raw, d.name(key.raw), fields.keys))
			return
		}
		given[key.raw] = true
		d.decode(v.Field(i), value, key.at)
	})
	d.fill(v, at, given)
}

// fill puts defaults where nothing is given, and reports what has to be.
func (d *decoder) fill(v reflect.Value, at mark, given map[string]bool) {
	fields := fieldsOf(v.Type())
	for _, key := range fields.keys {
		field := v.Type().Field(fields.index[key])
		if given[key] {
			continue
		}
		if hint := field.Tag.Get("missing"); hint != "" && !given[field.Tag.Get("unless")] {
			d.report(at, wrong(key+" is missing", hint))
		}
		d.fillOne(v.Field(fields.index[key]), at, field.Tag.Get("default"))
	}
}

func (d *decoder) fillOne(v reflect.Value, at mark, value string) {
	switch p, probe := v.Addr().Interface().(*ProbeEntry); {
	case probe:
		p.setShort(d, Text{raw: value, at: at})
	case v.Type().ConvertibleTo(textType):
		v.Set(reflect.ValueOf(Text{raw: value, at: at}).Convert(v.Type()))
	case v.Kind() == reflect.Struct:
		d.fill(v, at, given(v.Type()))
	}
}

// given has the keys of a part of the file that is not there: nothing of it is missing.
func given(t reflect.Type) map[string]bool {
	all := map[string]bool{}
	for field := range t.Fields() {
		all[field.Tag.Get("yaml")] = field.Tag.Get("missing") != ""
	}
	return all
}

// pairs calls f for each key of a mapping. Each key is there once.
func (d *decoder) pairs(n *yaml.Node, f func(key Text, value *yaml.Node)) {
	if n.Kind != yaml.MappingNode {
		d.lost = true
		d.report(d.at(n), wrong(shapeOf(n)+" stands where keys belong", "write key: value on lines of their own, indented alike"))
		return
	}
	lines := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i]
		switch first, twice := lines[key.Value]; {
		case key.Kind != yaml.ScalarNode || key.Tag == "!!null":
			at := d.at(key)
			at.blank = true // what YAML takes for a key may be anything
			d.report(at, wrong("this is no key", "a key is one word"))
		case key.Tag == "!!merge":
			d.report(d.at(key), wrong("<< is a merge key, which is not followed here", "write the keys out"))
		case twice:
			d.keepFlow(n.Content[i+1])
			d.report(d.at(key), wrong(d.name(key.Value)+" is here twice", "the first one is in line "+strconv.Itoa(first)))
		default:
			lines[key.Value] = key.Line
			f(Text{raw: key.Value, at: d.at(key), given: true}, n.Content[i+1])
		}
	}
}

// name shows a key, or the beginning of what may be a secret in its place.
func (d *decoder) name(key string) string {
	if d.private > 0 {
		return beginning(key)
	}
	return show(key)
}

// text returns a value of one piece.
func (d *decoder) text(n *yaml.Node) Text {
	t := Text{at: d.at(n), given: true}
	switch {
	case n.Kind != yaml.ScalarNode:
		d.report(t.at, wrong(shapeOf(n)+" stands where one value belongs", quoteHint(n)))
		return t.unread()
	case n.Style&yaml.TaggedStyle != 0:
		d.report(t.at, wrong("a tag, which begins with an exclamation mark, is not understood here", "write the value without it"))
		return t.unread()
	case n.Tag == "!!null":
		d.report(t.at, wrong("the value is missing", "write one, or leave the key out"))
		return t.unread()
	}
	var err error
	if t.raw, t.variable, err = expand(n.Value, d.getenv); err != nil {
		d.report(t.at, err)
		return t.unread()
	}
	return t
}

// texts returns a list of values, or one that stands alone.
func (d *decoder) texts(n *yaml.Node) Texts {
	if n.Kind != yaml.SequenceNode {
		return Texts{d.text(n)}
	}
	all := make(Texts, len(n.Content))
	for i, entry := range n.Content {
		if entry.Kind == yaml.AliasNode {
			d.decode(reflect.ValueOf(&all[i]).Elem(), entry, d.at(entry))
			continue
		}
		all[i] = d.text(entry)
	}
	if len(all) == 0 {
		d.report(d.at(n), wrong("the list is empty", "write what belongs in it, or leave the key out"))
	}
	return all
}

// isNull reports whether nothing stands behind a key.
func isNull(n *yaml.Node) bool {
	return n.Kind == yaml.ScalarNode && n.Tag == "!!null" && n.Style&yaml.TaggedStyle == 0
}

// shapeOf says what a node looks like.
func shapeOf(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a key with values below it"
	case yaml.SequenceNode:
		return "a list"
	}
	if isNull(n) {
		return "nothing"
	}
	return "one value"
}

// quoteHint finds what is a list or a mapping to YAML only for want of quotes.
func quoteHint(n *yaml.Node) string {
	if n.Style&yaml.FlowStyle != 0 {
		return "put quotes around it if it begins with a bracket or a brace"
	}
	return "write it on the line of its key"
}

// A fieldSet is the keys of a struct.
type fieldSet struct {
	keys  []string
	index map[string]int
}

func fieldsOf(t reflect.Type) fieldSet {
	f := fieldSet{index: map[string]int{}}
	for i := range t.NumField() {
		if key := t.Field(i).Tag.Get("yaml"); key != "" {
			f.keys, f.index[key] = append(f.keys, key), i
		}
	}
	return f
}

// habitKeys are keys that people try out of habit, and what to write here.
var habitKeys = map[string]string{
	"idle-timeout": "cooldown", "idle": "cooldown", "timeout": "start-timeout or stop-timeout", "ttl": "cooldown",
	"cooldown-period": "cooldown", "recheck-period": "recheck",
	"address": "backend", "upstream": "backend", "target-ip": "backend", "target-port": "backend", "ip": "host",
	"ports": "backends", "port": "backend or backends", "env": "env below hooks", "start": "start below hooks",
	"stop": "stop below hooks", "status": "status below hooks", "settle": "settle below probe",
	"hook-start-svc": "start below hooks", "hook-stop-svc": "stop below hooks", "hook-status": "status below hooks", "hook-env": "env below hooks",
	"proxy-ip": "listen", "proxy-port": "listen", "bind": "listen", "routes": "listeners", "frontends": "listeners",
	"services": "targets", "sni": "tls", "proxy-protocol": "proxy-protocol-from", "allow": "connect-from", "limits": "rate", "name": "the name as the key itself",
}

// unknownKey says which key somebody may have meant.
func unknownKey(key, shown string, keys []string) error {
	text := "there is no key " + shown + " here"
	meant, habit := habitKeys[strings.ToLower(strings.ReplaceAll(key, "_", "-"))]
	first, _, _ := strings.Cut(meant, " ")
	switch near := Nearest(key, keys); {
	case habit && slices.Contains(keys, first) && strings.Contains(meant, " below "):
		return wrong(text, "write "+first)
	case habit && (slices.Contains(keys, first) || strings.Contains(meant, " below ") && slices.Contains(keys, meant[strings.LastIndexByte(meant, ' ')+1:])):
		return wrong(text, "write "+meant)
	case near != "":
		return wrong(text, "did you mean "+near+"?")
	case habit && meant == "the name as the key itself" && slices.Contains(keys, "hooks"):
		return wrong(text, "the name of a target is the key that it stands below")
	case ownerOf(key) != "":
		return wrong(text, "it belongs "+ownerOf(key))
	default:
		return wrong(text, fmt.Sprintf("the keys are %s", strings.Join(keys, ", ")))
	}
}

// ownerOf says where a key is at home.
func ownerOf(key string) string {
	for _, section := range []struct {
		place string
		entry reflect.Type
	}{
		{"at the top of the file", reflect.TypeFor[File]()}, {"below the name of a target", reflect.TypeFor[TargetEntry]()},
		{"below hooks", reflect.TypeFor[HooksEntry]()}, {"below probe", reflect.TypeFor[ProbeEntry]()},
		{"in an entry of listeners", reflect.TypeFor[ListenerEntry]()}, {"below budget", reflect.TypeFor[BudgetEntry]()},
		{"below busy", reflect.TypeFor[BusyEntry]()}, {"below retry", reflect.TypeFor[RetryEntry]()}, {"below crash-loop", reflect.TypeFor[CrashLoopEntry]()},
		{"below health", reflect.TypeFor[HealthEntry]()}, {"below history", reflect.TypeFor[HistoryEntry]()}, {"below admin", reflect.TypeFor[AdminEntry]()},
		{"in an entry of notify", reflect.TypeFor[NotifyEntry]()}, {"below cost", reflect.TypeFor[CostEntry]()}, {"below power", reflect.TypeFor[PowerEntry]()}, {"below opentelemetry", reflect.TypeFor[TelemetryEntry]()},
		{"below auto-cooldown", reflect.TypeFor[AutoCooldownEntry]()}, {"in an entry of always-on or never-wake", reflect.TypeFor[WindowEntry]()},
	} {
		if slices.Contains(fieldsOf(section.entry).keys, key) {
			return section.place
		}
	}
	return ""
}
