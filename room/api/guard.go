package api

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"net"
	"net/netip"
	"slices"
	"strings"
)

// Guard judges who may ask, and by which name. Whatever else is behind the same
// keys asks it too. It may be called from any goroutine.
type Guard struct {
	keys  [][sha256.Size]byte
	hosts []string
}

// NewGuard makes a Guard of keys, of which none may be empty, and of the names,
// without ports, that requests may be for. Without keys, none is good.
func NewGuard(keys, hosts []string) (*Guard, error) {
	g := &Guard{hosts: hosts}
	for _, key := range keys {
		if key == "" {
			return nil, errors.New("api: a key is empty, and would let in who has none")
		}
		g.keys = append(g.keys, sha256.Sum256([]byte(key)))
	}
	return g, nil
}

// IsKey reports whether it is one of the keys. How long that takes tells nothing of
// them: sums are compared, and all of them.
func (g *Guard) IsKey(key string) bool {
	sum, found := sha256.Sum256([]byte(key)), 0
	for _, good := range g.keys {
		found |= subtle.ConstantTimeCompare(sum[:], good[:])
	}
	return found == 1
}

// KnowsHost tells whether a Host header is for this server: an address, localhost
// or a name that is configured, and not one that somebody has pointed here.
func (g *Guard) KnowsHost(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	if _, err := netip.ParseAddr(host); err == nil || strings.EqualFold(host, "localhost") {
		return true
	}
	return slices.ContainsFunc(g.hosts, func(good string) bool { return strings.EqualFold(host, good) })
}
