package config

import (
	"fmt"
	"log/slog"
)

// A Secret is a text that no log, message or dump shows: however it is printed, it comes out as [redacted].
// Whoever needs it says so, with [Secret.Reveal].
type Secret struct {
	text *string // behind a pointer, which is all that fmt shows of a field that it may not ask
}

const redacted = "[redacted]"

// NewSecret returns the text as a secret.
func NewSecret(text string) Secret { return Secret{&text} }

// Reveal returns the text.
func (s Secret) Reveal() string {
	if s.text == nil {
		return ""
	}
	return *s.text
}

// String returns no part of the text.
func (s Secret) String() string { return redacted }

// Format prints no part of the text, whatever the verb.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(redacted)) }

// MarshalText returns no part of the text, so no encoder writes it.
func (s Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// LogValue returns no part of the text.
func (s Secret) LogValue() slog.Value { return slog.StringValue(redacted) }

// A Variable is one of the environment of hooks.
type Variable struct {
	Name    string
	Value   Secret
	Inherit bool // pass ours on, when it is set; Value is empty then
}

// Entry returns the variable as the hooks' driver wants it: NAME, which passes ours on, or NAME=VALUE. It reveals the value.
func (v Variable) Entry() string {
	if v.Inherit {
		return v.Name
	}
	return v.Name + "=" + v.Value.Reveal()
}
