package main

import (
	"errors"
	"reflect"
	"slices"

	"webim/room"
)

// validate judges what values mean together.
func (c *config) validate() error {
	if err := c.validateAddresses(); err != nil {
		return err
	}
	for i, text := range c.AllowOrigin {
		if err := checkOrigin(text); err != nil {
			return usagef("%s: %v.", c.place("allow_origin"), err)
		}
		if slices.Contains(c.AllowOrigin[:i], text) {
			return usagef("%s: %s is there twice: remove one.", c.place("allow_origin"), text)
		}
	}
	for _, text := range c.Proxy {
		if _, err := parsePrefix(text); err != nil {
			return usagef("%s: %v.", c.place("proxy"), err)
		}
	}
	if err := c.validateAPI(); err != nil {
		return err
	}
	if err := c.validateHooks(); err != nil {
		return err
	}
	if err := c.validateLimits(); err != nil {
		return err
	}
	return c.validateRights()
}

// validateRights: a client that comes back joins all its rooms at once, in one
// message, and must not be too fast.
func (c *config) validateRights() error {
	if c.MaxRoomsPerConn > c.MaxCommands {
		return usagef("%s is %d, more than max_commands, which is %d: lower the one or raise the other.",
			c.place("max_rooms_per_conn"), c.MaxRoomsPerConn, c.MaxCommands)
	}
	for _, r := range c.rooms {
		if r.History > 0 && r.HistoryBytes > c.HistoryTotal {
			return usagef("rooms: history_bytes of %q is %s, more than history_total, which is %s: lower the one or raise the other.",
				r.Match, formatSize(int64(r.HistoryBytes)), formatSize(int64(c.HistoryTotal)))
		}
	}
	for _, r := range []struct {
		key  string
		rate room.Rate
	}{{"rate_join", c.RateJoin}, {"user_rate_join", c.UserRateJoin}} {
		if r.rate.N >= 0 && r.rate.N < c.MaxRoomsPerConn {
			return usagef("%s lets %d rooms be joined at once, and max_rooms_per_conn is %d: raise the one or lower the other.",
				c.place(r.key), r.rate.N, c.MaxRoomsPerConn)
		}
	}
	return nil
}

func (c *config) validateAddresses() error {
	switch {
	case c.TLSCert != "" && c.TLSKey == "":
		return usagef("%s is given without a key: add --tls-key FILE.", c.place("tls_cert"))
	case c.TLSKey != "" && c.TLSCert == "":
		return usagef("%s is given without a certificate: add --tls-cert FILE.", c.place("tls_key"))
	case len(c.TLSListen) > 0 && c.TLSCert == "" && !c.Dev:
		return usagef("%s needs a certificate: add --tls-cert FILE and --tls-key FILE, or use --dev to try it out.", c.place("tls_listen"))
	case c.TLSCert != "" && len(c.TLSListen) == 0:
		return usagef("%s is of no use without an address: add --tls-listen ADDR.", c.place("tls_cert"))
	case len(c.Listen)+len(c.TLSListen) == 0:
		return usagef("there is nothing to listen on: add --listen ADDR.")
	}
	seen := map[string]bool{}
	for _, key := range []string{"listen", "tls_listen", "internal"} {
		for _, text := range c.addresses(key) {
			a, err := parseAddress(text)
			if err == nil && c.Dev && !a.local() {
				err = errors.New(text + " can be reached from other machines, and with --dev anybody may do anything: " +
					"write 127.0.0.1 for the host, or leave out --dev")
			}
			if err == nil && seen[a.name] && !a.anyPort() {
				err = errors.New(text + " is there twice: remove one")
			}
			if err != nil {
				return usagef("%s: %v.", c.place(key), err)
			}
			seen[a.name] = true
		}
	}
	return nil
}

// addresses are those of a setting.
func (c *config) addresses(key string) []string {
	switch v := lookup(key, (*setting).key).field(&c.settings).Interface().(type) {
	case []string:
		return v
	case string:
		if v != "" {
			return []string{v}
		}
	}
	return nil
}

// validateLimits compares limits with each other.
func (c *config) validateLimits() error {
	for _, pair := range []struct{ less, more string }{
		{"shutdown_spread", "shutdown_timeout"},
		{"max_message", "max_unfinished"},
		{"max_queue", "max_queued"},
		{"high_water", "max_queue"},
		{"low_water", "high_water"},
		{"history_bytes", "history_total"},
	} {
		s, than := lookup(pair.less, (*setting).key), lookup(pair.more, (*setting).key)
		v, max := s.field(&c.settings), c.number(than)
		if c.number(s) > max {
			return usagef("%s is %s, more than %s, which is %s: lower the one or raise the other.",
				c.place(pair.less), s.format(v), than.key(), than.format(reflect.ValueOf(max)))
		}
	}
	return nil
}

// number is a limit's value, the watermarks computed.
func (c *config) number(s *setting) int64 {
	n := s.field(&c.settings).Int()
	switch {
	case n != auto:
	case s.name == "high-water":
		return int64(c.MaxQueue / 4 * 3)
	case s.name == "low-water":
		return int64(c.MaxQueue / 4)
	}
	return n
}
