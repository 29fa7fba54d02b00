package config

import (
	"encoding/json"
	"testing"
)

// Entries of the file take precedence over the built-in rules of private rooms.
func TestPrivateRoomsOfTheFile(t *testing.T) {
	for entries, want := range map[string]string{ // the direct room's history, or "" for no rights
		"- match: lobby":                                                            "100",
		"- {match: \"#*,*\", history: 7}":                                           "",
		"- {match: \"#*\", history: 7}":                                             "",
		"- {match: \"*\", history: 7, allow: {}}":                                   "",
		"- {match: \"$*\", history: 7, allow: {}}":                                  "100",
		"- {match: \"*\", history: 7, allow: {join: user, read: user, send: user}}": "7",
	} {
		c, err := Load(&Settings{}, nil, nil, write(t, "webim.yaml", "rooms:\n  "+entries+"\n"))
		if err != nil {
			t.Fatal(err)
		}
		o := c.RoomConfig().Options("#anna,bob")
		got := ""
		if permits(o, 0) {
			b, _ := json.Marshal(o.History.Messages)
			got = string(b)
		}
		if got != want {
			t.Errorf("%s: %q, want %q", entries, got, want)
		}
	}
}
