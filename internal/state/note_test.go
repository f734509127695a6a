package state

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

type spent struct {
	Starts int `json:"starts"`
}

func TestNotesAreKeptAndNotTrusted(t *testing.T) {
	d, err := Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	var got spent
	if found, err := d.LoadNote("web", "budget", &got); found || err != nil {
		t.Fatalf("before there is one: %v, %v", found, err)
	}
	if err := d.SaveNote("web", "budget", spent{3}); err != nil {
		t.Fatal(err)
	}
	if found, err := d.LoadNote("web", "budget", &got); !found || err != nil || got.Starts != 3 {
		t.Fatalf("read %+v, %v, %v", got, found, err)
	}
	if records, err := d.Others(nil); len(records) > 0 || err != nil {
		t.Errorf("a note is taken for a record: %+v, %v", records, err)
	}
	if err := os.Rename(d.noteFile("web", "budget"), d.noteFile("vm", "budget")); err != nil {
		t.Fatal(err)
	}
	_, err = d.LoadNote("vm", "budget", &got)
	damaged, ok := errors.AsType[*DamagedError](err)
	if !ok || damaged.Aside == "" {
		t.Errorf("the note of another target: %v", err)
	}
	if err := d.SaveNote("web", "budget", spent{1}); err != nil {
		t.Fatal(err)
	}
	if err := d.Save(Record{Target: "web"}); err != nil {
		t.Fatal(err)
	}
	if err := d.Remove("web", "budget"); err != nil {
		t.Fatal(err)
	}
	left, err := filepath.Glob(filepath.Join(d.Path(), "web.*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}
