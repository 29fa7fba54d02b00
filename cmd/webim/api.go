package main

import (
	"cmp"
	"crypto/rand"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"unicode"

	"webim/room/api"
	"webim/room/apikey"
	"webim/web"
)

// minAPIKey is the minimum length of an API key in bytes; a shorter one could be guessed.
const minAPIKey = 16

// validateAPI validates the settings of the API, except the contents of files.
func (c *config) validateAPI() error {
	given := c.given("api_key") || len(c.APIKeyFile) > 0
	switch {
	case c.API && !given && !c.Dev:
		return c.mistake("api", " needs a key: add {api_key_file FILE}.")
	case c.given("internal") && c.Internal != "" && !given && !c.Dev && !c.hasTokenKeys():
		return c.mistake("internal", " has no effect without a key, which opens the API and the live picture: add {api_key_file FILE}.")
	case given && !c.API && c.Internal == "":
		return c.mistake(c.whichKey(), nobodyCanAsk)
	case len(c.APIHost) > 0 && !c.API && c.Internal == "":
		return c.mistake("api_host", nobodyCanAsk)
	}
	for _, host := range c.APIHost {
		if host == "" || strings.ContainsAny(host, ":/*[] ") {
			return c.mistake("api_host", ": %q is not a host name: write one as chat.example.com, without a port.", host)
		}
	}
	return nil
}

const nobodyCanAsk = " has no effect, because the API is not served: add {internal 127.0.0.1:9500} or {api true}."

func (c *config) whichKey() string {
	if c.given("api_key") {
		return "api_key"
	}
	return "api_key_file"
}

// apiKeys reads the API keys; an empty key is an error. With --dev and no key configured, it
// makes one. The error is a usageError.
func (c *config) apiKeys() ([]apikey.Key, error) {
	var keys []apikey.Key
	if c.given("api_key") {
		if err := c.checkAPIKey(c.place("api_key"), c.APIKey); err != nil {
			return nil, err
		}
		keys = append(keys, apikey.Key{Name: "api_key", Secret: c.APIKey})
	}
	for _, text := range c.APIKeyFile {
		name, file := splitKeyFile(text)
		secret, err := readSecret(file)
		if err != nil {
			return nil, usagef("%s: %v.", c.place("api_key_file"), err)
		}
		if err := c.checkAPIKey(c.place("api_key_file")+" "+text, secret); err != nil {
			return nil, err
		}
		keys = append(keys, apikey.Key{Name: cmp.Or(name, file), Secret: secret})
	}
	if len(keys) == 0 && c.Dev {
		keys = []apikey.Key{{Name: "dev", Secret: rand.Text()}}
	}
	return keys, c.grantKeys(keys)
}

// grantKeys assigns the keys their rights. A key without a configured right opens everything.
func (c *config) grantKeys(keys []apikey.Key) error {
	at := map[string]int{}
	for i, k := range keys {
		if _, twice := at[k.Name]; twice || strings.ContainsFunc(k.Name, unicode.IsControl) {
			return c.mistake("api_key_file", ": %q is not a valid name, or two keys have it: give each key its own name, as ci=FILE.", k.Name)
		}
		at[k.Name] = i
	}
	for _, text := range c.APIKeyRights {
		name, right, ok := strings.Cut(text, "=")
		i, known := at[name]
		switch {
		case !ok:
			return c.mistake("api_key_rights", ": %q is not a right: write it as ci=publish@team-*.", text)
		case !known:
			return c.mistake("api_key_rights", ": there is no key %q: name its file, as ci=FILE in {api_key_file}.", name)
		}
		r, err := api.ParseRight(right)
		if err != nil {
			return c.mistake("api_key_rights", ": %v.", err)
		}
		keys[i].Rights = append(keys[i].Rights, r)
	}
	return nil
}

// checkAPIKey validates one key.
func (c *config) checkAPIKey(place, key string) error {
	const advice = "write at least 16 random bytes, as openssl rand -hex 16 prints"
	switch {
	case key == "":
		return usagef("%s is empty, so that anybody could call the API: %s.", place, advice)
	case strings.TrimSpace(key) != key || strings.ContainsFunc(key, func(r rune) bool { return r < ' ' || r > '~' }):
		return usagef("%s has spaces around it, or characters that an HTTP header cannot carry: %s.", place, advice)
	case len(key) < minAPIKey && !c.Insecure:
		return usagef("%s has %d bytes and can be guessed: %s, or set insecure to try it out.", place, len(key), advice)
	}
	return nil
}

// handlers returns the HTTP handlers for requests that are not WebSockets: for the clients'
// addresses (pages), and for the internal address (inside).
func (p *program) handlers() (pages, inside http.Handler, err error) {
	pages, inside = web.Handler(), http.NotFoundHandler()
	if err := p.newFeed(); err != nil {
		return nil, nil, err
	}
	if p.feed != nil {
		inside = p.liveOver(inside)
		if p.cfg.Dev {
			pages = p.liveOver(pages)
		}
	}
	if len(p.apiKeys) > 0 {
		server, err := api.New(api.Config{Hub: p.hub, Keys: p.apiKeys, Hosts: p.cfg.APIHost, Logger: p.log})
		if err != nil {
			return nil, nil, err
		}
		inside = apiOver(server, inside)
		if p.cfg.API {
			pages = apiOver(server, pages)
		}
	}
	return p.health.over(upgradeOver(pages)), p.health.over(inside), nil
}

// apiOver returns a handler that passes the API's paths to server and all others to rest.
func apiOver(server *api.Handler, rest http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if api.Serves(r.URL.Path) {
			server.ServeHTTP(w, r)
		} else {
			rest.ServeHTTP(w, r)
		}
	})
}

// greetAPI prints, with --dev, the addresses of the API and of the live picture, and the key
// that apiKeys made.
func (p *program) greetAPI(out io.Writer) {
	key := ""
	if !p.cfg.given("api_key") && len(p.cfg.APIKeyFile) == 0 {
		key = p.apiKeys[0].Secret
	}
	inside, outside := p.bases()
	base := inside
	if base == "" && p.cfg.API {
		base = outside
	}
	if base != "" {
		fmt.Fprintf(out, "webim: the server API is at %s%s", base, api.Prefix)
		if key != "" {
			fmt.Fprintf(out, ", its key is %s", key)
		}
		fmt.Fprintln(out)
	}
	picture := cmp.Or(inside, outside) // prefer the internal address: there the live picture can always call the API
	if picture == "" {
		return
	}
	fmt.Fprintf(out, "webim: the live picture is at %s%s", picture, livePrefix)
	switch {
	case key != "" && base == "":
		fmt.Fprintf(out, ", its key is %s", key)
	case key != "":
		fmt.Fprint(out, ", with the same key")
	}
	fmt.Fprintln(out)
}

// bases returns the URLs, without paths, of the internal address and of the clients' address;
// "" if there is none that a browser can open.
func (p *program) bases() (inside, outside string) {
	if p.inner != nil {
		if addr, ok := p.inner.addr.(*net.TCPAddr); ok {
			inside = "http://" + addr.String()
		}
	}
	for _, of := range []struct {
		scheme string
		addrs  []net.Addr
	}{{"http", p.plain}, {"https", p.secure}} {
		i := slices.IndexFunc(of.addrs, func(a net.Addr) bool { return a.Network() == "tcp" })
		if i >= 0 && outside == "" {
			outside = of.scheme + "://" + of.addrs[i].String()
		}
	}
	return inside, outside
}
