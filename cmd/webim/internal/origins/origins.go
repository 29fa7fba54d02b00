package origins

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strconv"
	"strings"

	"webim/netpoll"
)

// Browsers send an Origin header that names the page that opens a connection. Other programs
// send none and are not checked.

// Rule returns netpoll.Config.CheckOrigin. It accepts pages of this server and the listed
// origins, and with dev also pages of this machine, including files.
func Rule(list []string, dev bool) func(*netpoll.Request) bool {
	allowed := map[string]bool{}
	for _, origin := range list {
		allowed[canonical(origin)] = true
	}
	return func(q *netpoll.Request) bool {
		origin := q.Origin()
		return netpoll.SameOrigin(q) || allowed[canonical(origin)] || dev && fromHere(origin)
	}
}

// canonical returns the form of an origin for comparing: the scheme, the host in lower
// case, and the port, with the scheme's default port filled in. It returns an origin without a
// host, such as null, unchanged.
func canonical(origin string) string {
	if scheme, host, ok := netpoll.ParseOrigin(origin); ok {
		return scheme + "://" + host
	}
	return origin
}

// fromHere reports whether an origin is a page of this machine: from a server on loopback, or
// null, the origin of a page opened as a file. A sandboxed frame of any site has the origin
// null, too, so this rule is not for production.
func fromHere(origin string) bool {
	if origin == "null" {
		return true
	}
	scheme, host, _ := strings.Cut(origin, "://")
	if scheme != "http" && scheme != "https" {
		return false
	}
	if i := strings.LastIndexByte(host, ':'); i > strings.LastIndexByte(host, ']') {
		if _, err := strconv.ParseUint(host[i+1:], 10, 16); err != nil {
			return false
		}
		host = host[:i]
	}
	if inner, ok := strings.CutPrefix(host, "["); ok {
		host = strings.TrimSuffix(inner, "]")
	}
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback() && ip.Zone() == ""
}

// Check refuses an origin that can never match: browsers send only scheme, host and port,
// in lower case, without the scheme's default port.
func Check(text string) error {
	if text == "null" {
		return nil
	}
	if text == "*" {
		return errors.New("* would let every site that a user visits act in the user's name: list the origins that may connect")
	}
	u, err := url.Parse(text)
	if err != nil || u.Scheme == "" || u.Hostname() == "" {
		return fmt.Errorf("%q is not an origin: write scheme://host or scheme://host:port, as https://chat.example.com", text)
	}
	host := strings.ToLower(u.Host)
	if p := u.Port(); u.Scheme == "http" && p == "80" || u.Scheme == "https" && p == "443" || p == "" {
		host = strings.TrimSuffix(strings.TrimSuffix(host, p), ":")
	}
	if strings.ContainsFunc(host, func(r rune) bool { return r <= ' ' || r > '~' || r == '*' || r == '%' }) {
		return fmt.Errorf("%q has characters that no browser sends: write the host in ASCII (punycode), without wildcards", text)
	}
	if want := strings.ToLower(u.Scheme) + "://" + host; text != want {
		return fmt.Errorf("%q is not what browsers send: write %s", text, want)
	}
	return nil
}
