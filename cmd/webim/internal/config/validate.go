package config

import (
	"net"
	"net/netip"
	"reflect"
	"slices"

	"webim/cmd/webim/internal/listen"
	"webim/cmd/webim/internal/origins"
	"webim/cmd/webim/internal/setting"
	"webim/room/budget"
	"webim/room/work"
)

// validate checks the values against each other.
func (c *Config) validate() error {
	if err := c.validateAddresses(); err != nil {
		return err
	}
	for i, text := range c.AllowOrigin {
		if err := origins.Check(text); err != nil {
			return Usagef("%s: %v.", c.place("allow_origin"), err)
		}
		if slices.Contains(c.AllowOrigin[:i], text) {
			return Usagef("%s: %s appears twice: remove one.", c.place("allow_origin"), text)
		}
	}
	if err := c.validateProxies(); err != nil {
		return err
	}
	if err := c.validateAPI(); err != nil {
		return err
	}
	if err := c.validateHooks(); err != nil {
		return err
	}
	if err := c.validateUnused(); err != nil {
		return err
	}
	if err := c.validateLimits(); err != nil {
		return err
	}
	return c.validateRights()
}

// validateRights checks limits that a client reaches when it reconnects: it joins all its rooms
// at once, in one message, which must not exceed its rates.
func (c *Config) validateRights() error {
	if c.MaxRoomsPerConn > c.MaxCommands {
		return c.tooMuch("max_rooms_per_conn", "max_commands")
	}
	for _, r := range c.Rooms {
		if r.History > 0 && r.HistoryBytes > c.HistoryTotal {
			return Usagef("%s: history_bytes of %q is %s, more than %s, which is %s: lower the first or raise the second.",
				r.Place, r.Match, setting.FormatSize(int64(r.HistoryBytes)), c.place("history_total"), setting.FormatSize(int64(c.HistoryTotal)))
		}
	}
	for _, r := range []struct {
		key  string
		rate budget.Rate
	}{{"rate_join", c.RateJoin}, {"user_rate_join", c.UserRateJoin}} {
		if r.rate.N >= 0 && r.rate.N < c.MaxRoomsPerConn {
			given := c.givenOf(r.key, "max_rooms_per_conn")
			return Usagef("%s allows joining %d rooms at once, and %s is %d: raise the first or lower the second.",
				c.placeLike(r.key, given), r.rate.N, c.placeLike("max_rooms_per_conn", given), c.MaxRoomsPerConn)
		}
	}
	return nil
}

func (c *Config) validateAddresses() error {
	switch {
	case c.TLSCert != "" && c.TLSKey == "":
		return c.mistake("tls_cert", " is given without a key: add {tls_key FILE}.")
	case c.TLSKey != "" && c.TLSCert == "":
		return c.mistake("tls_key", " is given without a certificate: add {tls_cert FILE}.")
	case len(c.ACME) > 0:
		if err := c.validateACME(); err != nil {
			return err
		}
	case c.acmeOption() != "":
		return c.mistake(c.acmeOption(), " has no effect without a host: add {acme HOST}.")
	case len(c.TLSListen) > 0 && c.TLSCert == "" && !c.Dev:
		return c.mistake("tls_listen", " needs a certificate: add {tls_cert FILE} and {tls_key FILE}, or {acme HOST}, or use {dev true} to try it out.")
	case c.TLSCert != "" && len(c.TLSListen) == 0:
		return c.mistake("tls_cert", " has no effect without an address: add {tls_listen ADDR}.")
	case len(c.Listen)+len(c.TLSListen) == 0:
		return c.mistake(c.givenOf("listen", "tls_listen"), " names no address, so that there is nothing to listen on: add {listen ADDR}.")
	}
	return c.validateListeners()
}

// validateListeners checks the addresses to listen on.
func (c *Config) validateListeners() error {
	type named struct {
		listen.Address
		text string
	}
	var seen []named
	for _, key := range []string{"listen", "tls_listen", "internal"} {
		for _, text := range c.addresses(key) {
			a, err := listen.Parse(text)
			switch {
			case err != nil:
				return Usagef("%s: %v.", c.place(key), err)
			case c.Dev && !a.Local():
				return Usagef("%s: %s%s.", c.place(key), text, c.inTerms(" can be reached from other machines, and with {dev} anybody may do anything: "+
					"write 127.0.0.1 for the host, or leave out {dev}", "dev"))
			}
			for _, b := range seen {
				switch {
				case a == b.Address && !a.AnyPort():
					return Usagef("%s: %s appears twice: remove one.", c.place(key), text)
				case a.Overlaps(b.Address):
					return Usagef("%s: %s and %s have an address in common: remove one, or choose another port.", c.place(key), text, b.text)
				}
			}
			seen = append(seen, named{a, text})
		}
	}
	return nil
}

// validateProxies checks which proxies are listed, and where they speak the PROXY protocol.
func (c *Config) validateProxies() error {
	for _, text := range c.Proxy {
		if isUnixProxy(text) {
			continue
		}
		if _, err := parsePrefix(text); err != nil {
			return Usagef("%s: %v.", c.place("proxy"), err)
		}
	}
	for _, text := range c.ProxyProtocol {
		switch {
		case !slices.Contains(c.Listen, text) && !slices.Contains(c.TLSListen, text):
			return c.mistake("proxy_protocol", ": webim does not serve %s: write an address as {listen} or {tls_listen} has it.", text)
		case len(c.Proxy) == 0:
			return c.mistake("proxy_protocol", " has no effect, because it is read from listed proxies only: add {proxy ADDRESS}.")
		}
	}
	return nil
}

// addresses returns the addresses in a setting.
func (c *Config) addresses(key string) []string {
	switch v := Lookup(key, (*setting.Setting).Key).Field(&c.Settings).Interface().(type) {
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
func (c *Config) validateLimits() error {
	for _, pair := range []struct{ less, more string }{
		{"shutdown_spread", "shutdown_timeout"},
		{"max_message", "max_unfinished"},
		{"max_queue", "max_queued"},
		{"high_water", "max_queue"},
		{"low_water", "high_water"},
		{"history_bytes", "history_total"},
	} {
		if c.number(Lookup(pair.less, (*setting.Setting).Key)) > c.number(Lookup(pair.more, (*setting.Setting).Key)) {
			return c.tooMuch(pair.less, pair.more)
		}
	}
	return c.validatePublications()
}

// validatePublications checks that the largest message is a small part of everything that must
// hold it, so that no message empties a room's history or makes its members slow.
func (c *Config) validatePublications() error {
	const part = 4
	size := func(n int) string { return setting.FormatSize(int64(n)) }
	most := c.maxPublication()
	if c.MaxPublication > c.MaxQueue/part {
		given := c.givenOf("max_publication", "max_queue")
		return Usagef("%s is %s, more than a quarter of %s, which is %s: lower the first or raise the second.",
			c.placeLike("max_publication", given), size(c.MaxPublication), c.placeLike("max_queue", given), size(c.MaxQueue))
	}
	if c.HistoryMessages > 0 && c.HistoryBytes < part*most {
		given := c.givenOf("history_bytes", "max_publication")
		return Usagef("%s is %s, less than four times %s, which is %s, so that one message could make a room forget all others: raise the first or lower the second.",
			c.placeLike("history_bytes", given), size(c.HistoryBytes), c.placeLike("max_publication", given), size(most))
	}
	for _, r := range c.Rooms {
		if r.MaxPublication > c.MaxQueue/part {
			return Usagef("%s: max_publication of %q is %s, more than a quarter of %s, which is %s: lower the first or raise the second.",
				r.Place, r.Match, size(r.MaxPublication), c.place("max_queue"), size(c.MaxQueue))
		}
		own := most
		if r.MaxPublication != setting.Auto {
			own = r.MaxPublication
		}
		if r.History > 0 && r.HistoryBytes < part*own {
			return Usagef("%s: history_bytes of %q is %s, less than four times its max_publication, which is %s, so that one message could make the room forget all others: raise the first or lower the second.",
				r.Place, r.Match, size(r.HistoryBytes), size(own))
		}
	}
	return nil
}

// tooMuch returns the error for a setting that exceeds its bound than, another setting.
func (c *Config) tooMuch(key, than string) error {
	value := func(key string) string {
		s := Lookup(key, (*setting.Setting).Key)
		return s.Format(reflect.ValueOf(c.number(s)))
	}
	given := c.givenOf(key, than)
	return Usagef("%s is %s, more than %s, which is %s: lower the first or raise the second.",
		c.placeLike(key, given), value(key), c.placeLike(than, given), value(than))
}

// givenOf returns the first of the settings that has been set, or the first.
func (c *Config) givenOf(keys ...string) string {
	for _, key := range keys {
		if c.Given(key) {
			return key
		}
	}
	return keys[0]
}

// maxPublication returns max_publication, computed if it is auto.
func (c *Config) maxPublication() int {
	if c.MaxPublication != setting.Auto {
		return c.MaxPublication
	}
	return max(1, min(256<<10, c.MaxQueue/4))
}

// number returns the value of a limit, computed if it is auto.
func (c *Config) number(s *setting.Setting) int64 {
	n := s.Field(&c.Settings).Int()
	switch {
	case n != setting.Auto:
	case s.Name == "high-water":
		return int64(c.MaxQueue / 8)
	case s.Name == "low-water" && c.HighWater == setting.Auto:
		return int64(c.MaxQueue / 16)
	case s.Name == "low-water":
		return int64(c.HighWater / 2)
	case s.Name == "max-publication":
		return int64(c.maxPublication())
	case s.Name == "max-calls":
		return int64(work.Slots(c.MaxCalls))
	}
	return n
}

// tlsHosts returns the names by which clients connect with TLS, as far as the settings show:
// the hosts in tls_listen, except addresses that only say where to listen, and the API's host
// names if the clients' addresses serve the API.
func (c *Config) tlsHosts() (hosts []string) {
	for _, text := range c.TLSListen {
		a, err := listen.Parse(text)
		if err != nil || a.Network != "tcp" {
			continue
		}
		host, _, _ := net.SplitHostPort(a.Name)
		if ip, err := netip.ParseAddr(host); host != "" && (err != nil || ip.IsLoopback()) {
			hosts = append(hosts, host)
		}
	}
	if c.API {
		hosts = append(hosts, c.APIHost...)
	}
	return hosts
}
