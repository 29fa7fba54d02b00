package secrets

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"unicode"
	"unicode/utf8"
)

// A secret with invisible extra characters (a line break after a variable's value, a byte order
// mark at the start of a file) would start a server that refuses everybody. So every secret is
// checked before use.

// MaxFile is the maximum size of a file with a secret or a key, in bytes.
const MaxFile = 64 << 10

// Read reads a secret from a file, without the line breaks at its end that editors and
// echo add.
func Read(path string) (string, error) {
	b, err := ReadFile(path)
	if err != nil {
		return "", err
	}
	secret := strings.TrimRight(string(b), "\r\n")
	if err := Check(secret); err != nil {
		return "", fmt.Errorf("%s %w", path, err)
	}
	return secret, nil
}

// Check refuses a secret with invisible characters. Spaces between words are allowed, as
// in a passphrase. Bytes that are not UTF-8, as a random generator writes them, are accepted as
// they are. The error is written to follow the secret's name.
func Check(secret string) error {
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
			return errors.New("has invisible characters, which would be part of the secret: remove them")
		}
	}
	return nil
}

// Split splits NAME=FILE; the name is "" if there is none. If a slash comes before the
// =, all of the text is the file, so that ./a=b works.
func Split(text string) (name, path string) {
	name, path, ok := strings.Cut(text, "=")
	if !ok || strings.Contains(name, "/") {
		return "", text
	}
	return name, path
}

// ReadFile reads a file with a secret or a key, of MaxFile bytes at the most.
func ReadFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, MaxFile+1))
	if len(b) > MaxFile {
		err = fmt.Errorf("%s has more than %d bytes: it is not a key", path, MaxFile)
	}
	return b, err
}
