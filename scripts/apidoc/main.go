// Command apidoc writes the description of the API (OpenAPI 3.1) from the routes and the types of internal/admin. A test there compares it with
// what is in the tree.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"reflect"
	"strings"
	"time"

	"github.com/invopop/jsonschema"

	"github.com/rouse-proxy/rouse/internal/admin"
	"github.com/rouse-proxy/rouse/internal/history"
)

func main() {
	out := flag.String("out", "openapi.json", "file to write")
	flag.Parse()
	text, err := describe()
	if err == nil {
		err = os.WriteFile(*out, text, 0o644)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "apidoc:", err)
		os.Exit(1)
	}
}

// object is one of JSON.
type object = map[string]any

// describe returns the whole description.
func describe() ([]byte, error) {
	d := &describer{schemas: object{}}
	d.schemas["Failure"] = d.inline(reflect.TypeFor[struct {
		Error string "json:\"error\""
	}]())
	paths := object{}
	for _, r := range admin.Routes() {
		path, _ := paths[r.Path].(object)
		if path == nil {
			path = object{}
			paths[r.Path] = path
		}
		path[strings.ToLower(r.Method)] = d.operation(r)
	}
	paths["/metrics"] = object{"get": object{
		"operationId": "getMetrics", "summary": "All series, for Prometheus.",
		"responses": object{"200": object{"description": "the series", "content": object{"text/plain": object{"schema": object{"type": "string"}}}}},
	}}
	doc := object{
		"openapi": "3.1.0",
		"info": object{
			"title": "rouse", "version": "1",
			"description": "Ask and steer a rouse that runs. On its unix socket no token is needed; on TCP it is. A request that changes something " +
				"needs the header X-Rouse. Nothing changes by GET. What is run can only be set in the config file.",
			"license": object{"name": "Apache-2.0", "identifier": "Apache-2.0"},
		},
		"servers":    []any{object{"url": "/"}},
		"security":   []any{object{"token": []any{}}, object{}},
		"paths":      paths,
		"components": object{"schemas": d.schemas, "securitySchemes": object{"token": object{"type": "http", "scheme": "bearer"}}},
	}
	text, err := json.MarshalIndent(doc, "", " ")
	return append(text, '\n'), err
}

// A describer collects the schemas of types.
type describer struct{ schemas object }

func (d *describer) operation(r admin.Route) object {
	op := object{"summary": r.Summary, "operationId": name(r)}
	var parameters []any
	for part := range strings.SplitSeq(r.Path, "/") {
		if strings.HasPrefix(part, "{") {
			parameters = append(parameters, object{"name": strings.Trim(part, "{}"), "in": "path", "required": true,
				"description": "Name of a target, or of a group where several can be meant.", "schema": object{"type": "string"}})
		}
	}
	for _, p := range r.Query {
		kind := p.Kind
		if kind == "time" {
			kind = "string"
		}
		parameters = append(parameters, object{"name": p.Name, "in": "query", "description": p.Text, "schema": object{"type": kind}})
	}
	if r.Method != "GET" {
		parameters = append(parameters, object{"name": "X-Rouse", "in": "header", "required": true, "description": "Any value: pages of others cannot send it.",
			"schema": object{"type": "string"}})
	}
	if parameters != nil {
		op["parameters"] = parameters
	}
	if r.Body != nil {
		op["requestBody"] = object{"required": true, "content": object{"application/json": object{"schema": d.ref(reflect.TypeOf(r.Body))}}}
	}
	content := object{"text/event-stream": object{"schema": object{"type": "string"}}}
	if !r.Stream {
		content = object{"application/json": object{"schema": d.ref(reflect.TypeOf(r.Answer))}}
	}
	failed := object{"description": "what is wrong", "content": object{"application/json": object{"schema": object{"$ref": "#/components/schemas/Failure"}}}}
	op["responses"] = object{"200": object{"description": "done", "content": content}, "4XX": failed}
	if _, health := r.Answer.(admin.Health); health {
		op["responses"].(object)["503"] = object{"description": "it is failing", "content": content}
	}
	return op
}

// name is that of an operation, such as postTargetsHold.
func name(r admin.Route) string {
	var text strings.Builder
	text.WriteString(strings.ToLower(r.Method))
	for part := range strings.SplitSeq(strings.TrimPrefix(r.Path, "/v1"), "/") {
		if part != "" && !strings.HasPrefix(part, "{") {
			text.WriteString(strings.ToUpper(part[:1]) + part[1:])
		}
	}
	if strings.HasSuffix(r.Path, "{name}") {
		text.WriteString("One")
	}
	return text.String()
}

// ref is the schema of a type: a named struct has one of its own.
func (d *describer) ref(t reflect.Type) object {
	switch {
	case t == reflect.TypeFor[time.Time]():
		return object{"type": "string", "format": "date-time"}
	case t == reflect.TypeFor[history.Seconds]():
		return object{"type": "number", "description": "seconds"}
	}
	switch t.Kind() {
	case reflect.Pointer:
		return d.ref(t.Elem())
	case reflect.Slice:
		return object{"type": "array", "items": d.ref(t.Elem())}
	case reflect.Array:
		return object{"type": "array", "items": d.ref(t.Elem()), "minItems": t.Len(), "maxItems": t.Len()}
	case reflect.Map:
		return object{"type": "object"}
	case reflect.Struct:
		if _, known := d.schemas[t.Name()]; !known {
			d.schemas[t.Name()] = object{} // it may speak of itself
			d.schemas[t.Name()] = d.inline(t)
		}
		return object{"$ref": "#/components/schemas/" + t.Name()}
	}
	return plain(t)
}

// plain asks the library that makes the schema of the config.
func plain(t reflect.Type) object {
	schema := (&jsonschema.Reflector{Anonymous: true, ExpandedStruct: true}).ReflectFromType(t)
	return object{"type": schema.Type}
}

// inline is the schema of a struct.
func (d *describer) inline(t reflect.Type) object {
	properties, required := object{}, []any{}
	for f := range t.Fields() {
		if !f.IsExported() {
			continue
		}
		key, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if key == "-" {
			continue
		}
		properties[key] = d.ref(f.Type)
		if !strings.Contains(options, "omit") {
			required = append(required, key)
		}
	}
	o := object{"type": "object", "properties": properties}
	if len(required) > 0 {
		o["required"] = required
	}
	return o
}
