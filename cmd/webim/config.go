package main

import (
	"fmt"
	"os"
	"slices"
	"strings"
)

// Where a value comes from. Each source overrides those before it.
const (
	fromDefault = "default"
	fromFile    = "file"
	fromEnv     = "env"
	fromFlag    = "flag"
)

// config is the effective configuration.
type config struct {
	settings
	origins map[*setting]origin
	rooms   []roomSettings // of the file
	unknown []string       // variables WEBIM_… that name no setting
}

// An origin is where a value comes from.
type origin struct {
	source string
	place  string // as the user knows it: --max-conns, WEBIM_MAX_CONNS, chat.yaml:3: max_conns
}

// A usageError is a wrong setting: one sentence for its author. Exit code 2.
type usageError struct{ sentence string }

func (e *usageError) Error() string { return e.sentence }

func usagef(format string, args ...any) error { return &usageError{fmt.Sprintf(format, args...)} }

// load makes the configuration of flags (given says which were there), the
// environment, the file, if one is named, and the defaults. The error is a
// usageError.
func load(flags *settings, given map[string]bool, environ []string, file string) (*config, error) {
	c := &config{origins: map[*setting]origin{}}
	if file == "" {
		file = variable(environ, "WEBIM_CONFIG")
	}
	if file != "" {
		if err := c.readFile(file); err != nil {
			return nil, err
		}
	}
	if err := c.readEnv(environ); err != nil {
		return nil, err
	}
	c.readFlags(flags, given)
	c.fillIn()
	return c, c.validate()
}

// set stores a value from the file or the environment.
func (c *config) set(s *setting, from origin, text string) error {
	if err := s.parse(text, s.field(&c.settings)); err != nil {
		return usagef("%s: %v.", from.place, err)
	}
	c.origins[s] = from
	return nil
}

// readEnv reads the variables. An empty one counts as not there, since that is
// all that a compose file can do, but for a secret: there it is a mistake that
// must not open the server. An unknown one is no error: for a service
// named webim, Kubernetes sets WEBIM_PORT and a dozen others.
func (c *config) readEnv(environ []string) error {
	for _, pair := range environ {
		name, value, _ := strings.Cut(pair, "=")
		if !strings.HasPrefix(name, "WEBIM_") || name == "WEBIM_CONFIG" {
			continue
		}
		s := lookup(name, (*setting).env)
		if value == "" && (s == nil || s.kind != "secret") {
			continue
		}
		if s == nil {
			c.unknown = append(c.unknown, name)
		} else if err := c.set(s, origin{fromEnv, name}, value); err != nil {
			return err
		}
	}
	slices.Sort(c.unknown)
	return nil
}

// readFlags takes the values of the flags that are given.
func (c *config) readFlags(flags *settings, given map[string]bool) {
	for _, s := range table {
		if given[s.name] {
			s.field(&c.settings).Set(s.field(flags))
			c.origins[s] = origin{fromFlag, "--" + s.name}
		}
	}
}

func variable(environ []string, name string) string {
	for _, pair := range environ {
		if value, ok := strings.CutPrefix(pair, name+"="); ok {
			return value
		}
	}
	return ""
}

// fillIn gives defaults to what nobody has set. The addresses go together: who
// names one gets no other.
func (c *config) fillIn() {
	for _, s := range table { // --dev is the first
		if _, ok := c.origins[s]; ok {
			continue
		}
		text := s.def
		if c.Dev && s.dev != "" {
			text = s.dev
		}
		if err := s.parse(text, s.field(&c.settings)); err != nil {
			panic(fmt.Sprintf("default of %s: %v", s.name, err)) // the table is wrong: a test would show
		}
	}
	plain, secure := c.given("listen"), c.given("tls_listen")
	if (plain || secure) && !c.given("internal") {
		c.Internal = ""
	}
	switch {
	case plain && !secure:
		c.TLSListen = nil
	case secure && !plain:
		c.Listen = nil
	case !plain && !c.Dev && c.TLSCert != "":
		c.TLSListen = []string{":9502"}
	}
}

// source says where a value comes from.
func (c *config) source(s *setting) string {
	if o, ok := c.origins[s]; ok {
		return o.source
	}
	return fromDefault
}

// given reports whether a setting is set, be it to nothing.
func (c *config) given(key string) bool {
	_, given := c.origins[lookup(key, (*setting).key)]
	return given
}

// place names a setting as its author wrote it.
func (c *config) place(key string) string {
	s := lookup(key, (*setting).key)
	if o, ok := c.origins[s]; ok {
		return o.place
	}
	return "--" + s.name
}

// readFile reads the settings of a YAML file.
func (c *config) readFile(name string) error {
	b, err := os.ReadFile(name)
	if err != nil {
		return usagef("the configuration file cannot be read: %v.", err)
	}
	pairs, err := parseYAML(b)
	if err != nil {
		return usagef("%s%v.", name, err)
	}
	for _, p := range pairs {
		if p.key == "rooms" {
			if c.rooms, err = readRooms(p.node); err != nil {
				return usagef("%s%s", name, sentence(err))
			}
			continue
		}
		s := lookup(p.key, (*setting).key)
		if s == nil {
			return usagef("%s:%d: there is no setting %q%s", name, p.line, p.key, suggestion(p.key))
		}
		if p.list && s.kind != "list" {
			return usagef("%s:%d: %s takes one value, not a list.", name, p.line, p.key)
		}
		if s.kind == "secret" && p.text == "null" {
			p.text = "" // nothing behind the colon is no secret
		}
		place := fmt.Sprintf("%s:%d: %s", name, p.line, p.key)
		if err := c.set(s, origin{fromFile, place}, p.text); err != nil {
			return err
		}
	}
	return nil
}
