package main

import (
	"bytes"
	"testing"

	"github.com/rouse-proxy/rouse/internal/admin"
)

func TestDescriptionIsOfTheseRoutes(t *testing.T) {
	text, err := describe()
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(text, admin.Description) {
		t.Error("internal/admin/openapi.json is not what the routes say: run go generate ./internal/admin")
	}
}
