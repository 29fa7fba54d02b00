package config

import (
	"cmp"
	"crypto/rand"
	"slices"
	"strings"
	"unicode"

	"webim/cmd/webim/internal/listen"
	"webim/cmd/webim/internal/operator"
	"webim/cmd/webim/internal/secrets"
	"webim/room/api"
	"webim/room/apikey"
)

// minAPIKey is the minimum length of an API key in bytes; a shorter one could be guessed.
const minAPIKey = 16

// validateAPI validates the settings of the API, except the contents of files.
func (c *Config) validateAPI() error {
	given := c.Given("api_key") || len(c.APIKeyFile) > 0
	switch {
	case c.API && !given && !c.Dev:
		return c.mistake("api", " needs a key: add {api_key_file FILE}.")
	case c.Given("internal") && c.Internal != "" && !given && !c.Dev && !c.hasTokenKeys() && !c.MetricsOpen:
		return c.mistake("internal", " has no effect without a key, which opens the API and the live picture: add {api_key_file FILE}.")
	case c.MetricsOpen && c.Internal == "":
		return c.mistake("metrics_open", " has no effect without an internal address: add {internal 127.0.0.1:9500}.")
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

func (c *Config) whichKey() string {
	if c.Given("api_key") {
		return "api_key"
	}
	return "api_key_file"
}

// apiKeys reads the API keys; an empty key is an error. With --dev and no key configured, it
// makes one. The error is a UsageError.
func (c *Config) apiKeys() ([]apikey.Key, error) {
	var keys []apikey.Key
	if c.Given("api_key") {
		if err := c.checkAPIKey(c.place("api_key"), c.APIKey); err != nil {
			return nil, err
		}
		keys = append(keys, apikey.Key{Name: apiKeyName, Secret: c.APIKey})
	}
	for _, text := range c.APIKeyFile {
		name, file := secrets.Split(text)
		secret, err := secrets.Read(file)
		if err != nil {
			return nil, Usagef("%s: %v.", c.place("api_key_file"), err)
		}
		if err := c.checkAPIKey(c.place("api_key_file")+" "+text, secret); err != nil {
			return nil, err
		}
		keys = append(keys, apikey.Key{Name: cmp.Or(name, file), Secret: secret})
	}
	if len(keys) == 0 && c.Dev {
		keys = []apikey.Key{{Name: madeKey, Secret: rand.Text()}}
	}
	return keys, c.grantKeys(keys)
}

// NextAPIKeys reads the API keys of the settings as a reload would read them now. Any goroutine may call it. The error is a UsageError.
func (c *Config) NextAPIKeys() ([]apikey.Key, error) {
	next, err := c.again()
	if err != nil {
		return nil, err
	}
	return next.apiKeys()
}

// OperatorKey returns the secret of a configured key that has a right of package operator, for a command that asks the running
// server. The error is a UsageError that says what the settings lack.
func (c *Config) OperatorKey(right string) (string, error) {
	signals := ""
	if right == operator.RightReload || right == operator.RightUpgrade {
		signals = ", or send the process a signal, see the manual"
	}
	if c.Internal == "" || listen.IsAnyPort(c.Internal) {
		return "", Usagef("this command asks the running server at its internal address, and the settings name none: add --internal ADDR%s.", signals)
	}
	keys, err := c.apiKeys()
	if err != nil {
		return "", err
	}
	for _, key := range keys {
		if opens := func(r apikey.Right) bool { return r.Method == right }; key.Name != madeKey && (len(key.Rights) == 0 || slices.ContainsFunc(key.Rights, opens)) {
			return key.Secret, nil
		}
	}
	return "", Usagef("this command asks the running server with a key of the API, and the settings have none with the right %s: add --api-key-file FILE%s.", right, signals)
}

const (
	apiKeyName = "api_key" // the name of the key of that setting
	madeKey    = "dev"     // the name of the key that --dev makes if none is configured
)

// grantKeys assigns the keys their rights. A key without a configured right opens everything.
func (c *Config) grantKeys(keys []apikey.Key) error {
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
		r, err := parseRight(right)
		if err != nil {
			return c.mistake("api_key_rights", ": %v.", err)
		}
		keys[i].Rights = append(keys[i].Rights, r)
	}
	return nil
}

// parseRight parses the right to call a method of the API, or to see a path for operators.
func parseRight(text string) (apikey.Right, error) {
	if slices.Contains(operator.Rights, text) {
		return apikey.ParseRight(text)
	}
	return api.ParseRight(text)
}

// checkAPIKey validates one key.
func (c *Config) checkAPIKey(place, key string) error {
	const advice = "write at least 16 random bytes, as openssl rand -hex 16 prints"
	switch {
	case key == "":
		return Usagef("%s is empty, so that anybody could call the API: %s.", place, advice)
	case strings.TrimSpace(key) != key || strings.ContainsFunc(key, func(r rune) bool { return r < ' ' || r > '~' }):
		return Usagef("%s has spaces around it, or characters that an HTTP header cannot carry: %s.", place, advice)
	case len(key) < minAPIKey && !c.Insecure:
		return Usagef("%s has %d bytes and can be guessed: %s, or set insecure to try it out.", place, len(key), advice)
	}
	return nil
}
