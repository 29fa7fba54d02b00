package main

import (
	"cmp"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"

	"webim/room/api"
	"webim/web"
)

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
	if len(p.APIKeys) > 0 {
		server, err := api.New(api.Config{Hub: p.hub, Keys: p.APIKeys, Hosts: p.cfg.APIHost, Logger: p.log})
		if err != nil {
			return nil, nil, err
		}
		gated := p.gate.Over(server)
		inside = apiOver(gated, inside)
		if p.cfg.API {
			pages = apiOver(gated, pages)
		}
	}
	if p.ACME != nil {
		pages = p.ACME.Over(pages)
	}
	return p.health.Over(upgradeOver(pages, p.log)), p.health.Over(inside), nil
}

// apiOver returns a handler that passes the API's paths to server and all others to rest.
func apiOver(server, rest http.Handler) http.Handler {
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
	if !p.cfg.Given("api_key") && len(p.cfg.APIKeyFile) == 0 {
		key = p.APIKeys[0].Secret
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
