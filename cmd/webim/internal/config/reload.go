package config

import (
	"bytes"
	"maps"
	"reflect"
	"slices"
	"strings"

	"webim/cmd/webim/internal/roomsfile"
	"webim/cmd/webim/internal/setting"
	"webim/room/apikey"
	"webim/room/token"
)

// roomsKey is the key of the file's section rooms, which is no Setting.
const roomsKey = "rooms"

// A Reload is a configuration that a running server can take over.
type Reload struct {
	*Config            // what holds from now on: the settings that need a restart have their old values
	Prepared *Prepared // of Config; the caller closes it, or its parts
	Changed  []string  // keys of the settings that have new values, or files with new contents; sorted
	Restart  []string  // keys of the settings, or of files, that have changed, too, and need a restart; sorted
}

// Reload reads the sources of the settings again: the file, and the files that the settings name. old are those contents
// as they are in use. It changes nothing. The error is a UsageError: then nothing of the new settings can be used.
func (c *Config) Reload(old *Prepared) (*Reload, error) {
	next, err := c.again()
	if err != nil {
		return nil, err
	}
	r := &Reload{Config: next}
	changed := c.differences(next)
	r.Restart = c.needRestart(next, changed)
	slices.Sort(r.Restart)
	for _, key := range r.Restart {
		r.takeBack(c, key)
	}
	r.Changed = slices.DeleteFunc(changed, func(key string) bool { return slices.Contains(r.Restart, key) })
	if err := r.validate(); err != nil { // together with the old values
		return nil, err
	}
	if r.Prepared, err = r.Prepare(); err != nil {
		return nil, err
	}
	if !old.sameAPIKeys(r.Prepared) {
		r.Restart = append(r.Restart, "api_key_file")
		slices.Sort(r.Restart)
	}
	r.Changed = append(r.Changed, old.differences(r.Prepared)...)
	slices.Sort(r.Changed)
	r.Changed = slices.Compact(r.Changed)
	return r, nil
}

// differences returns the keys of the settings that differ.
func (c *Config) differences(next *Config) (keys []string) {
	for _, s := range Table {
		if !reflect.DeepEqual(s.Field(&c.Settings).Interface(), s.Field(&next.Settings).Interface()) {
			keys = append(keys, s.Key())
		}
	}
	if !slices.EqualFunc(c.Rooms, next.Rooms, func(a, b roomsfile.Entry) bool {
		a.Place, b.Place = "", ""
		return a == b
	}) {
		keys = append(keys, roomsKey)
	}
	return keys
}

// needRestart returns those of the changed settings that a running server cannot take over.
func (c *Config) needRestart(next *Config, changed []string) (keys []string) {
	hooks, tokens := c.Hooked() != next.Hooked(), c.hasTokenKeys() != next.hasTokenKeys()
	rooms := c.anonymous() != next.anonymous() || c.isDurable() && c.historyClasses() != next.historyClasses()
	for _, key := range changed {
		s := Lookup(key, (*setting.Setting).Key)
		switch {
		case s != nil && !s.Live,
			hooks && strings.HasPrefix(key, "hook_"),
			tokens && strings.HasPrefix(key, "token_"),
			rooms && (key == roomsKey || key == "open"):
			keys = append(keys, key)
		}
	}
	return keys
}

// takeBack gives a setting its value in old.
func (r *Reload) takeBack(old *Config, key string) {
	if key == roomsKey {
		r.Rooms = old.Rooms
		return
	}
	s := Lookup(key, (*setting.Setting).Key)
	s.Field(&r.Settings).Set(s.Field(&old.Settings))
	delete(r.origins, s)
	if from, ok := old.origins[s]; ok {
		r.origins = maps.Clone(r.origins)
		r.origins[s] = from
	}
	if key == "engine" || key == "data" || key == "nats" {
		r.StoreEngine, r.StoreFolder = old.StoreEngine, old.StoreFolder
	}
}

// sameAPIKeys reports whether both have the same API keys. A running server keeps those that it has.
func (p *Prepared) sameAPIKeys(next *Prepared) bool {
	return slices.EqualFunc(p.APIKeys, next.APIKeys, func(a, b apikey.Key) bool { return a.Name == b.Name && a.Secret == b.Secret })
}

// differences returns the keys of the settings that name a file with other contents, which a running server takes over.
func (p *Prepared) differences(next *Prepared) (keys []string) {
	same := func(a, b token.Key) bool {
		return a.ID == b.ID && bytes.Equal(a.Secret, b.Secret) && bytes.Equal(a.PEM, b.PEM)
	}
	for _, kind := range []struct {
		key    string
		secret bool
	}{{"token_secret_file", true}, {"token_public_key", false}} {
		of := func(all []token.Key) []token.Key {
			return slices.DeleteFunc(slices.Clone(all), func(k token.Key) bool { return len(k.Secret) > 0 != kind.secret })
		}
		if !slices.EqualFunc(of(p.TokenKeys), of(next.TokenKeys), same) {
			keys = append(keys, kind.key)
		}
	}
	if p.HookSecret != next.HookSecret {
		keys = append(keys, "hook_secret_file")
	}
	if p.Certs != nil && next.Certs != nil && !p.Certs.Same(next.Certs) {
		keys = append(keys, "tls_cert")
	}
	return keys
}
