package policy

// Settings are the settings of a room, as the entry of the room in the State has them in JSON.
type Settings struct {
	Title  string `json:"title,omitempty"`
	Locked bool   `json:"locked,omitempty"` // only subjects with the right to mute may speak
	Slow   int    `json:"slow,omitempty"`   // seconds between two messages of a user; 0: no limit
	By     string `json:"by,omitempty"`     // the user that made the room; "": a manager has changed the settings since
}
