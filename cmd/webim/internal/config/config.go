package config

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"

	"webim/cmd/webim/internal/roomsfile"
	"webim/cmd/webim/internal/setting"
)

// The sources of a value. Each source overrides those before it.
const (
	fromDefault = "default"
	fromFile    = "file"
	fromEnv     = "env"
	fromFlag    = "flag"
)

// Config is the effective configuration.
type Config struct {
	Settings
	origins map[*setting.Setting]origin
	Rooms   []roomsfile.Entry // from the file's section rooms
	unknown []string          // variables WEBIM_… that match no setting
	again   func() (*Config, error)

	ages string // fingerprint of the ages with which the store was opened, if a reload has changed the settings since

	StoreEngine string // the engine: Settings.Engine, unless that is auto; see chooseEngine
	StoreFolder string // of the embedded store: Settings.Data, or the folder that systemd names
}

// An origin is the place where a value was set.
type origin struct {
	source string
	place  string // as the user wrote it: --max-conns, WEBIM_MAX_CONNS, chat.yaml:3: max_conns
}

// A UsageError reports a wrong setting, in one sentence for its author. The exit code is 2.
type UsageError struct{ sentence string }

func (e *UsageError) Error() string { return e.sentence }

func Usagef(format string, args ...any) error { return &UsageError{fmt.Sprintf(format, args...)} }

// Load merges flags, environment, file and defaults into a configuration, and validates it.
// given holds the flags on the command line; file may be "". The error is a UsageError.
func Load(flags *Settings, given map[string]bool, environ []string, file string) (*Config, error) {
	c := &Config{origins: map[*setting.Setting]origin{}, again: func() (*Config, error) { return Load(flags, given, environ, file) }}
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
	if c.chooseEngine(environ); c.isDurable() {
		c.fillInDurable()
	}
	return c, c.validate()
}

// set stores a value from the file or the environment, and its origin.
func (c *Config) set(s *setting.Setting, from origin, text string) error {
	if err := s.Parse(text, s.Field(&c.Settings)); err != nil {
		return Usagef("%s: %v.", from.place, err)
	}
	c.origins[s] = from
	return nil
}

// readEnv reads the variables. It ignores an empty variable, because a compose file cannot
// leave one out, unless the setting is a secret: an empty secret is an error that must not open
// the server. An unknown variable is not an error: for a service named webim, Kubernetes sets
// WEBIM_PORT and a dozen others.
func (c *Config) readEnv(environ []string) error {
	for _, pair := range environ {
		name, value, _ := strings.Cut(pair, "=")
		if !strings.HasPrefix(name, "WEBIM_") || name == "WEBIM_CONFIG" {
			continue
		}
		s := Lookup(name, (*setting.Setting).Env)
		if value == "" && (s == nil || s.Kind != "secret") {
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

// readFlags stores the values of the given flags.
func (c *Config) readFlags(flags *Settings, given map[string]bool) {
	for _, s := range Table {
		if given[s.Name] {
			s.Field(&c.Settings).Set(s.Field(flags))
			c.origins[s] = origin{fromFlag, "--" + s.Name}
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

// fillIn sets the defaults of settings without a value. The addresses are one group: if one of
// them is set, the others have no default.
func (c *Config) fillIn() {
	for _, s := range Table { // --dev is the first setting
		if _, ok := c.origins[s]; ok {
			continue
		}
		text := s.Def
		if c.Dev && s.Dev != "" {
			text = s.Dev
		}
		if err := s.Parse(text, s.Field(&c.Settings)); err != nil {
			panic(fmt.Sprintf("default of %s: %v", s.Name, err)) // the table is wrong; a test would notice
		}
	}
	plain, secure := c.Given("listen"), c.Given("tls_listen")
	if (plain || secure) && !c.Given("internal") {
		c.Internal = ""
	}
	switch {
	case plain && !secure:
		c.TLSListen = nil
	case secure && !plain:
		c.Listen = nil
	case !plain && !c.Dev && c.TLSCert != "":
		c.TLSListen = []string{":9502"}
	case !plain && !c.Dev && len(c.ACME) > 0:
		c.TLSListen = []string{":443"}
	}
}

// fillInDurable sets the defaults that are different if messages outlive the process.
func (c *Config) fillInDurable() {
	for _, s := range Table {
		if _, ok := c.origins[s]; ok || s.Durable == "" {
			continue
		}
		if err := s.Parse(s.Durable, s.Field(&c.Settings)); err != nil {
			panic(fmt.Sprintf("durable default of %s: %v", s.Name, err)) // the table is wrong; a test would notice
		}
	}
}

// source returns the source of a setting's value.
func (c *Config) source(s *setting.Setting) string {
	if o, ok := c.origins[s]; ok {
		return o.source
	}
	return fromDefault
}

// Given reports whether a setting has been set, also if to an empty value.
func (c *Config) Given(key string) bool {
	_, given := c.origins[Lookup(key, (*setting.Setting).Key)]
	return given
}

// place returns the place of a setting, for an error.
func (c *Config) place(key string) string { return c.placeLike(key, key) }

// placeLike is like place; if the setting has not been set, it is named in the style of other's
// source.
func (c *Config) placeLike(key, other string) string {
	if o, ok := c.origins[Lookup(key, (*setting.Setting).Key)]; ok {
		return o.place
	}
	return c.called(key, "", other)
}

// called names a setting, with the value unless it is "", in the style of the source of the
// setting other: as a flag, as a variable, or as a line of the file.
func (c *Config) called(key, value, other string) string {
	s := Lookup(key, (*setting.Setting).Key)
	name, equals := "--"+s.Name, " "
	switch c.source(Lookup(other, (*setting.Setting).Key)) {
	case fromEnv:
		name, equals = s.Env(), "="
	case fromFile:
		name, equals = s.Key(), ": "
	}
	switch {
	case value == "":
		return name
	case value == "true" && equals == " ":
		return name // a flag without a value means true
	}
	return name + equals + value
}

// inTerms replaces each {key} and {key value} in a sentence with that setting, named by called
// in the style of other.
func (c *Config) inTerms(sentence, other string) string {
	return settingNames.ReplaceAllStringFunc(sentence, func(name string) string {
		key, value, _ := strings.Cut(strings.Trim(name, "{}"), " ")
		return c.called(key, value, other)
	})
}

var settingNames = regexp.MustCompile(`\{[a-z_]+( [^{}]*)?\}`)

// mistake returns a UsageError that begins with the place of the setting. format may name other
// settings as inTerms expects them.
func (c *Config) mistake(key, format string, args ...any) error {
	return Usagef("%s"+c.inTerms(format, key), append([]any{c.place(key)}, args...)...)
}

// readFile reads the settings of a YAML file.
func (c *Config) readFile(name string) error {
	b, err := os.ReadFile(name)
	if err != nil {
		return Usagef("the configuration file cannot be read: %v.", err)
	}
	pairs, err := setting.ParseYAML(b, Table)
	if err != nil {
		return Usagef("%s%v.", name, err)
	}
	for _, p := range pairs {
		if p.Key == "rooms" {
			if c.Rooms, err = roomsfile.Read(name, p.Node); err != nil {
				return Usagef("%s%v", name, err)
			}
			continue
		}
		s := Lookup(p.Key, (*setting.Setting).Key)
		if s == nil {
			return Usagef("%s:%d: there is no setting %q%s", name, p.Line, p.Key, suggestion(p.Key))
		}
		if p.List && s.Kind != "list" {
			return Usagef("%s:%d: %s takes one value, not a list.", name, p.Line, p.Key)
		}
		switch {
		case !p.Empty:
		case s.Kind == "secret":
			p.Text = "" // an empty secret is an error that must not open the server
		case s.Kind != "list" || !p.Word: // the word null is a valid origin in a list
			return Usagef("%s:%d: %s has no value: write one behind the colon, or leave the line out.", name, p.Line, p.Key)
		}
		place := fmt.Sprintf("%s:%d: %s", name, p.Line, p.Key)
		if err := c.set(s, origin{fromFile, place}, p.Text); err != nil {
			return err
		}
	}
	return nil
}

// suggestion returns the key that the author probably meant, as the end of a sentence.
func suggestion(key string) string {
	names := []string{"rooms"}
	for _, s := range Table {
		names = append(names, s.Key())
	}
	if best := setting.Nearest(key, names); best != "" {
		return ": did you mean " + best + "?"
	}
	return ": webim check lists all settings."
}

// UpgradesInPlace reports whether an upgrade of the process with a pid keeps the process. The first process of a container does:
// its end is the end of the container.
func (c *Config) UpgradesInPlace(pid int) bool {
	return c.UpgradeBy == "exec" || c.UpgradeBy == "auto" && pid == 1
}
