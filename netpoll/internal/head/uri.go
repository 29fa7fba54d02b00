package head

import (
	"bytes"
	"net"
	"net/url"
	"slices"
	"strings"
)

// Path returns the unescaped path of a URI, at least "/". ok is false if the URI is malformed. Most
// paths consist of characters that stand for themselves, and then Path does not make a url.URL.
func Path(uri []byte) (path string, ok bool) {
	if uri[0] == '/' && !slices.ContainsFunc(uri, special) {
		uri, _, _ = bytes.Cut(uri, question)
		return string(uri), true
	}
	u, err := url.ParseRequestURI(string(uri))
	if err != nil {
		return "/", false
	}
	if u.Path == "" {
		return "/", true
	}
	return u.Path, true
}

// special reports whether a character of a URI may stand for another one, or may not be in a URI.
// RFC 3986, section 2.3, lists the characters that stand for themselves.
func special(c byte) bool {
	return !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("/-._~?=&", c) >= 0)
}

// Query returns the parameters of a URI that are well-formed; nil if it has none.
func Query(uri []byte) url.Values {
	_, query, _ := bytes.Cut(uri, question)
	if len(query) == 0 {
		return nil
	}
	v, _ := url.ParseQuery(string(query))
	return v
}

// ParseOrigin reads the Origin header of a page. It returns the scheme, http or https, and the host
// with the port, in lower case and with the default port of the scheme if there is none. ok is false
// for all other values, for example "null".
func ParseOrigin(origin string) (scheme, hostPort string, ok bool) {
	scheme, host, ok := strings.Cut(strings.ToLower(origin), "://")
	port := map[string]string{"http": "80", "https": "443"}[scheme]
	if !ok || port == "" || host == "" || strings.ContainsAny(host, "/?#@\\ \t,") {
		return "", "", false
	}
	if name, own, err := net.SplitHostPort(host); err == nil {
		if name == "" || own == "" {
			return "", "", false
		}
		return scheme, net.JoinHostPort(name, own), true
	}
	name := host
	if bracketed := strings.HasPrefix(host, "[") && strings.HasSuffix(host, "]"); bracketed {
		name = host[1 : len(host)-1]
	}
	if strings.ContainsAny(name, "[]") || strings.Contains(name, ":") != (name != host) { // only IPv6 addresses have brackets
		return "", "", false
	}
	return scheme, net.JoinHostPort(name, port), true
}
