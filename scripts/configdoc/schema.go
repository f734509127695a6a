package main

import (
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"strings"

	"github.com/invopop/jsonschema"

	"github.com/rouse-proxy/rouse/internal/config"
)

const module = "github.com/rouse-proxy/rouse"

// A schema is what is known of the config file.
type schema struct {
	root *jsonschema.Schema
	docs map[string]string // comments, by import path, type and field
}

// newSchema makes the schema of the Go types and their comments.
func newSchema(root string) (*schema, error) {
	here, err := os.Getwd()
	if err != nil {
		return nil, err
	}
	if err := os.Chdir(root); err != nil {
		return nil, err
	}
	r := &jsonschema.Reflector{FieldNameTag: "yaml", DoNotReference: true, Anonymous: true, RequiredFromJSONSchemaTags: true}
	err = r.AddGoComments(module, "internal/config", jsonschema.WithFullComment())
	if back := os.Chdir(here); err == nil {
		err = back
	}
	if err != nil {
		return nil, err
	}
	r.Mapper = func(t reflect.Type) *jsonschema.Schema { return mapType(r, t) }
	s := &schema{docs: r.CommentMap, root: r.Reflect(&config.File{})}
	s.root.ID, s.root.Title = config.SchemaURL, "The config file of rouse"
	s.root.Description = ""
	s.finish(s.root, reflect.TypeFor[config.File]())
	return s, nil
}

func (s *schema) encode() ([]byte, error) {
	text, err := json.MarshalIndent(s.root, "", "  ")
	return append(text, '\n'), err
}

// The shapes of values. What holds a variable of the environment fits everywhere.
func text() *jsonschema.Schema     { return &jsonschema.Schema{Type: "string", MinLength: new(uint64(1))} }
func whole() *jsonschema.Schema    { return &jsonschema.Schema{Type: "integer", Minimum: "0"} }
func variable() *jsonschema.Schema { return &jsonschema.Schema{Type: "string", Pattern: `\$\{`} }
func pattern(p string) *jsonschema.Schema {
	return &jsonschema.Schema{Type: "string", Pattern: "^(" + p + ")$|\\$\\{"}
}

func oneOf(of ...*jsonschema.Schema) *jsonschema.Schema { return &jsonschema.Schema{AnyOf: of} }

func scalar() *jsonschema.Schema {
	return oneOf(&jsonschema.Schema{Type: "string"}, &jsonschema.Schema{Type: "number"}, &jsonschema.Schema{Type: "boolean"})
}

func list(of *jsonschema.Schema) *jsonschema.Schema {
	return &jsonschema.Schema{Type: "array", Items: of, MinItems: new(uint64(1))}
}

func named(of *jsonschema.Schema) *jsonschema.Schema {
	return &jsonschema.Schema{Type: "object", AdditionalProperties: of,
		PropertyNames: &jsonschema.Schema{Pattern: `^[A-Za-z0-9._:\[\]@%-]{1,100}$`}}
}

const portPattern = `[0-9]{1,5}(-[0-9]{1,5})?`

// mapType says how a type of ours is written.
func mapType(r *jsonschema.Reflector, t reflect.Type) *jsonschema.Schema {
	switch t {
	case reflect.TypeFor[config.Duration]():
		return oneOf(pattern(`[0-9]+|([0-9]+([.][0-9]+)?(h|m|s|ms|us|µs|ns))+`), whole())
	case reflect.TypeFor[config.Cooldown]():
		return oneOf(pattern(`auto|[0-9]+|([0-9]+([.][0-9]+)?(h|m|s|ms|us|µs|ns))+`), whole())
	case reflect.TypeFor[config.Number]():
		return oneOf(pattern(`[0-9]+([.][0-9]+)?`), &jsonschema.Schema{Type: "number", Minimum: "0"})
	case reflect.TypeFor[config.Address]():
		return pattern(`.+:` + portPattern + `|unix:/.+`)
	case reflect.TypeFor[config.Plain](), reflect.TypeFor[config.Text]():
		return scalar()
	case reflect.TypeFor[config.Path](), reflect.TypeFor[config.Host](), reflect.TypeFor[config.Word]():
		return text()
	case reflect.TypeFor[config.Command]():
		return oneOf(text(), list(scalar()))
	case reflect.TypeFor[config.Listens]():
		one := oneOf(pattern(`(.+:)?`+portPattern+`|unix:/.+`), whole())
		return oneOf(pattern(`(.+:)?`+portPattern+`|unix:/.+`), whole(), list(one))
	case reflect.TypeFor[config.NamedPorts]():
		return named(oneOf(pattern(portPattern+`|unix:/.+`), whole()))
	case reflect.TypeFor[config.NamedTargets]():
		return named(entry(r, config.TargetEntry{}))
	case reflect.TypeFor[config.Variables]():
		file := &jsonschema.Schema{Type: "object", Properties: jsonschema.NewProperties(), Required: []string{"file"}, AdditionalProperties: jsonschema.FalseSchema}
		file.Properties.Set("file", text())
		return &jsonschema.Schema{Type: "object", AdditionalProperties: oneOf(append(scalar().AnyOf, &jsonschema.Schema{Type: "null"}, file)...),
			PropertyNames: &jsonschema.Schema{Pattern: `^[A-Za-z_][A-Za-z0-9_]*$`}}
	case reflect.TypeFor[config.Names](), reflect.TypeFor[config.Networks]():
		return oneOf(scalar(), list(scalar()))
	case reflect.TypeFor[config.HTTPEntry]():
		return oneOf(scalar(), list(scalar()), entry(r, httpKeys{}))
	case reflect.TypeFor[config.PostgresEntry]():
		return oneOf(scalar(), list(scalar()), entry(r, postgresKeys{}))
	case reflect.TypeFor[config.ShapeEntries]():
		one := oneOf(pattern(`tls|http|ssh|postgres|minecraft|rdp|mqtt|redis`), entry(r, config.ShapeEntry{}))
		return oneOf(append(one.AnyOf, list(one))...)
	case reflect.TypeFor[config.ProbeEntry]():
		return oneOf(pattern(`tcp|https?|https?:/.*|tls|tls:.+|banner|banner:.+|exec:.+`), entry(r, probeKeys{}))
	}
	return nil
}

// Entries that are not mapped: their long forms.
type (
	probeKeys    config.ProbeEntry
	httpKeys     config.HTTPEntry
	postgresKeys config.PostgresEntry
)

func entry(r *jsonschema.Reflector, v any) *jsonschema.Schema {
	s := r.Reflect(v)
	s.Version = ""
	return s
}

// finish adds what tags and comments say to the keys of a type, and to those below.
func (s *schema) finish(at *jsonschema.Schema, t reflect.Type) {
	for _, f := range fieldsOf(t) {
		key := f.Tag.Get("yaml")
		p, ok := at.Properties.Get(key)
		if !ok {
			panic(fmt.Sprintf("the schema of %v has no %s", t, key))
		}
		s.finishBelow(p, f.Type)
		p.Description = s.doc(t, f.Name)
		if words := strings.Fields(f.Tag.Get("words")); len(words) > 0 {
			one := &jsonschema.Schema{}
			for _, w := range words {
				one.Enum = append(one.Enum, w)
			}
			p.Type, p.MinLength, p.AnyOf = "", nil, []*jsonschema.Schema{one, variable()}
		}
		if d := f.Tag.Get("default"); d != "" {
			p.Default = d
		}
		if f.Tag.Get("missing") != "" && f.Tag.Get("unless") == "" {
			at.Required = append(at.Required, key)
		}
	}
}

func (s *schema) finishBelow(p *jsonschema.Schema, t reflect.Type) {
	switch t {
	case reflect.TypeFor[config.NamedTargets]():
		s.finish(p.AdditionalProperties, reflect.TypeFor[config.TargetEntry]())
		p.AdditionalProperties.AnyOf = []*jsonschema.Schema{{Required: []string{"backend"}}, {Required: []string{"host", "backends"}}}
	case reflect.TypeFor[[]config.ListenerEntry]():
		s.finish(p.Items, reflect.TypeFor[config.ListenerEntry]())
	case reflect.TypeFor[[]config.ChoiceEntry](), reflect.TypeFor[[]config.WindowEntry](), reflect.TypeFor[[]config.NotifyEntry]():
		s.finish(p.Items, t.Elem())
	case reflect.TypeFor[config.HooksEntry](), reflect.TypeFor[config.BudgetEntry](), reflect.TypeFor[config.HealthEntry](),
		reflect.TypeFor[config.BusyEntry](), reflect.TypeFor[config.RetryEntry](), reflect.TypeFor[config.CrashLoopEntry](), reflect.TypeFor[config.CostEntry](), reflect.TypeFor[config.PowerEntry](),
		reflect.TypeFor[config.AutoCooldownEntry](), reflect.TypeFor[config.HistoryEntry](), reflect.TypeFor[config.AdminEntry](), reflect.TypeFor[config.TelemetryEntry]():
		s.finish(p, t)
	case reflect.TypeFor[config.HTTPEntry](), reflect.TypeFor[config.PostgresEntry]():
		s.finish(p.AnyOf[2], t)
	case reflect.TypeFor[config.ShapeEntries]():
		s.finish(p.AnyOf[1], reflect.TypeFor[config.ShapeEntry]())
	case reflect.TypeFor[config.ProbeEntry]():
		s.finish(p.AnyOf[1], t)
	}
}

// doc is the comment of a field.
func (s *schema) doc(t reflect.Type, field string) string {
	text := s.docs[t.PkgPath()+"."+t.Name()+"."+field]
	return strings.Join(strings.Fields(text), " ")
}

// fieldsOf lists the keys of a type.
func fieldsOf(t reflect.Type) []reflect.StructField {
	var fields []reflect.StructField
	for field := range t.Fields() {
		if field.Tag.Get("yaml") != "" {
			fields = append(fields, field)
		}
	}
	return fields
}
