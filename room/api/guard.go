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
	keys  []Key
	sums  [][sha256.Size]byte // of the keys' secrets
	hosts []string
}

// NewGuard makes a Guard of keys, of which no secret may be empty, and of the names,
// without ports, that requests may be for. Without keys, none is good.
func NewGuard(keys []Key, hosts []string) (*Guard, error) {
	g := &Guard{keys: keys, hosts: hosts}
	for _, key := range keys {
		if key.Secret == "" {
			return nil, errors.New("api: a key is empty, and would let in who has none")
		}
		g.sums = append(g.sums, sha256.Sum256([]byte(key.Secret)))
	}
	return g, nil
}

// find returns the key with a secret, nil if there is none. How long that takes tells
// nothing of the keys: sums are compared, and all of them.
func (g *Guard) find(secret string) *Key {
	sum, at := sha256.Sum256([]byte(secret)), -1
	for i, good := range g.sums {
		at = subtle.ConstantTimeSelect(subtle.ConstantTimeCompare(sum[:], good[:]), i, at)
	}
	if at < 0 {
		return nil
	}
	return &g.keys[at]
}

// IsKey reports whether it is one of the keys that open everything.
func (g *Guard) IsKey(secret string) bool {
	key := g.find(secret)
	return key != nil && len(key.Rights) == 0
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
