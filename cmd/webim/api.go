package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"webim/room/api"
	"webim/web"
)

// minAPIKey is the least length of a key that nobody guesses, in bytes.
const minAPIKey = 16

// validateAPI judges the settings of the API but for its files.
func (c *config) validateAPI() error {
	given := c.apiKeyGiven() || len(c.APIKeyFile) > 0
	switch {
	case c.API && !given && !c.Dev:
		return usagef("%s needs a key: add --api-key-file FILE.", c.place("api"))
	case given && !c.API && c.Internal == "":
		return usagef("%s is of no use where nobody can ask: add --internal 127.0.0.1:9500, or --api.", c.place(c.whichKey()))
	case len(c.APIHost) > 0 && !c.API && c.Internal == "":
		return usagef("%s is of no use where nobody can ask: add --internal 127.0.0.1:9500, or --api.", c.place("api_host"))
	}
	for _, host := range c.APIHost {
		if host == "" || strings.ContainsAny(host, ":/*[] ") {
			return usagef("%s: %q is no name: write one as chat.example.com, without a port.", c.place("api_host"), host)
		}
	}
	return nil
}

// apiKeyGiven reports whether api_key is set, be it to nothing.
func (c *config) apiKeyGiven() bool {
	_, given := c.origins[lookup("api_key", (*setting).key)]
	return given
}

func (c *config) whichKey() string {
	if c.apiKeyGiven() {
		return "api_key"
	}
	return "api_key_file"
}

// apiKeys reads the keys that the settings name, of which none is empty; with
// --dev and none named one is made. The error is a usageError.
func (c *config) apiKeys() ([]string, error) {
	var keys []string
	if c.apiKeyGiven() {
		if err := c.checkAPIKey(c.place("api_key"), c.APIKey); err != nil {
			return nil, err
		}
		keys = append(keys, c.APIKey)
	}
	for _, file := range c.APIKeyFile {
		b, err := readKeyFile(file)
		if err != nil {
			return nil, usagef("%s: %v.", c.place("api_key_file"), err)
		}
		key := string(lastBreakCut(b))
		if err := c.checkAPIKey(c.place("api_key_file")+" "+file, key); err != nil {
			return nil, err
		}
		keys = append(keys, key)
	}
	if len(keys) == 0 && c.Dev {
		keys = []string{rand.Text()}
	}
	return keys, nil
}

// checkAPIKey judges one key.
func (c *config) checkAPIKey(place, key string) error {
	const advice = "write at least 16 random bytes, as openssl rand -hex 16 prints"
	switch {
	case key == "":
		return usagef("%s is empty, so that anybody could ask for anything: %s.", place, advice)
	case strings.TrimSpace(key) != key || strings.ContainsFunc(key, func(r rune) bool { return r < ' ' || r > '~' }):
		return usagef("%s has characters that no header can carry, or spaces around it: %s.", place, advice)
	case len(key) < minAPIKey && !c.Insecure:
		return usagef("%s has %d bytes and can be guessed: %s, or set insecure to try it out.", place, len(key), advice)
	}
	return nil
}

// handlers answer what is no WebSocket: where clients connect, and inside.
func (p *program) handlers() (pages, inside http.Handler, err error) {
	pages, inside = web.Handler(), http.NotFoundHandler()
	if len(p.keys) > 0 {
		server, err := api.New(api.Config{Hub: p.hub, Keys: p.keys, Hosts: p.cfg.APIHost, Logger: p.log})
		if err != nil {
			return nil, nil, err
		}
		inside = apiOver(server, inside)
		if p.cfg.API {
			pages = apiOver(server, pages)
		}
	}
	return p.health.over(pages), p.health.over(inside), nil
}

// apiOver has the API's paths answered by it, and the rest by another.
func apiOver(server *api.Handler, rest http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if api.Serves(r.URL.Path) {
			server.ServeHTTP(w, r)
		} else {
			rest.ServeHTTP(w, r)
		}
	})
}

// internal is the listener that is not for the world: plain net/http, since few
// ask there.
type internal struct {
	addr   net.Addr
	server *http.Server
	served chan struct{}
}

// openInternal opens it.
func (p *program) openInternal(h http.Handler) (*internal, error) {
	a, err := parseAddress(p.cfg.Internal)
	if err != nil {
		return nil, err
	}
	a.clear()
	l := a.listener()
	ln, err := net.Listen(l.Network, l.Addr)
	if err != nil {
		return nil, a.cannotListen(p.cfg.Internal, err)
	}
	in := &internal{addr: ln.Addr(), served: make(chan struct{}), server: &http.Server{
		Handler: h, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: time.Minute, WriteTimeout: time.Minute,
		IdleTimeout: time.Minute, MaxHeaderBytes: 8 << 10,
		ErrorLog: slog.NewLogLogger(p.log.Handler(), slog.LevelDebug),
	}}
	go func() {
		defer close(in.served)
		if err := in.server.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
			p.log.Error("the internal listener failed", "addr", in.addr.String(), "err", err)
		}
	}()
	if !a.local() {
		p.log.Warn("the internal address can be reached from other machines: see that only yours can", "addr", in.addr.String())
	}
	p.log.Info("listening", "addr", in.addr.String(), "network", in.addr.Network(), "internal", true)
	return in, nil
}

// close ends it, after the clients: until then a balancer may still ask.
func (in *internal) close(ctx context.Context) {
	if in == nil {
		return
	}
	if in.server.Shutdown(ctx) != nil {
		_ = in.server.Close()
	}
	<-in.served
}

// greetAPI says, with --dev, where the API is, and the key that was made.
func (p *program) greetAPI(out io.Writer) {
	base := ""
	if p.inner != nil {
		if addr, ok := p.inner.addr.(*net.TCPAddr); ok {
			base = "http://" + addr.String()
		}
	} else if i := slices.IndexFunc(p.plain, func(a net.Addr) bool { return a.Network() == "tcp" }); i >= 0 && p.cfg.API {
		base = "http://" + p.plain[i].String()
	}
	if base == "" {
		return
	}
	fmt.Fprintf(out, "webim: the server API is at %s%s", base, api.Prefix)
	if !p.cfg.apiKeyGiven() && len(p.cfg.APIKeyFile) == 0 {
		fmt.Fprintf(out, ", its key is %s", p.keys[0])
	}
	fmt.Fprintln(out)
}
