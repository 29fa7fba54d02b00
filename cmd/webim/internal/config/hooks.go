package config

import (
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"webim/cmd/webim/internal/secrets"
	"webim/room/backend"
	"webim/room/hooks"
)

// hookKeys are the settings with the URLs of the hooks.
var hookKeys = [backend.NumHooks]string{"hook_connect", "hook_refresh", "hook_subscribe", "hook_publish", "hook_rpc", "hook_disconnect"}

// hookURLs returns the URLs of the hooks, in the order of hookKeys.
func (c *Config) hookURLs() [backend.NumHooks]string {
	return [backend.NumHooks]string{c.HookConnect, c.HookRefresh, c.HookSubscribe, c.HookPublish, c.HookRPC, c.HookDisconnect}
}

// Hooked reports whether any hook is configured.
func (c *Config) Hooked() bool { return c.hookURLs() != [backend.NumHooks]string{} }

// hookPlaces returns the maximum number of concurrent requests to hooks; each has a connection.
// Every hook has HookConcurrency of its own, except disconnect, which sends one notice at a
// time.
func (c *Config) hookPlaces() (n int) {
	for k, url := range c.hookURLs() {
		switch {
		case url == "":
		case backend.Hook(k) == backend.HookDisconnect:
			n++
		default:
			n += c.HookConcurrency
		}
	}
	return n
}

// validateHooks validates the settings of the hooks, except the contents of files.
func (c *Config) validateHooks() error {
	for i, text := range c.hookURLs() {
		if text == "" {
			continue
		}
		if err := c.checkHookURL(text); err != nil {
			return Usagef("%s: %v.", c.place(hookKeys[i]), err)
		}
	}
	if c.HookRefresh != "" && c.HookConnect == "" {
		return c.mistake("hook_refresh", " has no effect without {hook_connect}: webim asks only about clients that it accepted.")
	}
	for _, name := range c.HookOpen {
		if !slices.Contains([]string{"connect", "subscribe", "publish", "rpc"}, name) {
			return c.mistake("hook_open", ": %q is unknown: write connect, subscribe, publish or rpc.", name)
		}
		if i := slices.Index(hookKeys[:], "hook_"+name); c.hookURLs()[i] == "" {
			return c.mistake("hook_open", ": the hook %s is not configured: add {hook_"+name+" URL}, or leave %s out.", name, name)
		}
	}
	for _, name := range c.HookHeaders {
		if !isHeaderName(name) || slices.Contains(ownHeaders, http.CanonicalHeaderKey(name)) {
			return c.mistake("hook_headers", ": %q is not a header that can be passed on.", name)
		}
	}
	if c.Given("hook_secret") && c.HookSecretFile != "" {
		return Usagef("%s is there, and %s too: remove one.", c.place("hook_secret"), c.place("hook_secret_file"))
	}
	if len(c.HookRooms) > 0 && c.HookSubscribe == "" && c.HookPublish == "" {
		return c.mistake("hook_rooms", " has no effect without a hook that asks about rooms: add {hook_subscribe URL} or {hook_publish URL}.")
	}
	return nil
}

// ownHeaders are the headers that hook requests set themselves, and those that concern only the
// connection and not the client's request.
var ownHeaders = []string{"Accept-Encoding", "Connection", "Content-Encoding", "Content-Length", "Content-Type", "Expect", "Host",
	"Keep-Alive", "Te", "Trailer", "Transfer-Encoding", "Upgrade", hooks.SignatureHeader}

// isHeaderName reports whether name is a token, as the names of headers must be (RFC 9110,
// section 5.6.2).
func isHeaderName(name string) bool {
	return name != "" && !strings.ContainsFunc(name, func(r rune) bool {
		return r <= ' ' || r >= 0x7f || strings.ContainsRune(`"(),/:;<=>?@[\]{}`, r)
	})
}

// checkHookURL validates the URL of a hook. Messages and identities of users must not cross a
// network unencrypted.
func (c *Config) checkHookURL(text string) error {
	u, err := url.Parse(text)
	if err != nil || u.Hostname() == "" || !hasValidPort(u) || u.User != nil || u.Fragment != "" || u.Scheme != "http" && u.Scheme != "https" {
		return fmt.Errorf("%q is not a URL: write it as https://backend.example.com/webim/connect", text)
	}
	if ip := net.ParseIP(u.Hostname()); u.Scheme == "https" || c.Insecure || u.Hostname() == "localhost" || ip != nil && ip.IsLoopback() {
		return nil
	}
	return fmt.Errorf("%s would send users' messages unencrypted: write https, or set insecure to try it out", text)
}

// hasValidPort reports whether a URL has no port, or one that exists.
func hasValidPort(u *url.URL) bool {
	n, err := strconv.ParseUint(u.Port(), 10, 16)
	return u.Port() == "" || err == nil && n > 0
}

// HooksConfig returns the configuration of the hooks, which have the secret of Prepared.
func (c *Config) HooksConfig(secret string) hooks.Config {
	hc := hooks.Config{URLs: c.hookURLs(), Rooms: c.HookRooms, Timeout: c.HookTimeout, Secret: secret, Concurrency: c.HookConcurrency}
	for _, name := range c.HookHeaders {
		hc.Headers = append(hc.Headers, http.CanonicalHeaderKey(name))
	}
	for k := range backend.NumHooks {
		hc.Open[k] = slices.Contains(c.HookOpen, k.String())
	}
	return hc
}

// minHookSecret is the minimum length of the hooks' secret in bytes; a shorter one could be
// guessed.
const minHookSecret = 32

// hookSecret returns the secret that signs the hooks' requests; "" if none is configured. The
// error is a UsageError.
func (c *Config) hookSecret() (string, error) {
	secret, place := c.HookSecret, "hook_secret"
	switch {
	case c.HookSecretFile != "":
		var err error
		if secret, err = secrets.Read(c.HookSecretFile); err != nil {
			return "", Usagef("%s: %v.", c.place("hook_secret_file"), err)
		}
		place = "hook_secret_file"
	case !c.Given("hook_secret"):
		return "", nil
	}
	if err := secrets.Check(secret); err != nil {
		return "", Usagef("%s %v.", c.place(place), err)
	}
	const advice = "write at least 32 random bytes, as openssl rand -hex 32 prints"
	switch {
	case secret == "":
		return "", Usagef("%s is empty, so that requests would not be signed: %s.", c.place(place), advice)
	case len(secret) < minHookSecret && !c.Insecure:
		return "", Usagef("%s has %d bytes and can be guessed: %s, or set insecure to try it out.", c.place(place), len(secret), advice)
	}
	return secret, nil
}

// hookWarnings returns sentences without final stops.
func (c *Config) hookWarnings() []string {
	if !c.Hooked() || c.Given("hook_secret") || c.HookSecretFile != "" {
		return nil
	}
	return []string{"the hooks' requests are not signed, so that whoever reaches the backend can pretend to be this server: add --hook-secret-file FILE"}
}
