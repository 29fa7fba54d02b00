package main

import (
	"time"

	"webim/cmd/webim/internal/config"
	"webim/room/apikey"
	"webim/room/budget"
)

// newKeys finds the API keys that are in the settings but not yet in force. They open a reload, so that webim reload works after a
// change of the only key: only who may write the settings can have put them there.
type newKeys struct {
	cfg   *config.Config // at the start
	began time.Time
	looks budget.Bucket
}

// newKeyLooks is how often the settings are read for that: whoever reaches the internal address can ask.
var newKeyLooks = budget.Rate{N: 10, Per: 10 * time.Second}

// find returns the key with a secret, or nil, also if the settings have a mistake. busy says that it has not looked.
func (n *newKeys) find(secret string) (key *apikey.Key, busy bool) {
	if secret == "" {
		return nil, false
	}
	if !n.looks.Take(newKeyLooks, 1, int64(time.Since(n.began))) {
		return nil, true
	}
	keys, err := n.cfg.NextAPIKeys()
	if err != nil {
		return nil, false
	}
	guard, err := apikey.NewGuard(keys, nil)
	if err != nil {
		return nil, false
	}
	return guard.Find(secret), false
}
