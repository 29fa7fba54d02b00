package config

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"webim/cmd/webim/internal/setting"
	"webim/cmd/webim/internal/testcert"
)

// reloadable is a configuration in a file that a test changes.
type reloadable struct {
	t    *testing.T
	dir  string
	base map[string]string // the lines of the file, by key
}

// newReloadable returns a configuration with which many settings have a meaning.
func newReloadable(t *testing.T) *reloadable {
	r := &reloadable{t: t, dir: t.TempDir()}
	cert, key := testcert.New(t, 0, time.Hour, "localhost")
	cert2, key2 := testcert.New(t, 0, time.Hour, "localhost")
	for name, text := range map[string]string{"secret": longSecret, "secret2": longSecret + "2", "cert": cert, "key": key, "cert2": cert2, "key2": key2} {
		if err := os.WriteFile(r.path(name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	r.base = map[string]string{
		"engine": "memory", "listen": "127.0.0.1:9501", "tls_listen": "127.0.0.1:9502", "tls_cert": r.path("cert"), "tls_key": r.path("key"), "internal": "127.0.0.1:9500",
		"rooms": "[{match: a, allow: {join: anonymous}}]",
		"proxy": "10.0.0.1", "api_key_file": "ci=" + r.path("secret"), "token_secret_file": r.path("secret"), "hook_secret_file": r.path("secret"), "insecure": "true",
	}
	for _, key := range hookKeys {
		r.base[key] = "http://127.0.0.1:1/" + key
	}
	return r
}

func (r *reloadable) path(name string) string { return filepath.Join(r.dir, name) }

// write writes the file, with other lines than those of base. An empty one is left out.
func (r *reloadable) write(others map[string]string) (file string) {
	r.t.Helper()
	lines := maps.Clone(r.base)
	maps.Copy(lines, others)
	text := ""
	for key, value := range lines {
		if value != "" {
			text += fmt.Sprintf("%s: %s\n", key, value)
		}
	}
	file = r.path("webim.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		r.t.Fatal(err)
	}
	return file
}

// reload loads base, and then reloads it with other lines.
func (r *reloadable) reload(others map[string]string) (*Config, *Reload) {
	r.t.Helper()
	c, err := Load(new(Settings), nil, nil, r.write(nil))
	if err != nil {
		r.t.Fatal(err)
	}
	old, err := c.Prepare()
	if err != nil {
		r.t.Fatal(err)
	}
	defer old.Close()
	r.write(others)
	next, err := c.Reload(old)
	if err != nil {
		r.t.Fatal(err)
	}
	next.Prepared.Close()
	return c, next
}

// other returns lines that give a setting another valid value.
func (r *reloadable) other(s *setting.Setting) map[string]string {
	key := s.Key()
	lines := map[string]string{
		"dev": "true", "listen": "127.0.0.1:9503", "tls_listen": "127.0.0.1:9504", "tls_cert": r.path("cert2"), "tls_key": r.path("key2"),
		"acme": "chat.example.com", "proxy_protocol": "127.0.0.1:9501", "allow_origin": "https://a.example", "internal": "127.0.0.1:9505",
		"api_key": longSecret + "3", "api_key_file": "ci=" + r.path("secret2"), "api_key_rights": "ci=publish", "api_host": "chat.example.com",
		"proxy": "10.0.0.2", "data": r.path("data"), "nats": "nats://127.0.0.1:4222", "nats_key": r.path("key"), "nats_cert": r.path("cert"), "nats_replicas": "3",
		"hook_open": "publish", "hook_rooms": "team-*", "hook_headers": "X-Test", "hook_secret": longSecret, "hook_secret_file": r.path("secret2"),
		"token_secret": longSecret, "token_secret_file": r.path("secret2"), "token_public_key": r.path("cert"), "token_jwks": "http://127.0.0.1:1/jwks",
		"token_jwks_refresh": "1h", "max_publication": "128KiB", "log_level": "debug", "engine": "embedded",
		"max_queue": "2MiB", "low_water": "4KiB", "max_calls": "7", "max_rooms_per_conn": "77", "max_fragments": "1000", "loops": "2", "workers": "3", "ping_interval": "30s", "pong_timeout": "9s",
		"shutdown_spread": "3s", "history_bytes": "2MiB", "max_conns": "1000", "high_water": "256KiB",
	}
	value := lines[key]
	switch {
	case value != "":
	case s.Kind == "bool":
		value = map[bool]string{true: "false", false: "true"}[s.Def == "true" || key == "insecure"]
	case s.Kind == "oneof":
		value = s.OneOf[len(s.OneOf)-1]
	case s.Kind == "rate":
		value = "777/1m"
	case s.Kind == "flow":
		value = "777MiB/1m"
	case s.Kind == "text", s.Kind == "list":
		value = "another"
		if strings.HasPrefix(key, "hook_") {
			value = "http://127.0.0.1:1/another"
		}
	case s.Kind == "time":
		value = "11s"
		if key == "max_pause" {
			value = "11ms"
		}
	case s.Kind == "size":
		value = "777KiB"
	default:
		value = "777"
	}
	all := map[string]string{key: value}
	with := map[string]map[string]string{
		"tls_cert": {"tls_key": r.path("key2")}, "tls_key": {"tls_cert": r.path("cert2")},
		"acme": {"acme_dir": r.path("acme"), "tls_cert": "", "tls_key": ""}, "proxy_protocol": {},
		"api_key": {"api_key_file": ""}, "hook_secret": {"hook_secret_file": ""}, "engine": {"data": r.path("data")}, "data": {"engine": ""}, "nats": {"engine": ""},
		"nats_key": {"nats_cert": r.path("cert")}, "nats_cert": {"nats_key": r.path("key")},
		"dev": {"listen": "127.0.0.1:0"}, "max_head": {"max_head": "20KiB"}, "max_unfinished": {"max_unfinished": "200MiB"}, "max_queued": {"max_queued": "200MiB"}, "history_total": {"history_total": "100MiB"},
		"token_jwks_refresh": {"token_jwks": "https://127.0.0.1:1/jwks"}, "max_store": {"max_store": "1GiB"}, "max_replies": {"max_replies": "100MiB"},
	}
	if strings.HasPrefix(key, "acme_") {
		maps.Copy(all, map[string]string{"acme": "chat.example.com", "acme_dir": r.path("acme"), "tls_cert": "", "tls_key": ""})
	}
	maps.Copy(all, with[key])
	switch key {
	case "acme_directory":
		all[key] = "https://127.0.0.1:1/directory"
	case "acme_ca":
		all[key] = r.path("cert")
	case "acme_dir":
		all[key] = r.path("acme2")
	}
	return all
}

func keysOf(all []Change) (keys []string) {
	for _, c := range all {
		keys = append(keys, c.Key)
	}
	return keys
}

// TestReloadHasEachSetting changes each setting, and checks that a reload either takes the new value over, or names the setting with
// both values and the way to change it, and keeps the old value.
func TestReloadHasEachSetting(t *testing.T) {
	for _, s := range Table {
		t.Run(s.Name, func(t *testing.T) {
			r := newReloadable(t)
			c, next := r.reload(r.other(s))
			of := map[string][]Change{setting.ByReload: next.Changed, setting.ByUpgrade: next.Upgrade, setting.ByRestart: next.Restart}
			for change, all := range of {
				if listed := slices.Contains(keysOf(all), s.Key()); listed != (change == s.Change) {
					t.Errorf("among those with a change by %s: %v; its own is by %s. They are %v", change, listed, s.Change, all)
				}
			}
			at := slices.Index(keysOf(of[s.Change]), s.Key())
			if at < 0 {
				return
			}
			old, now, how := s.Format(s.Field(&c.Settings)), s.Format(s.Field(&next.Settings)), of[s.Change][at].How
			switch {
			case (old != now) != (s.Change == setting.ByReload):
				t.Errorf("the value was %q and is %q", old, now)
			case s.Kind == "secret":
				if how != "not shown" {
					t.Errorf("it is shown: %s", how)
				}
			case !strings.HasPrefix(how, old) && old != "" || !strings.Contains(how, " → ") || s.Change == setting.ByReload && now != "" && !strings.HasSuffix(how, now):
				t.Errorf("it was %q and is %q, and %q is told", old, now, how)
			}
		})
	}
}

// TestReloadExceptions checks the changes for which settings need an upgrade that otherwise do not.
func TestReloadExceptions(t *testing.T) {
	noHooks := map[string]string{"hook_secret_file": ""}
	for _, key := range hookKeys {
		noHooks[key] = ""
	}
	store := func(rooms, open string) map[string]string {
		return map[string]string{"engine": "embedded", "data": "/nowhere", "rooms": "[" + rooms + "]", "open": open}
	}
	const news, lobby, short = "{match: news, history: 10, allow: {join: anonymous}}", "{match: lobby, history: 10, allow: {join: anonymous}}", "{match: brief*, history: 10, history_age: 1h, allow: {join: anonymous}}"
	for name, c := range map[string]struct {
		base, others map[string]string
		upgrade      string
	}{
		"a room more in a store":        {store(news, "true"), store(lobby+", "+news, "true"), ""},
		"a room less":                   {store(lobby+", "+news, "true"), store(news, "true"), ""},
		"another name":                  {store(short+", "+news, "true"), store(short+", {match: new*, history: 10, allow: {join: user}}", "true"), ""},
		"another order":                 {store(short+", "+news+", "+lobby, "true"), store(lobby+", "+short+", "+news, "true"), ""},
		"others may not come any more":  {store(news, "true"), store(news, "false"), ""},
		"others may come":               {store(news, "false"), store(news, "true"), ""},
		"a room takes some of an age":   {store(short, "true"), store("{match: 'brief-*', history: 10, allow: {join: anonymous}}, "+short, "true"), "rooms"},
		"a room of another age is gone": {store(short, "true"), store(news, "true"), "rooms"},
		"a room without a history":      {store(news, "true"), store(news+", {match: secret, allow: {join: user}}", "true"), "rooms"},
		"the last hook":                 {nil, noHooks, ""},
		"the last certificate":          {nil, map[string]string{"tls_cert": "", "tls_key": "", "tls_listen": ""}, "tls_cert tls_key tls_listen"},
		"the last key":                  {nil, map[string]string{"token_secret_file": ""}, ""},
		"another key":                   {nil, map[string]string{"token_secret_file": "", "token_secret": longSecret}, ""},
		"clients without a token":       {map[string]string{"rooms": ""}, map[string]string{"open": "true"}, ""},
		"others without a token":        {nil, map[string]string{"rooms": "[{match: b, allow: {join: anonymous}}]"}, ""},
		"an age in memory":              {map[string]string{"open": "true"}, map[string]string{"history_age": "1h"}, ""},
		"an age in a store":             {map[string]string{"open": "true", "engine": "embedded", "data": "/nowhere"}, map[string]string{"history_age": "1h"}, "history_age"},
		"an age of rooms in one":        {map[string]string{"open": "true", "engine": "embedded", "data": "/nowhere"}, map[string]string{"rooms": "[{match: a, history: 10, history_age: 1h, allow: {join: anonymous}}]"}, "rooms"},
		"another number of a room":      {map[string]string{"rooms": "[{match: a, history: 10, allow: {join: anonymous}}]", "engine": "embedded", "data": "/nowhere"}, map[string]string{"rooms": "[{match: a, history: 20, allow: {join: anonymous}}]"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			r := newReloadable(t)
			maps.Copy(r.base, c.base)
			_, next := r.reload(c.others)
			if got := strings.Join(keysOf(next.Upgrade), " "); got != c.upgrade {
				t.Errorf("%q need an upgrade, want %q; changed are %v", got, c.upgrade, next.Changed)
			}
			if changed := keysOf(next.Changed); c.base["rooms"] != c.others["rooms"] && c.others["rooms"] != "" && !slices.Contains(changed, "rooms") {
				t.Errorf("%v are in force, and other entries of rooms are not", changed)
			}
		})
	}
}

// TestReloadDefaults checks that a setting whose default is another one because of a setting that needs a restart waits for that, too.
func TestReloadDefaults(t *testing.T) {
	r := newReloadable(t)
	r.base["rate_send"] = "777/1m"
	c, next := r.reload(map[string]string{"dev": "true", "listen": "127.0.0.1:0", "rate_send": "778/1m"})
	keys := keysOf(next.Restart)
	if !slices.Contains(keys, "rate_join") || !slices.Contains(keys, "dev") || next.RateJoin != c.RateJoin || next.Dev {
		t.Errorf("%v need a restart; rate_join is %v", keys, next.RateJoin)
	}
	if next.RateSend.N != 778 {
		t.Errorf("rate_send is %v", next.RateSend)
	}
}

// TestReloadApart checks that a reload changes nothing if the new settings are valid together, but not with the old values of those
// that a reload cannot change, and says so.
func TestReloadApart(t *testing.T) {
	r := newReloadable(t)
	r.base["internal"], r.base["api_key_file"] = "", ""
	c, err := Load(new(Settings), nil, nil, r.write(nil))
	if err != nil {
		t.Fatal(err)
	}
	old, err := c.Prepare()
	if err != nil {
		t.Fatal(err)
	}
	defer old.Close()
	r.write(map[string]string{"internal": "127.0.0.1:9500", "api_key_file": r.path("secret")})
	_, err = c.Reload(old)
	if err == nil || !strings.Contains(err.Error(), "a reload cannot change internal") || !strings.Contains(err.Error(), "use webim upgrade instead") {
		t.Errorf("%v", err)
	}
}
