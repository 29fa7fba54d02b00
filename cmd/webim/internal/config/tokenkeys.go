package config

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"slices"
	"strings"

	"webim/cmd/webim/internal/jwkslog"
	"webim/cmd/webim/internal/secrets"
	"webim/room/token"
)

// VerifierOf returns the configured verifier of tokens, with the keys from tokenKeys; it
// reports the fetches of the JWKS to log. Without any key no token is valid. Nothing is fetched before Start. The error is a UsageError.
func (c *Config) VerifierOf(keys []token.Key, log *jwkslog.Log) (*token.Verifier, error) {
	if len(keys) == 0 && c.TokenJWKS == "" {
		return &token.Verifier{}, nil
	}
	v, err := token.New(token.Config{
		Keys: keys, JWKS: c.TokenJWKS, Refresh: c.TokenJWKSRefresh,
		Issuer: c.TokenIssuer, Audience: c.TokenAudience, Leeway: c.TokenLeeway, Insecure: c.Insecure,
		Report: log.Failed, Recovered: log.Recovered,
	})
	if err != nil {
		if strings.Contains(err.Error(), "JWKS") {
			return nil, c.mistake("token_jwks", ": %v.", err)
		}
		return nil, Usagef("%v.", err) // the error begins with the key's name
	}
	return v, nil
}

// hasTokenKeys reports whether the settings name any key of tokens.
func (c *Config) hasTokenKeys() bool {
	return c.Given("token_secret") || len(c.TokenSecretFile)+len(c.TokenPublicKey) > 0 || c.TokenJWKS != ""
}

// TokenKeys reads the configured keys of tokens. It includes a secret that is given but empty,
// so that token.New refuses it.
func (c *Config) TokenKeys() ([]token.Key, error) {
	var keys []token.Key
	if c.Given("token_secret") {
		if err := secrets.Check(c.TokenSecret); err != nil {
			return nil, Usagef("%s %v.", c.place("token_secret"), err)
		}
		keys = append(keys, token.Key{Name: c.place("token_secret"), Secret: []byte(c.TokenSecret)})
	}
	for _, text := range c.TokenSecretFile {
		id, path := secrets.Split(text)
		secret, err := secrets.Read(path)
		if err != nil {
			return nil, Usagef("%s: %v.", c.place("token_secret_file"), err)
		}
		keys = append(keys, token.Key{ID: id, Name: c.place("token_secret_file") + " " + text, Secret: []byte(secret)})
	}
	for _, text := range c.TokenPublicKey {
		k, err := readKey(text)
		if err != nil {
			return nil, Usagef("%s: %v.", c.place("token_public_key"), err)
		}
		k.Name = c.place("token_public_key") + " " + text
		keys = append(keys, k)
	}
	return keys, nil
}

// inFiles returns those of the keys that are not in the settings themselves.
func (c *Config) inFiles(keys []token.Key) []token.Key {
	if c.Given("token_secret") {
		return keys[1:]
	}
	return keys
}

// GuestSecret returns the secret of guests' tokens. It is derived from the first secret, so
// that guests keep their identity when the process restarts. Without a secret the key is
// random.
func (p *Prepared) GuestSecret() []byte {
	secret := make([]byte, 32)
	rand.Read(secret) // it never fails
	for _, k := range p.TokenKeys {
		if len(k.Secret) > 0 {
			mac := hmac.New(sha256.New, k.Secret)
			mac.Write([]byte("webim guests"))
			secret = mac.Sum(nil)
			break
		}
	}
	return secret
}

// HasSecret reports whether the settings have a secret from which that of the guests is derived.
func (p *Prepared) HasSecret() bool {
	return slices.ContainsFunc(p.TokenKeys, func(k token.Key) bool { return len(k.Secret) > 0 })
}

// readKey reads a PEM file named as [KID=]FILE.
func readKey(text string) (token.Key, error) {
	id, path := secrets.Split(text)
	b, err := secrets.ReadFile(path)
	return token.Key{ID: id, PEM: b}, err
}
