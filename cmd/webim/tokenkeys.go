package main

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"strings"

	"webim/room/guest"
	"webim/room/token"
)

// maxKeyFile is the maximum size of a file with a secret or a key, in bytes.
const maxKeyFile = 64 << 10

// verifierOf returns the configured verifier of tokens, with the keys from tokenKeys; it
// reports the fetches of the JWKS to log. Without any key it returns nil, and clients cannot
// use tokens. Nothing is fetched before Start. The error is a usageError.
func (c *config) verifierOf(keys []token.Key, log *jwksLog) (*token.Verifier, error) {
	if len(keys) == 0 && c.TokenJWKS == "" {
		return nil, c.noKeys()
	}
	v, err := token.New(token.Config{
		Keys: keys, JWKS: c.TokenJWKS, Refresh: c.TokenJWKSRefresh,
		Issuer: c.TokenIssuer, Audience: c.TokenAudience, Leeway: c.TokenLeeway, Insecure: c.Insecure,
		Report: log.failed, Recovered: log.recovered,
	})
	if err != nil {
		if strings.Contains(err.Error(), "JWKS") {
			return nil, c.mistake("token_jwks", ": %v.", err)
		}
		return nil, usagef("%v.", err) // the error begins with the key's name
	}
	return v, nil
}

// noKeys returns an error if settings restrict tokens but there are no keys: their author
// believes that they keep somebody out.
func (c *config) noKeys() error {
	key := "token_issuer"
	switch {
	case c.TokenIssuer != "":
	case len(c.TokenAudience) > 0:
		key = "token_audience"
	default:
		return nil
	}
	return c.mistake(key, " has no effect without a key: add {token_secret_file}, {token_public_key} or {token_jwks}.")
}

// hasTokenKeys reports whether the settings name any key of tokens.
func (c *config) hasTokenKeys() bool {
	return c.given("token_secret") || len(c.TokenSecretFile)+len(c.TokenPublicKey) > 0 || c.TokenJWKS != ""
}

// tokenKeys reads the configured keys of tokens. It includes a secret that is given but empty,
// so that token.New refuses it.
func (c *config) tokenKeys() ([]token.Key, error) {
	var keys []token.Key
	if c.given("token_secret") {
		if err := checkSecret(c.TokenSecret); err != nil {
			return nil, usagef("%s %v.", c.place("token_secret"), err)
		}
		keys = append(keys, token.Key{Name: c.place("token_secret"), Secret: []byte(c.TokenSecret)})
	}
	for _, text := range c.TokenSecretFile {
		id, path := splitKeyFile(text)
		secret, err := readSecret(path)
		if err != nil {
			return nil, usagef("%s: %v.", c.place("token_secret_file"), err)
		}
		keys = append(keys, token.Key{ID: id, Name: c.place("token_secret_file") + " " + text, Secret: []byte(secret)})
	}
	for _, text := range c.TokenPublicKey {
		k, err := readKey(text)
		if err != nil {
			return nil, usagef("%s: %v.", c.place("token_public_key"), err)
		}
		k.Name = c.place("token_public_key") + " " + text
		keys = append(keys, k)
	}
	return keys, nil
}

// guestsOf returns the verifier of guests' tokens. Its key is derived from the first secret, so
// that guests keep their identity when the process restarts. Without a secret the key is
// random.
func guestsOf(keys []token.Key) (*guest.Guests, error) {
	secret := make([]byte, 32)
	rand.Read(secret) // it never fails
	for _, k := range keys {
		if len(k.Secret) > 0 {
			mac := hmac.New(sha256.New, k.Secret)
			mac.Write([]byte("webim guests"))
			secret = mac.Sum(nil)
			break
		}
	}
	return guest.New(secret)
}

// readKey reads a PEM file named as [KID=]FILE.
func readKey(text string) (token.Key, error) {
	id, path := splitKeyFile(text)
	b, err := readKeyFile(path)
	return token.Key{ID: id, PEM: b}, err
}

// splitKeyFile splits NAME=FILE; the name is "" if there is none. If a slash comes before the
// =, all of the text is the file, so that ./a=b works.
func splitKeyFile(text string) (name, path string) {
	name, path, ok := strings.Cut(text, "=")
	if !ok || strings.Contains(name, "/") {
		return "", text
	}
	return name, path
}

func readKeyFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxKeyFile+1))
	if len(b) > maxKeyFile {
		err = fmt.Errorf("%s has more than %d bytes: it is not a key", path, maxKeyFile)
	}
	return b, err
}
