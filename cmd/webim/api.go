package main

import (
	"cmp"
	"fmt"
	"io"
	"net"
	"net/http"

	"slices"

	"webim/netpoll"
	"webim/room/api"
	"webim/room/apikey"
)

// handlers makes the HTTP handlers for requests that are not WebSockets: for the clients'
// addresses (p.pages), and for the internal address, which it returns.
func (p *program) handlers() (inside http.Handler, err error) {
	if p.guard, err = apikey.NewGuard(p.APIKeys, p.cfg.APIHost); err != nil {
		return nil, err
	}
	if err := p.newFeed(); err != nil {
		return nil, err
	}
	server, err := api.New(api.Config{Hub: p.hub, Guard: p.guard, Logger: p.log})
	if err != nil {
		return nil, err
	}
	pages, inside := p.site, p.liveOver(http.NotFoundHandler())
	if p.cfg.Dev {
		pages = p.liveOver(pages)
	}
	p.gate.Postpone = netpoll.Postpone
	gated := p.gate.Over(server)
	inside = apiOver(gated, inside, p.guard.HasKeys)
	pages = apiOver(gated, pages, p.apiOutside)
	if p.ACME != nil {
		pages = p.ACME.Over(pages)
	}
	p.pages = p.health.Over(upgradeOver(pages, p.log))
	return p.health.Over(inside), nil
}

// apiOver returns a handler that passes the API's paths to server while served returns true, and all others to rest.
func apiOver(server, rest http.Handler, served func() bool) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if api.Serves(r.URL.Path) && served() {
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
