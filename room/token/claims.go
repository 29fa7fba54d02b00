package token

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/golang-jwt/jwt/v5"

	"webim/room/name"
)

// claims are what a token's second part says, before it is judged. It
// implements jwt.Claims.
type claims struct {
	read bool // from an object

	user, issuer, id string
	audience         jwt.ClaimStrings
	expires          numericDate
	notBefore        numericDate
	issuedAt         numericDate
	expireAt         numericDate

	info, meta json.RawMessage
	b64Info    string
	channels   []string
	subs       map[string]subClaims
	caps       []capClaim
	role       jwt.ClaimStrings
	roles      jwt.ClaimStrings

	channel, client string
	allow           []string
	override        overrideClaim
}

// subClaims is one value of subs.
type subClaims struct {
	Info     json.RawMessage `json:"info"`
	B64Info  string          `json:"b64info"`
	Data     json.RawMessage `json:"data"`
	B64Data  string          `json:"b64data"`
	Override overrideClaim   `json:"override"`
}

// UnmarshalJSON takes [], as PHP writes an empty map, for {}.
func (s *subClaims) UnmarshalJSON(b []byte) error {
	type plain subClaims // without this method
	if isEmptyList(b) {
		return nil
	}
	return json.Unmarshal(b, (*plain)(s))
}

// overrideClaim is an Override in a claim.
type overrideClaim struct{ Override }

// UnmarshalJSON takes [], as PHP writes an empty map, for {}.
func (o *overrideClaim) UnmarshalJSON(b []byte) error {
	if isEmptyList(b) {
		return nil
	}
	return json.Unmarshal(b, &o.Override)
}

// isEmptyList reports whether JSON is a list without items.
func isEmptyList(b []byte) bool {
	inner, ok := bytes.CutPrefix(b, []byte("["))
	inner, ok2 := bytes.CutSuffix(inner, []byte("]"))
	return ok && ok2 && len(bytes.TrimSpace(inner)) == 0
}

// fields says where each known claim is stored.
func (c *claims) fields() map[string]any {
	return map[string]any{
		"sub": &c.user, "iss": &c.issuer, "jti": &c.id, "aud": &c.audience,
		"exp": &c.expires, "nbf": &c.notBefore, "iat": &c.issuedAt, "expire_at": &c.expireAt,
		"info": &c.info, "b64info": &c.b64Info, "meta": &c.meta,
		"channels": &c.channels, "subs": &c.subs, "caps": &c.caps, "role": &c.role, "roles": &c.roles,
		"channel": &c.channel, "client": &c.client, "allow": &c.allow, "override": &c.override,
	}
}

// UnmarshalJSON reads claims strictly. Unknown ones are ignored, as RFC 7519
// demands; null is as if it were not there, but for times: an exp that is null was
// hardly meant to be never.
func (c *claims) UnmarshalJSON(b []byte) error {
	all, err := members(b)
	if err != nil {
		return err
	}
	into := c.fields()
	for name, raw := range all {
		field, known := into[name]
		if !known {
			if lower := strings.ToLower(name); into[lower] != nil {
				return invalid("it has a claim that differs from %s only in case", lower)
			}
			continue
		}
		if _, isTime := field.(*numericDate); string(raw) == "null" && !isTime {
			continue
		}
		if _, isMap := field.(*map[string]subClaims); isMap && isEmptyList(raw) {
			continue
		}
		if err := json.Unmarshal(raw, field); err != nil {
			return invalid("its claim %s is %s: %[1]s must be %[3]s", name, kindOf(raw), wanted(field))
		}
	}
	c.read = true
	return c.check()
}

// kindOf says what a JSON value is.
func kindOf(raw json.RawMessage) string {
	switch raw[0] {
	case '"':
		return "a string"
	case '{':
		return "an object"
	case '[':
		return "a list"
	case 't', 'f':
		return "a boolean"
	case 'n':
		return "null"
	}
	return "a number"
}

// wanted says what the claim that is stored in a field must be.
func wanted(field any) string {
	switch field.(type) {
	case *string:
		return "a string"
	case *numericDate:
		return "a number of seconds, from 1970 to 9999"
	case *jwt.ClaimStrings:
		return "a string or a list of strings"
	case *[]string:
		return "a list of strings"
	case *[]capClaim:
		return "a list of objects as the documentation has them"
	}
	return "an object as the documentation has it"
}

// members splits a JSON object. Unlike encoding/json it takes no name twice, and
// repairs no text.
func members(b []byte) (map[string]json.RawMessage, error) {
	if !utf8.Valid(b) {
		return nil, invalid("its claims are not UTF-8")
	}
	d := json.NewDecoder(bytes.NewReader(b))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil, invalid("its claims are no object")
	}
	all := map[string]json.RawMessage{}
	for d.More() {
		t, err := d.Token()
		name, ok := t.(string)
		var value json.RawMessage
		if err != nil || !ok || d.Decode(&value) != nil {
			return nil, invalid("its claims are no JSON")
		}
		if _, twice := all[name]; twice {
			return nil, invalid("it has a claim twice")
		}
		all[name] = value
	}
	return all, nil
}

// check judges the claims that name something.
func (c *claims) check() error {
	names := map[string]string{"sub": c.user, "jti": c.id, "client": c.client}
	for claim, name := range names {
		if err := checkName("its claim "+claim, name); err != nil {
			return invalid("%v", err)
		}
	}
	for i := range c.channels {
		if err := checkRoom("channels", &c.channels[i]); err != nil {
			return err
		}
	}
	if c.channel != "" {
		if err := checkRoom("channel", &c.channel); err != nil {
			return err
		}
	}
	subs := make(map[string]subClaims, len(c.subs))
	for room, sub := range c.subs {
		if err := checkRoom("subs", &room); err != nil {
			return err
		}
		subs[room] = sub
	}
	if len(subs) != len(c.subs) {
		return invalid("a room stands in its claim subs in two spellings")
	}
	c.subs = subs
	return nil
}

// checkRoom judges the name of a room, and puts it in its one spelling.
func checkRoom(claim string, room *string) error {
	normal, err := name.Room(*room)
	if err != nil {
		return invalid("a name in its claim %s is no name of a room: %v", claim, err)
	}
	*room = normal
	return nil
}

// checkName refuses names that are too long, and such as would break a line of
// the log or a header.
func checkName(what, name string) error {
	if len(name) > MaxName {
		return fmt.Errorf("%s has %d bytes, more than %d", what, len(name), MaxName)
	}
	if !utf8.ValidString(name) || strings.ContainsFunc(name, unicode.IsControl) {
		return fmt.Errorf("%s has control characters or is not UTF-8", what)
	}
	return nil
}

// A numericDate is a time in a claim: seconds since 1970, as a number. The zero
// value is a claim that is not there.
type numericDate struct{ time.Time }

// lastSecond is the end of the year 9999, which time.Time can still print.
const lastSecond = 253402300799

// UnmarshalJSON takes numbers only, a fraction is cut off.
func (n *numericDate) UnmarshalJSON(b []byte) error {
	seconds := -1.0 // what null leaves
	if err := json.Unmarshal(b, &seconds); err != nil {
		return err
	}
	if seconds < 0 || seconds > lastSecond {
		return errors.New("no time from 1970 to 9999")
	}
	n.Time = time.Unix(int64(math.Floor(seconds)), 0)
	return nil
}

// date is the claim as the jwt library takes it.
func (n numericDate) date() (*jwt.NumericDate, error) {
	if n.IsZero() {
		return nil, nil
	}
	return &jwt.NumericDate{Time: n.Time}, nil
}

// The methods of jwt.Claims.

func (c *claims) GetExpirationTime() (*jwt.NumericDate, error) { return c.expires.date() }
func (c *claims) GetNotBefore() (*jwt.NumericDate, error)      { return c.notBefore.date() }
func (c *claims) GetIssuedAt() (*jwt.NumericDate, error)       { return c.issuedAt.date() }
func (c *claims) GetAudience() (jwt.ClaimStrings, error)       { return c.audience, nil }
func (c *claims) GetIssuer() (string, error)                   { return c.issuer, nil }
func (c *claims) GetSubject() (string, error)                  { return c.user, nil }
