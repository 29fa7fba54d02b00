package config

import (
	"fmt"
	"slices"
	"strings"

	"webim/cmd/webim/internal/roomsfile"
	"webim/cmd/webim/internal/setting"
	"webim/room/backend"
)

// changed reports whether a setting has another value than its default. A file that webim check has printed gives the defaults, too.
func (c *Config) changed(key string) bool {
	s := Lookup(key, (*setting.Setting).Key)
	usual := s.Def
	switch {
	case s.Kind == "secret":
		return c.Given(key)
	case c.isDurable() && s.Durable != "":
		usual = s.Durable
	case c.Dev && s.Dev != "":
		usual = s.Dev
	}
	return s.Format(s.Field(&c.Settings)) != usual
}

// validateUnused refuses settings that concern another one which is not there: their author has forgotten that one.
func (c *Config) validateUnused() error {
	const noHook = " has no effect without a hook: add {hook_connect URL}, or the URL of another hook."
	urls := c.hookURLs()
	urls[backend.HookDisconnect] = ""
	for _, one := range []struct {
		keys   string
		used   bool
		reason string
	}{
		{"hook_timeout hook_headers hook_secret hook_secret_file", c.Hooked(), noHook},
		{"hook_concurrency", urls != [backend.NumHooks]string{}, " has no effect without a hook for whose answer clients wait: add {hook_connect URL}, or the URL of another hook."},
		{"token_issuer token_audience token_leeway", c.hasTokenKeys(), " has no effect without a key: add {token_secret_file}, {token_public_key} or {token_jwks}."},
		{"token_jwks_refresh", c.TokenJWKS != "", " has no effect without an address: add {token_jwks URL}."},
	} {
		for key := range strings.FieldsSeq(one.keys) {
			if !one.used && c.changed(key) {
				return c.mistake(key, one.reason)
			}
		}
	}
	return nil
}

// unusedWarnings warns of settings that another one switches off: they are there for the time when it no longer does.
func (c *Config) unusedWarnings() (all []string) {
	kept := c.HistoryMessages > 0
	aged := kept || c.StoreEngine == EngineMemory // which removes empty rooms of that age
	for _, r := range c.Rooms {
		kept = kept || r.History > 0
		aged = aged || r.History > 0 && r.HistoryAge == setting.Auto
		if r.History == setting.None && r.HistoryAge != setting.Auto && c.StoreEngine != EngineMemory {
			all = append(all, fmt.Sprintf("%s: history_age of %q has no effect, because the rooms have no history, and the engine is %s", r.Place, r.Match, c.StoreEngine))
		}
	}
	for _, one := range []struct {
		key, other string
		used       bool
		reason     string
	}{
		{"pong_timeout", "ping_interval", c.PingInterval != setting.None, "is none"},
		{"deflate_min", "deflate", c.Deflate, "is false"},
		{"max_tls_handshakes", "tls_listen", len(c.TLSListen) > 0, "names no address"},
		{"history_bytes", "history_messages", c.HistoryMessages > 0, "is none"},
		{"history_total", "history_messages", kept, "is none, and the section rooms has no history"},
		{"history_age", "history_messages", aged, "is none, and no history of the section rooms has its age from there"},
		{"open", "rooms", !slices.ContainsFunc(c.Rooms, decidesAll), `has the entry "*" for all rooms`},
	} {
		if other := one.other; !one.used && c.changed(one.key) {
			if other != roomsKey {
				other = c.placeLike(other, one.key)
			}
			all = append(all, fmt.Sprintf("%s has no effect, because %s %s", c.place(one.key), other, one.reason))
		}
	}
	return all
}

// decidesAll reports whether an entry of rooms leaves no room to the settings.
func decidesAll(r roomsfile.Entry) bool { return r.Match == "*" }
