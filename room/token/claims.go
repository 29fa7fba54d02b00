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

// claims holds the claims of a token, its second part, before they are validated. It implements
// jwt.Claims.
type claims struct {
	read bool // set by UnmarshalJSON: the claims were an object

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

// subClaims is one value of the map in the claim subs.
type subClaims struct {
	Info     json.RawMessage `json:"info"`
	B64Info  string          `json:"b64info"`
	Data     json.RawMessage `json:"data"`
	B64Data  string          `json:"b64data"`
	Override overrideClaim   `json:"override"`
}

// UnmarshalJSON accepts [] for {}: PHP encodes an empty map as [].
func (s *subClaims) UnmarshalJSON(b []byte) error {
	type plain subClaims // without this method
	if isEmptyList(b) {
		return nil
	}
	return json.Unmarshal(b, (*plain)(s))
}

// overrideClaim is an Override as a claim encodes it.
type overrideClaim struct{ Override }

// UnmarshalJSON accepts [] for {}: PHP encodes an empty map as [].
func (o *overrideClaim) UnmarshalJSON(b []byte) error {
	if isEmptyList(b) {
		return nil
	}
	return json.Unmarshal(b, &o.Override)
}

// isEmptyList reports whether b is a JSON array without elements.
func isEmptyList(b []byte) bool {
	inner, ok := bytes.CutPrefix(b, []byte("["))
	inner, ok2 := bytes.CutSuffix(inner, []byte("]"))
	return ok && ok2 && len(bytes.TrimSpace(inner)) == 0
}

// fields maps the name of each known claim to the field that stores it.
func (c *claims) fields() map[string]any {
	return map[string]any{
		"sub": &c.user, "iss": &c.issuer, "jti": &c.id, "aud": &c.audience,
		"exp": &c.expires, "nbf": &c.notBefore, "iat": &c.issuedAt, "expire_at": &c.expireAt,
		"info": &c.info, "b64info": &c.b64Info, "meta": &c.meta,
		"channels": &c.channels, "subs": &c.subs, "caps": &c.caps, "role": &c.role, "roles": &c.roles,
		"channel": &c.channel, "client": &c.client, "allow": &c.allow, "override": &c.override,
	}
}

// UnmarshalJSON parses the claims strictly. It ignores unknown claims, as RFC 7519 demands. It
// treats null as a missing claim, except for times: the issuer of "exp":null hardly meant a
// token that never expires.
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

// kindOf names the type of a JSON value.
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

// wanted names the type that the claim stored in field must have.
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

// members splits a JSON object into its members. Unlike encoding/json it refuses duplicate
// names and invalid UTF-8.
func members(b []byte) (map[string]json.RawMessage, error) {
	if !utf8.Valid(b) {
		return nil, invalid("its claims are not UTF-8")
	}
	d := json.NewDecoder(bytes.NewReader(b))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil, invalid("its claims are not an object")
	}
	all := map[string]json.RawMessage{}
	for d.More() {
		t, err := d.Token()
		name, ok := t.(string)
		var value json.RawMessage
		if err != nil || !ok || d.Decode(&value) != nil {
			return nil, invalid("its claims are not JSON")
		}
		if _, twice := all[name]; twice {
			return nil, invalid("it has a claim twice")
		}
		all[name] = value
	}
	return all, nil
}

// check validates the claims that hold names, and normalizes the names of rooms.
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
		return invalid("its claim subs has the same room in two spellings")
	}
	c.subs = subs
	return nil
}

// checkRoom validates the name of a room and normalizes it.
func checkRoom(claim string, room *string) error {
	normal, err := name.Room(*room)
	if err != nil {
		return invalid("its claim %s has a name that no room can have: %v", claim, err)
	}
	*room = normal
	return nil
}

// checkName refuses a name that is too long, is not UTF-8, or has control characters, which
// would break a line of the log or a header. The error begins with the first argument.
func checkName(what, name string) error {
	if len(name) > MaxName {
		return fmt.Errorf("%s has %d bytes, more than %d", what, len(name), MaxName)
	}
	if !utf8.ValidString(name) || strings.ContainsFunc(name, unicode.IsControl) {
		return fmt.Errorf("%s has control characters or is not UTF-8", what)
	}
	return nil
}

// A numericDate is a time in a claim, encoded as a number of seconds since 1970. The zero value
// means that the claim is missing.
type numericDate struct{ time.Time }

// lastSecond is the end of the year 9999, the last year that RFC 3339 can write.
const lastSecond = 253402300799

// UnmarshalJSON accepts only numbers, and cuts off a fraction.
func (n *numericDate) UnmarshalJSON(b []byte) error {
	seconds := -1.0 // null leaves this value
	if err := json.Unmarshal(b, &seconds); err != nil {
		return err
	}
	if seconds < 0 || seconds > lastSecond {
		return errors.New("not a time from 1970 to 9999")
	}
	n.Time = time.Unix(int64(math.Floor(seconds)), 0)
	return nil
}

// date returns n in the type that the jwt library expects; nil means that the claim is missing.
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
