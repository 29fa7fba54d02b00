package main

import (
	"errors"
	"reflect"
	"slices"

	"webim/room/budget"
	"webim/room/work"
)

// validate checks the values against each other.
func (c *config) validate() error {
	if err := c.validateAddresses(); err != nil {
		return err
	}
	for i, text := range c.AllowOrigin {
		if err := checkOrigin(text); err != nil {
			return usagef("%s: %v.", c.place("allow_origin"), err)
		}
		if slices.Contains(c.AllowOrigin[:i], text) {
			return usagef("%s: %s appears twice: remove one.", c.place("allow_origin"), text)
		}
	}
	for _, text := range c.Proxy {
		if isUnixProxy(text) {
			continue
		}
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

// validateRights checks limits that a client reaches when it reconnects: it joins all its rooms
// at once, in one message, which must not exceed its rates.
func (c *config) validateRights() error {
	if c.MaxRoomsPerConn > c.MaxCommands {
		return c.tooMuch("max_rooms_per_conn", "max_commands")
	}
	for _, r := range c.rooms {
		if r.History > 0 && r.HistoryBytes > c.HistoryTotal {
			return usagef("%s: history_bytes of %q is %s, more than %s, which is %s: lower the first or raise the second.",
				r.place, r.Match, formatSize(int64(r.HistoryBytes)), c.place("history_total"), formatSize(int64(c.HistoryTotal)))
		}
	}
	for _, r := range []struct {
		key  string
		rate budget.Rate
	}{{"rate_join", c.RateJoin}, {"user_rate_join", c.UserRateJoin}} {
		if r.rate.N >= 0 && r.rate.N < c.MaxRoomsPerConn {
			given := c.givenOf(r.key, "max_rooms_per_conn")
			return usagef("%s allows joining %d rooms at once, and %s is %d: raise the first or lower the second.",
				c.placeLike(r.key, given), r.rate.N, c.placeLike("max_rooms_per_conn", given), c.MaxRoomsPerConn)
		}
	}
	return nil
}

func (c *config) validateAddresses() error {
	switch {
	case c.TLSCert != "" && c.TLSKey == "":
		return c.mistake("tls_cert", " is given without a key: add {tls_key FILE}.")
	case c.TLSKey != "" && c.TLSCert == "":
		return c.mistake("tls_key", " is given without a certificate: add {tls_cert FILE}.")
	case len(c.TLSListen) > 0 && c.TLSCert == "" && !c.Dev:
		return c.mistake("tls_listen", " needs a certificate: add {tls_cert FILE} and {tls_key FILE}, or use {dev true} to try it out.")
	case c.TLSCert != "" && len(c.TLSListen) == 0:
		return c.mistake("tls_cert", " has no effect without an address: add {tls_listen ADDR}.")
	case len(c.Listen)+len(c.TLSListen) == 0:
		return c.mistake(c.givenOf("listen", "tls_listen"), " names no address, so that there is nothing to listen on: add {listen ADDR}.")
	}
	seen := map[string]bool{}
	for _, key := range []string{"listen", "tls_listen", "internal"} {
		for _, text := range c.addresses(key) {
			a, err := parseAddress(text)
			if err == nil && c.Dev && !a.local() {
				err = errors.New(text + c.inTerms(" can be reached from other machines, and with {dev} anybody may do anything: "+
					"write 127.0.0.1 for the host, or leave out {dev}", "dev"))
			}
			if err == nil && seen[a.name] && !a.anyPort() {
				err = errors.New(text + " appears twice: remove one")
			}
			if err != nil {
				return usagef("%s: %v.", c.place(key), err)
			}
			seen[a.name] = true
		}
	}
	return nil
}

// addresses returns the addresses in a setting.
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
		if c.number(lookup(pair.less, (*setting).key)) > c.number(lookup(pair.more, (*setting).key)) {
			return c.tooMuch(pair.less, pair.more)
		}
	}
	return c.validatePublications()
}

// validatePublications checks that the largest message is a small part of everything that must
// hold it, so that no message empties a room's history or makes its members slow.
func (c *config) validatePublications() error {
	const part = 4
	size := func(n int) string { return formatSize(int64(n)) }
	most := c.maxPublication()
	if c.MaxPublication > c.MaxQueue/part {
		given := c.givenOf("max_publication", "max_queue")
		return usagef("%s is %s, more than a quarter of %s, which is %s: lower the first or raise the second.",
			c.placeLike("max_publication", given), size(c.MaxPublication), c.placeLike("max_queue", given), size(c.MaxQueue))
	}
	if c.HistoryMessages > 0 && c.HistoryBytes < part*most {
		given := c.givenOf("history_bytes", "max_publication")
		return usagef("%s is %s, less than four times %s, which is %s, so that one message could make a room forget all others: raise the first or lower the second.",
			c.placeLike("history_bytes", given), size(c.HistoryBytes), c.placeLike("max_publication", given), size(most))
	}
	for _, r := range c.rooms {
		if r.MaxPublication > c.MaxQueue/part {
			return usagef("%s: max_publication of %q is %s, more than a quarter of %s, which is %s: lower the first or raise the second.",
				r.place, r.Match, size(r.MaxPublication), c.place("max_queue"), size(c.MaxQueue))
		}
		own := most
		if r.MaxPublication != auto {
			own = r.MaxPublication
		}
		if r.History > 0 && r.HistoryBytes < part*own {
			return usagef("%s: history_bytes of %q is %s, less than four times its max_publication, which is %s, so that one message could make the room forget all others: raise the first or lower the second.",
				r.place, r.Match, size(r.HistoryBytes), size(own))
		}
	}
	return nil
}

// tooMuch returns the error for a setting that exceeds its bound than, another setting.
func (c *config) tooMuch(key, than string) error {
	value := func(key string) string {
		s := lookup(key, (*setting).key)
		return s.format(reflect.ValueOf(c.number(s)))
	}
	given := c.givenOf(key, than)
	return usagef("%s is %s, more than %s, which is %s: lower the first or raise the second.",
		c.placeLike(key, given), value(key), c.placeLike(than, given), value(than))
}

// givenOf returns the first of the settings that has been set, or the first.
func (c *config) givenOf(keys ...string) string {
	for _, key := range keys {
		if c.given(key) {
			return key
		}
	}
	return keys[0]
}

// maxPublication returns max_publication, computed if it is auto.
func (c *config) maxPublication() int {
	if c.MaxPublication != auto {
		return c.MaxPublication
	}
	return max(1, min(256<<10, c.MaxQueue/4))
}

// number returns the value of a limit, computed if it is auto.
func (c *config) number(s *setting) int64 {
	n := s.field(&c.settings).Int()
	switch {
	case n != auto:
	case s.name == "high-water":
		return int64(c.MaxQueue / 8)
	case s.name == "low-water":
		return int64(c.MaxQueue / 16)
	case s.name == "max-publication":
		return int64(c.maxPublication())
	case s.name == "max-calls":
		return int64(work.Slots(c.MaxCalls))
	}
	return n
}
