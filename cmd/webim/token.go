package main

import (
	"bytes"
	"cmp"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
	"unicode"

	"webim/cmd/webim/internal/config"
	"webim/cmd/webim/internal/jwkslog"
	"webim/cmd/webim/internal/secrets"
	"webim/room/token"
)

// tokenCommands are the commands for tokens. They take settings from the file and the variables
// only.
type tokenCommands struct {
	Make    tokenMake    `cmd:"" help:"Make a token and print it. The key is the file given here, or else the first secret in the variables (WEBIM_TOKEN_SECRET) and in --config."`
	Inspect tokenInspect `cmd:"" help:"Print a token, and verify it with the settings in the variables and in --config; exit code 1 if it is not valid."`
}

// tokenMake is webim token make.
type tokenMake struct {
	Config       string        `short:"c" type:"text" placeholder:"FILE" help:"Settings in YAML; its issuer and first audience go into the token."`
	User         string        `required:"" placeholder:"ID" help:"User of the token (sub)."`
	Exp          time.Duration `default:"1h" placeholder:"TIME" help:"How long the token is valid; 0s means for ever."`
	Info         string        `placeholder:"JSON" help:"Information about the user for others."`
	Channel      []string      `sep:"none" placeholder:"ROOM" help:"Room that the server joins the user to; repeatable."`
	Role         []string      `sep:"none" placeholder:"ROLE[@ROOMS]" help:"Role, in all rooms or in the rooms that match, as moderator@team-*; repeatable."`
	Subscription string        `placeholder:"ROOM" help:"Make a subscription token for this room."`
	Alg          string        `placeholder:"ALG" help:"HS256, HS384 or HS512 for a secret; a private key has its own."`
	KID          string        `name:"kid" placeholder:"KID" help:"Id of the key (kid) for the token's header; also chooses among the configured secrets."`
	SecretFile   string        `xor:"key" placeholder:"FILE" help:"Sign with the secret in this file."`
	KeyFile      string        `xor:"key" placeholder:"FILE" help:"Sign with the private key in this file: PEM; RSA, ECDSA P-256 or Ed25519."`
}

func (m *tokenMake) run(environ []string, out, errs io.Writer) error {
	c, err := config.Load(&config.Settings{}, nil, environ, m.Config)
	if err != nil {
		return err
	}
	if m.Exp < 0 {
		return config.Usagef("--exp is %v, so that the token would expire at once: write 1h, or 0s for a token that never expires.", m.Exp)
	}
	k, err := m.key(c)
	if err != nil {
		return err
	}
	s, err := token.NewSigner(k)
	if err != nil {
		return config.Usagef("%v.", err)
	}
	text, err := s.Sign(m.claims(c))
	if err != nil {
		return config.Usagef("%v.", err)
	}
	if k.PEM == nil && len(k.Secret) < token.MinSecret {
		fmt.Fprintf(errs, "webim: %s has under %d bytes and can be guessed from this token.\n", k.Name, token.MinSecret)
	}
	_, err = fmt.Fprintln(out, text)
	return err
}

// key returns the key to sign with.
func (m *tokenMake) key(c *config.Config) (k token.Key, err error) {
	switch {
	case m.SecretFile != "":
		k.Name = "--secret-file"
		var secret string
		secret, err = secrets.Read(m.SecretFile)
		k.Secret = []byte(secret)
	case m.KeyFile != "":
		k.Name = "--key-file"
		k.PEM, err = secrets.ReadFile(m.KeyFile)
	default:
		return m.configured(c)
	}
	k.ID, k.Alg = m.KID, m.Alg
	if err != nil {
		return k, config.Usagef("%s: %v.", k.Name, err)
	}
	return k, nil
}

// configured returns the first configured secret, or the first with the kid if one is given.
func (m *tokenMake) configured(c *config.Config) (token.Key, error) {
	keys, err := c.TokenKeys()
	if err != nil {
		return token.Key{}, err
	}
	for _, k := range keys {
		if k.PEM == nil && (m.KID == "" || m.KID == k.ID) {
			k.Alg = m.Alg
			return k, nil
		}
	}
	if m.KID != "" {
		return token.Key{}, config.Usagef("the settings have no secret with the kid %q: add --secret-file FILE or --key-file FILE.", m.KID)
	}
	return token.Key{}, config.Usagef("there is nothing to sign with: add --secret-file FILE or --key-file FILE, or a --config with a secret, or set WEBIM_TOKEN_SECRET.")
}

func (m *tokenMake) claims(c *config.Config) token.Claims {
	now := time.Now()
	claims := token.Claims{
		User: m.User, Issuer: c.TokenIssuer, ID: rand.Text(), IssuedAt: now.Unix(),
		Roles: m.Role, Channels: m.Channel, Channel: m.Subscription,
	}
	if len(c.TokenAudience) > 0 {
		claims.Audience = c.TokenAudience[:1]
	}
	if m.Info != "" {
		claims.Info = json.RawMessage(m.Info)
	}
	if m.Exp > 0 {
		claims.Expires = now.Add(m.Exp).Unix()
	}
	return claims
}

// tokenInspect is webim token inspect.
type tokenInspect struct {
	Config string `short:"c" type:"text" placeholder:"FILE" help:"Settings in YAML."`
	Token  string `arg:"" optional:"" help:"The token. Other users of the machine can see it: leave it out, or write -, to read it from standard input."`
}

func (i *tokenInspect) run(environ []string, in io.Reader, out io.Writer) error {
	c, err := config.Load(&config.Settings{}, nil, environ, i.Config)
	if err != nil {
		return err
	}
	keys, err := c.TokenKeys()
	if err != nil {
		return err
	}
	jwks := &jwkslog.Log{}
	v, err := c.VerifierOf(keys, jwks)
	if err != nil {
		return err
	}
	text := i.Token
	if cmp.Or(text, "-") == "-" {
		b, err := io.ReadAll(io.LimitReader(in, secrets.MaxFile))
		if err != nil {
			return fmt.Errorf("standard input cannot be read: %w", err)
		}
		text = strings.TrimSpace(string(b))
	}
	describeToken(out, text)
	if !v.HasKeys() {
		return errors.New("it cannot be checked, because the settings have no key: add --config FILE, or set WEBIM_TOKEN_SECRET")
	}
	defer v.Close()
	sort, err := judgeToken(v, text)
	if why := jwks.Last(); err != nil && why != nil {
		return fmt.Errorf("%w: %w", err, why)
	}
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "good: it is a %s token\n", sort)
	return err
}

// judgeToken verifies a token and returns its kind. It fetches the JWKS if needed.
func judgeToken(v *token.Verifier, text string) (sort string, err error) {
	answer := make(chan error, 1)
	v.Connection(text, func(_ *token.Identity, err error) { answer <- err })
	err = <-answer
	if err == nil {
		return "connection", nil
	}
	v.Subscription(text, func(_ *token.Subscription, err error) { answer <- err })
	if <-answer == nil {
		return "subscription", nil
	}
	return "", err
}

// describeToken prints the header and the claims of a token, verified or not.
func describeToken(out io.Writer, text string) {
	parts := strings.Split(text, ".")
	for i, name := range []string{"header", "claims"} {
		if i >= len(parts) {
			return
		}
		b, err := base64.RawURLEncoding.DecodeString(parts[i])
		var pretty bytes.Buffer
		if err != nil || json.Indent(&pretty, b, "", "  ") != nil {
			fmt.Fprintf(out, "%s: this is not JSON in base64url\n", name)
			continue
		}
		fmt.Fprintf(out, "%s: %s\n", name, printable(pretty.String()))
	}
	var times struct{ Exp, Nbf, Iat float64 }
	if b, err := base64.RawURLEncoding.DecodeString(parts[1%len(parts)]); err != nil || json.Unmarshal(b, &times) != nil {
		return
	}
	for _, t := range []struct {
		name    string
		seconds float64
	}{{"issued", times.Iat}, {"good from", times.Nbf}, {"good until", times.Exp}} {
		if t.seconds > 0 && t.seconds < 1e11 {
			fmt.Fprintf(out, "%s: %s\n", t.name, time.Unix(int64(t.seconds), 0).UTC().Format(time.RFC3339))
		}
	}
}

// printable escapes characters that would change how a terminal shows the rest. Outside its
// strings, JSON contains no such characters.
func printable(text string) string {
	var b strings.Builder
	for _, r := range text {
		if r == '\n' || unicode.IsPrint(r) {
			b.WriteRune(r)
		} else {
			b.WriteString(strings.Trim(strconv.QuoteRuneToASCII(r), "'"))
		}
	}
	return b.String()
}
