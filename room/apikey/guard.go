package apikey

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
)

// Guard checks keys and Host headers. It is safe for concurrent use.
type Guard struct{ now atomic.Pointer[rules] }

// rules are the keys and host names of a Guard. They do not change.
type rules struct {
	keys  []Key
	sums  [][sha256.Size]byte // of the keys' secrets
	hosts []string
}

// NewGuard returns a Guard with the given keys and host names, without ports. It returns an error
// if a secret is empty. Without keys, the Guard accepts none.
func NewGuard(keys []Key, hosts []string) (*Guard, error) {
	now := &rules{keys: keys, hosts: hosts}
	for _, key := range keys {
		if key.Secret == "" {
			return nil, errors.New("apikey: a key has an empty secret, which would let in requests without a key")
		}
		now.sums = append(now.sums, sha256.Sum256([]byte(key.Secret)))
	}
	g := new(Guard)
	g.now.Store(now)
	return g, nil
}

// Replace gives g the keys and host names of next: from now on, each call uses them.
func (g *Guard) Replace(next *Guard) { g.now.Store(next.now.Load()) }

// HasKeys reports whether there is any key.
func (g *Guard) HasKeys() bool { return len(g.now.Load().keys) > 0 }

// Find returns the key with the given secret, or nil. Its running time reveals nothing about the
// keys, because it compares hashes, and always all of them.
func (g *Guard) Find(secret string) *Key {
	now, sum, at := g.now.Load(), sha256.Sum256([]byte(secret)), -1
	for i, good := range now.sums {
		at = subtle.ConstantTimeSelect(subtle.ConstantTimeCompare(sum[:], good[:]), i, at)
	}
	if at < 0 {
		return nil
	}
	return &now.keys[at]
}

// IsKey reports whether secret belongs to a key that opens everything, which is a key without
// rights.
func (g *Guard) IsKey(secret string) bool {
	key := g.Find(secret)
	return key != nil && len(key.Rights) == 0
}

// KnowsHost reports whether a Host header is an IP address, localhost or a configured name. Any
// other name may be one that an attacker's DNS points at this server.
func (g *Guard) KnowsHost(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	if _, err := netip.ParseAddr(host); err == nil || strings.EqualFold(host, "localhost") {
		return true
	}
	return slices.ContainsFunc(g.now.Load().hosts, func(good string) bool { return strings.EqualFold(host, good) })
}
