package room

import (
	"encoding/json"

	"webim/room/engine"
	"webim/room/policy"
)

// Settings are the settings of a room.
type Settings = policy.Settings

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
