package room

import (
	"encoding/json"
	"time"

	"webim/room/engine"
)

// Settings are how a room is set, as TableRoom has it in JSON.
type Settings struct {
	Title  string `json:"title,omitempty"`
	Locked bool   `json:"locked,omitempty"` // only who may mute there may say anything
	Slow   int    `json:"slow,omitempty"`   // seconds between two messages of a user; 0: none
	By     string `json:"by,omitempty"`     // who made the room; "": a manager has set it since
}

// SettingsOf reads a room's settings and their version, 0 if it has none.
func SettingsOf(e engine.State, room string, done func(s Settings, version uint64, err error)) {
	e.Get(engine.Key{Table: engine.TableRoom, Of: room}, func(entry engine.Entry, err error) {
		var s Settings
		if err == nil && entry.Version != 0 {
			err = json.Unmarshal(entry.Value, &s)
		}
		done(s, entry.Version, err)
	})
}

// pace is the settings that are judged at each message.
type pace struct {
	locked bool
	slow   time.Duration
}
