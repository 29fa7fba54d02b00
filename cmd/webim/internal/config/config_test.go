package config

import (
	"cmp"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"webim/cmd/webim/internal/setting"
	"webim/netpoll"
)

// samples are three values that a setting may have, as all sources write them.
func samples(s *setting.Setting) []string {
	switch {
	case strings.HasSuffix(s.Name, "listen"), s.Name == "proxy-protocol":
		return []string{"127.0.0.1:1", "127.0.0.1:2,[::1]:2", "unix:/3"}
	case s.Name == "proxy":
		return []string{"10.0.0.0/8", "192.0.2.1,2001:db8::/32", "10.1.0.0/16"}
	case s.Kind == "rate":
		return []string{"300/1s", "none", "4097/1m30s"}
	case s.Kind == "flow":
		return []string{"300MiB/1s", "none", "4097/1m30s"}
	case s.Kind == "list":
		return []string{"https://a.example", "https://b.example,null", "http://c.example:8080"}
	case s.Kind == "text" || s.Kind == "secret":
		return []string{"one", "two", "three"}
	case s.Kind == "bool":
		return []string{"true", "false", "true"}
	case s.Kind == "oneof":
		return []string{s.OneOf[0], s.OneOf[len(s.OneOf)-1], s.OneOf[0]}
	case s.Name == "history-age" || s.Name == "token-jwks-refresh":
		return []string{"1h", "1h1m", "1m30s"}
	case s.Kind == "time":
		return []string{"123ms", "1s", "17ms"}
	case s.Name == "max-store":
		return []string{"9MiB", "10MiB", "11MiB"}
	case s.Name == "nats-replicas":
		return []string{"3", "4", "5"}
	case s.Name == "loops" || s.Name == "workers":
		return []string{"7", "8", "9"}
	}
	return []string{"4097", "4098", "4099"}
}

// merge is Load without the check of values that belong together. given has for each setting the
// text of each source.
func merge(t *testing.T, given map[*setting.Setting][3]string) *Config {
	t.Helper()
	c := &Config{origins: map[*setting.Setting]origin{}}
	file, environ, flags := "", []string{"PATH=/bin"}, []string(nil)
	for s, texts := range given {
		if texts[0] != "" {
			file += s.Key() + ": " + yamlOf(s, texts[0]) + "\n"
		}
		if texts[1] != "" {
			environ = append(environ, s.Env()+"="+texts[1])
		}
		if texts[2] != "" {
			flags = append(flags, "--"+s.Name+"="+texts[2])
		}
	}
	if file != "" {
		if err := c.readFile(write(t, "webim.yaml", file)); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.readEnv(environ); err != nil {
		t.Fatal(err)
	}
	if flags != nil {
		command, given := parseFlags(t, flags...)
		c.readFlags(&command.Settings, given)
	}
	c.fillIn()
	return c
}

func yamlOf(s *setting.Setting, text string) string {
	if s.Kind == "list" {
		return `["` + strings.Join(strings.Split(text, ","), `", "`) + `"]`
	}
	return text
}

// TestPrecedence gives every setting by every combination of sources: the flag
// goes before the variable, the variable before the file.
func TestPrecedence(t *testing.T) {
	sources := []string{fromDefault, fromFile, fromEnv, fromFlag}
	for from := range 8 {
		given := map[*setting.Setting][3]string{}
		for _, s := range Table {
			var texts [3]string
			for i := range texts {
				if from&(1<<i) != 0 {
					texts[i] = samples(s)[i]
				}
			}
			given[s] = texts
		}
		c := merge(t, given)
		for _, s := range Table {
			want, source := s.Def, fromDefault
			for i, text := range given[s] {
				if text != "" {
					want, source = text, sources[i+1]
				}
			}
			if got := s.Format(s.Field(&c.Settings)); got != want {
				t.Errorf("%s, given as %q: value %q, want %q", s.Name, given[s], got, want)
			}
			if got := c.source(s); got != source {
				t.Errorf("%s, given as %q: source %q, want %q", s.Name, given[s], got, source)
			}
		}
	}
}

// TestTable looks for mistakes in the tags.
func TestTable(t *testing.T) {
	for i, s := range Table {
		field := reflect.TypeFor[Settings]().Field(s.Index)
		if want := Lookup(s.Name, func(s *setting.Setting) string { return s.Name }); want != s {
			t.Errorf("two settings are named %s", s.Name)
		}
		if squashed := strings.ReplaceAll(s.Name, "-", ""); !strings.EqualFold(squashed, field.Name) {
			t.Errorf("field %s is named %s", field.Name, s.Name)
		}
		if !strings.HasSuffix(s.Help, ".") || strings.TrimSpace(s.Help) != s.Help {
			t.Errorf("%s: the help is no sentence: %q", s.Name, s.Help)
		}
		for _, text := range []string{s.Def, cmp.Or(s.Dev, s.Def), s.Min, s.Max} {
			v := reflect.New(field.Type).Elem()
			if err := s.Parse(text, v); err != nil && text != "" {
				t.Errorf("%s: %q: %v", s.Name, text, err)
			}
			if got := s.Format(v); s.Kind != "bool" && got != text && text != "" {
				t.Errorf("%s: %q is printed as %q", s.Name, text, got)
			}
		}
		if i == 0 && s.Name != "dev" {
			t.Error("dev must be the first: others depend on it")
		}
	}
}

// TestDefaultsAreTheLibrarys checks that the defaults in the table and the help are those of
// package netpoll. RunOnLoop is no setting: package room never blocks, so webim always sets it.
func TestDefaultsAreTheLibrarys(t *testing.T) {
	c, err := Load(&Settings{}, nil, nil, "")
	if err != nil {
		t.Fatal(err)
	}
	ours, theirs := netpoll.New(c.NetpollConfig(), nil).Config(), netpoll.New(netpoll.Config{RunOnLoop: true}, nil).Config()
	a, b := reflect.ValueOf(ours), reflect.ValueOf(theirs)
	for i := range a.NumField() {
		f := a.Type().Field(i)
		if f.Type.Comparable() && f.Type.Kind() != reflect.Pointer && f.Type.Kind() != reflect.Interface && !a.Field(i).Equal(b.Field(i)) {
			t.Errorf("%s is %v, the library's default %v", f.Name, a.Field(i), b.Field(i))
		}
	}
}

// TestEverySettingReachesItsLibrary changes one limit at a time.
func TestEverySettingReachesItsLibrary(t *testing.T) {
	configs := func(c *Config) [2]string {
		n := c.NetpollConfig()
		n.CheckOrigin = nil
		r := c.RoomConfig()
		r.Calls = nil // another one each time
		return [2]string{fmt.Sprintf("%+v", n), fmt.Sprintf("%+v %+v", r, c.MemoryLimits())}
	}
	standard := configs(merge(t, nil))
	for _, s := range Table {
		group := reflect.TypeFor[Settings]().Field(s.Index).Tag.Get("group")
		if group == "serving" || group == "api" || group == "tokens" || group == "hooks" || group == "store" { // see TestServerAPI, TestTokenSettings, TestStore
			continue
		}
		v := slices.DeleteFunc(samples(s), func(v string) bool { return v == s.Def })[0]
		changed := configs(merge(t, map[*setting.Setting][3]string{s: {1: v}}))
		limits := group == "limits"
		// A message may take a quarter of max-queue, calls tell max-message, and both dialects have pings.
		rooms := !limits || slices.Contains([]string{"max-queue", "max-message", "ping-interval", "pong-timeout"}, s.Name)
		if (changed[0] != standard[0]) != limits || (changed[1] != standard[1]) != rooms {
			t.Errorf("--%s=%s does not reach the library, or the wrong one", s.Name, v)
		}
	}
}

func TestAddressesGoTogether(t *testing.T) {
	for _, c := range []struct {
		flags                    string
		listen, secure, internal string
	}{
		{"", ":9501", "", ""},
		{"--dev", "localhost:9501", "localhost:9502", "127.0.0.1:9500"},
		{"--dev --listen 127.0.0.1:0", "127.0.0.1:0", "", ""},
		{"--dev --tls-listen [::1]:0", "", "[::1]:0", ""},
		{"--dev --internal localhost:1", "localhost:9501", "localhost:9502", "localhost:1"},
		{"--dev --listen localhost:1 --listen unix:/a --tls-listen 127.1.2.3:0", "localhost:1,unix:/a", "127.1.2.3:0", ""},
		{"--tls-cert c --tls-key k", ":9501", ":9502", ""},
		{"--tls-cert c --tls-key k --tls-listen :443", "", ":443", ""},
		{"--dev --tls-cert c --tls-key k", "localhost:9501", "localhost:9502", "127.0.0.1:9500"},
		{"--listen :1,:2 --internal unix:/a --api-key 0123456789abcdef", ":1,:2", "", "unix:/a"},
	} {
		command, given := parseFlags(t, strings.Fields(c.flags)...)
		cfg, err := Load(&command.Settings, given, nil, "")
		if err != nil {
			t.Errorf("%s: %v", c.flags, err)
			continue
		}
		if l, s := strings.Join(cfg.Listen, ","), strings.Join(cfg.TLSListen, ","); l != c.listen || s != c.secure || cfg.Internal != c.internal {
			t.Errorf("%s: listens on %q, %q and %q, want %q, %q and %q", c.flags, l, s, cfg.Internal, c.listen, c.secure, c.internal)
		}
	}
}
