package config

import (
	"log/slog"
	"strings"
)

const (
	maxName   = 100 // bytes in the name of a target
	nameSigns = "._:-[]@%"
)

// parseName reads the name of a target.
func parseName(raw string) (string, error) {
	if bad := strings.Trim(raw, letters+digits+nameSigns); bad != "" {
		plain := strings.Map(func(r rune) rune {
			if strings.ContainsRune(letters+digits+nameSigns, r) {
				return r
			}
			return '-'
		}, raw)
		return "", wrong(show(raw)+" has a character that no name has",
			"write letters, digits and . _ : - [ ] @ %, for example "+shorten(plain))
	}
	if raw == "" {
		return "", wrong("it is empty", "write a name")
	}
	if len(raw) > maxName {
		return "", wrong(show(raw)+" is longer than 100 bytes", "write a shorter name")
	}
	return raw, nil
}

// shorten cuts an ASCII text for an example.
func shorten(s string) string { return s[:min(len(s), 40)] }

// parseWord reads one of a few words.
func parseWord[T ~string](raw string, words ...T) (T, error) {
	plain := make([]string, len(words))
	for i, word := range words {
		if raw == string(word) {
			return word, nil
		}
		plain[i] = string(word)
	}
	text := show(raw) + " is not one of " + strings.Join(plain, ", ")
	if near := Nearest(raw, plain); near != "" {
		return "", wrong(text, "did you mean "+near+"?")
	}
	return "", wrong(text, "write one of these")
}

// parseLogFormat reads a log format.
func parseLogFormat(raw string) (LogFormat, error) {
	return parseWord(raw, LogAuto, LogText, LogJSON)
}

// parseOnExit reads what becomes of the targets at the end.
func parseOnExit(raw string) (OnExit, error) { return parseWord(raw, OnExitKeep, OnExitStop) }

// parseLogLevel reads one of slog's levels.
func parseLogLevel(raw string) (slog.Level, error) {
	word, err := parseWord(raw, "debug", "info", "warn", "error")
	if err != nil {
		return 0, err
	}
	var level slog.Level
	return level, level.UnmarshalText([]byte(word))
}
