package admin

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/rouse-proxy/rouse/internal/event"
	"github.com/rouse-proxy/rouse/internal/history"
)

// described is what is looked at of the description.
type described struct {
	Paths map[string]map[string]struct {
		OperationID string
		Responses   map[string]struct {
			Content map[string]struct{ Schema map[string]any }
		}
	}
}

// TestAnswersAreWhatTheDescriptionSays asks every route that only reads, of a rouse with a history, and holds the answer against its schema. OpenAPI
// 3.1 has the schemas of JSON Schema 2020-12.
func TestAnswersAreWhatTheDescriptionSays(t *testing.T) {
	store := history.New(history.Options{Path: history.Path(t.TempDir())})
	store.Start()
	defer store.Close()
	now := time.Now()
	for _, e := range []event.Event{
		{Kind: event.StateChanged, From: "stopped", To: "starting", Elapsed: time.Hour, Cause: "client x"},
		{Kind: event.OperationEnded, Operation: "start", Elapsed: time.Second},
		{Kind: event.ClientEnded, Client: "x", Route: "y", Elapsed: time.Second, Waited: time.Second, Cause: "closed"},
	} {
		e.Time, e.Target = now, "web"
		store.Sink(e)
	}
	for store.Reader() == nil {
		time.Sleep(10 * time.Millisecond)
	}
	d := &script{store: store}
	stop := time.Now().Add(20 * time.Second)
	for !strings.Contains(ask(d, Guard{}, "GET", "/v1/history/connections", "").Body.String(), "closed") && time.Now().Before(stop) {
		time.Sleep(10 * time.Millisecond)
	}
	var doc described
	if err := json.Unmarshal(Description, &doc); err != nil {
		t.Fatal(err)
	}
	whole, err := jsonschema.UnmarshalJSON(bytes.NewReader(Description))
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	if err := compiler.AddResource("openapi.json", whole); err != nil {
		t.Fatal(err)
	}
	escaped := strings.NewReplacer("~", "~0", "/", "~1")
	seen := map[string]bool{}
	for _, r := range Routes() {
		op := doc.Paths[r.Path][strings.ToLower(r.Method)]
		if op.OperationID == "" || seen[op.OperationID] {
			t.Errorf("%s %s has no operation of its own", r.Method, r.Path)
		}
		seen[op.OperationID] = true
		if r.Method != "GET" || r.Stream {
			continue
		}
		schema, err := compiler.Compile("openapi.json#/paths/" + escaped.Replace(r.Path) + "/get/responses/200/content/application~1json/schema")
		if err != nil {
			t.Fatalf("%s: %v", r.Path, err)
		}
		path := strings.ReplaceAll(r.Path, "{name}", "web")
		if strings.HasSuffix(path, "/week") {
			path += "?target=web"
		}
		w := ask(d, Guard{}, "GET", path, "")
		value, err := jsonschema.UnmarshalJSON(w.Body)
		if err != nil || w.Code != 200 {
			t.Errorf("%s: %d, %v", path, w.Code, err)
			continue
		}
		if err := schema.Validate(value); err != nil {
			t.Errorf("%s: %v", path, err)
		}
	}
}
