package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"webim/room"
	"webim/room/api"
)

// hookKeys are the settings of the hooks' addresses.
var hookKeys = [room.NumHooks]string{"hook_connect", "hook_refresh", "hook_subscribe", "hook_publish", "hook_rpc", "hook_disconnect"}

// hookURLs are the hooks' addresses, in their order.
func (c *config) hookURLs() [room.NumHooks]string {
	return [room.NumHooks]string{c.HookConnect, c.HookRefresh, c.HookSubscribe, c.HookPublish, c.HookRPC, c.HookDisconnect}
}

// hooked reports whether a backend is to be asked, or told, anything.
func (c *config) hooked() bool { return c.hookURLs() != [room.NumHooks]string{} }

// hookPlaces is how many requests to the backend may be under way, each of which
// has a connection: each hook has places of its own, and notices of disconnects come
// one after the other.
func (c *config) hookPlaces() (n int) {
	for k, url := range c.hookURLs() {
		switch {
		case url == "":
		case room.Hook(k) == room.HookDisconnect:
			n++
		default:
			n += c.HookConcurrency
		}
	}
	return n
}

// validateHooks judges the settings of the hooks but for their files.
func (c *config) validateHooks() error {
	for i, text := range c.hookURLs() {
		if text == "" {
			continue
		}
		if err := c.checkHookURL(text); err != nil {
			return usagef("%s: %v.", c.place(hookKeys[i]), err)
		}
	}
	if c.HookRefresh != "" && c.HookConnect == "" {
		return c.mistake("hook_refresh", " is of no use without {hook_connect}: only clients that it let in are asked for again.")
	}
	for _, name := range c.HookOpen {
		if !slices.Contains([]string{"connect", "subscribe", "publish", "rpc"}, name) {
			return c.mistake("hook_open", ": %q is none of connect, subscribe, publish and rpc.", name)
		}
		if i := slices.Index(hookKeys[:], "hook_"+name); c.hookURLs()[i] == "" {
			return c.mistake("hook_open", ": there is no hook %s without which things could go on: add {hook_"+name+" URL}, or leave %s out.", name, name)
		}
	}
	for _, name := range c.HookHeaders {
		if !isHeaderName(name) || slices.Contains(ownHeaders, http.CanonicalHeaderKey(name)) {
			return c.mistake("hook_headers", ": %q is no header that can be passed on.", name)
		}
	}
	if c.given("hook_secret") && c.HookSecretFile != "" {
		return usagef("%s is there, and %s too: remove one.", c.place("hook_secret"), c.place("hook_secret_file"))
	}
	if len(c.HookRooms) > 0 && c.HookSubscribe == "" && c.HookPublish == "" {
		return c.mistake("hook_rooms", " is of no use without a hook that asks about rooms: add {hook_subscribe URL} or {hook_publish URL}.")
	}
	return nil
}

// ownHeaders are those that a request to a hook has of its own, or that are about
// its connection and not the client's.
var ownHeaders = []string{"Accept-Encoding", "Connection", "Content-Encoding", "Content-Length", "Content-Type", "Expect", "Host",
	"Keep-Alive", "Te", "Trailer", "Transfer-Encoding", "Upgrade", api.SignatureHeader}

// isHeaderName tells whether a name is a token, as headers' are (RFC 9110, section
// 5.6.2).
func isHeaderName(name string) bool {
	return name != "" && !strings.ContainsFunc(name, func(r rune) bool {
		return r <= ' ' || r >= 0x7f || strings.ContainsRune(`"(),/:;<=>?@[\]{}`, r)
	})
}

// checkHookURL: what users say, and who they are, does not go over a network in
// the clear.
func (c *config) checkHookURL(text string) error {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.User != nil || u.Fragment != "" || u.Scheme != "http" && u.Scheme != "https" {
		return fmt.Errorf("%q is no address: write it as https://backend.example.com/webim/connect", text)
	}
	if ip := net.ParseIP(u.Hostname()); u.Scheme == "https" || c.Insecure || u.Hostname() == "localhost" || ip != nil && ip.IsLoopback() {
		return nil
	}
	return fmt.Errorf("%s would send in the clear what users say: write https, or set insecure to try it out", text)
}

// hooksOf makes the hooks that the settings ask for; nil: none.
func (p *program) hooksOf() *api.Hooks {
	c := p.cfg
	if !c.hooked() {
		return nil
	}
	hc := api.HooksConfig{URLs: c.hookURLs(), Rooms: c.HookRooms, Timeout: c.HookTimeout, Secret: p.hookSecret, Concurrency: c.HookConcurrency, Logger: p.log}
	for _, name := range c.HookHeaders {
		hc.Headers = append(hc.Headers, http.CanonicalHeaderKey(name))
	}
	for k := range room.NumHooks {
		hc.Open[k] = slices.Contains(c.HookOpen, k.String())
	}
	return api.NewHooks(hc)
}

// minHookSecret is the least length of a secret that nobody guesses, in bytes.
const minHookSecret = 32

// hookSecret is what the hooks' requests are signed with; "": none is given. The
// error is a usageError.
func (c *config) hookSecret() (string, error) {
	secret, place := c.HookSecret, "hook_secret"
	switch {
	case c.HookSecretFile != "":
		var err error
		if secret, err = readSecret(c.HookSecretFile); err != nil {
			return "", usagef("%s: %v.", c.place("hook_secret_file"), err)
		}
		place = "hook_secret_file"
	case !c.given("hook_secret"):
		return "", nil
	}
	if err := checkSecret(secret); err != nil {
		return "", usagef("%s %v.", c.place(place), err)
	}
	const advice = "write at least 32 random bytes, as openssl rand -hex 32 prints"
	switch {
	case secret == "":
		return "", usagef("%s is empty, so that nothing would be signed: %s.", c.place(place), advice)
	case len(secret) < minHookSecret && !c.Insecure:
		return "", usagef("%s has %d bytes and can be guessed: %s, or set insecure to try it out.", c.place(place), len(secret), advice)
	}
	return secret, nil
}

// hookWarnings are sentences without stops.
func (c *config) hookWarnings() []string {
	if !c.hooked() || c.given("hook_secret") || c.HookSecretFile != "" {
		return nil
	}
	return []string{"the hooks' requests are not signed, so that whoever reaches the backend can pretend to be this server: add --hook-secret-file FILE"}
}

// closeHooks lets what is to be told leave, for a moment.
func (p *program) closeHooks() {
	if p.hooks != nil {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		defer cancel()
		p.hooks.Close(ctx)
	}
}
