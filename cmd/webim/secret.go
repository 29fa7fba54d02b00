package main

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// A secret or key that came with more than its author sees (a line break behind a
// variable's value, a byte order mark in front of a file's) would start a server
// that refuses everybody. So every secret is judged here before it is used.

// readSecret reads a secret from a file, without the line breaks at its end, which
// editors and echo write.
func readSecret(path string) (string, error) {
	b, err := readKeyFile(path)
	if err != nil {
		return "", err
	}
	secret := strings.TrimRight(string(b), "\r\n")
	if err := checkSecret(secret); err != nil {
		return "", fmt.Errorf("%s %w", path, err)
	}
	return secret, nil
}

// checkSecret refuses a secret with characters that nobody sees; spaces between
// words are seen, as those of a passphrase. Bytes that are no
// text, as a random generator writes them, are taken as they are. The error goes
// behind the secret's name.
func checkSecret(secret string) error {
	for _, mark := range []string{"\ufeff", "\xff\xfe", "\xfe\xff"} {
		if strings.HasPrefix(secret, mark) {
			return errors.New("begins with a byte order mark, which would be part of the secret: save it as plain text (UTF-8 without BOM)")
		}
	}
	if !utf8.ValidString(secret) {
		return nil
	}
	if strings.Trim(secret, " ") != secret {
		return errors.New("has spaces around it, which would be part of the secret: remove them")
	}
	for _, r := range secret {
		switch {
		case r == '\n' || r == '\r':
			return errors.New("has a line break, which would be part of the secret: remove it (printf writes none)")
		case !unicode.IsPrint(r):
			return errors.New("has characters that nobody sees, which would be part of the secret: remove them")
		}
	}
	return nil
}
