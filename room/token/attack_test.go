package token

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// TestAttacks checks that the verifier refuses forged, malformed and misleading tokens.
func TestAttacks(t *testing.T) {
	asked := false
	trap := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked = true }))
	c := allKeys(t)
	c.Issuer, c.Audience = "us", []string{"chat", "chat2"}
	v := open(t, c)
	const fine = `"iss":"us","aud":"chat","sub":"u"`
	ok := good("{" + fine + "}")
	other := []byte("another secret of more than thirty-two bytes")
	header := func(alg, more string) string { return fmt.Sprintf(`{"alg":%q,"typ":"JWT"%s}`, alg, more) }
	parts := strings.Split(ok, ".")

	for name, c := range map[string]struct {
		token string
		want  error
		why   string
	}{
		"right":              {ok, nil, ""},
		"empty":              {"", ErrInvalid, "three parts"},
		"none":               {b64([]byte(header("none", ""))) + "." + parts[1] + ".", ErrInvalid, "algorithm is not offered"},
		"None":               {b64([]byte(header("None", ""))) + "." + parts[1] + ".", ErrInvalid, "algorithm is not known"},
		"NONE":               {b64([]byte(header("NONE", ""))) + "." + parts[1] + ".", ErrInvalid, "algorithm is not known"},
		"nOnE, signed":       {forge(secret, header("nOnE", ""), "{"+fine+"}"), ErrInvalid, "algorithm is not known"},
		"none, signed":       {forge(secret, header("none", ""), "{"+fine+"}"), ErrInvalid, "algorithm is not offered"},
		"none with a kid":    {b64([]byte(header("none", `,"kid":"rsa"`))) + "." + parts[1] + ".", ErrInvalid, "algorithm is not offered"},
		"no alg":             {forge(secret, `{"typ":"JWT"}`, "{"+fine+"}"), ErrInvalid, "algorithm is not known"},
		"alg a number":       {forge(secret, `{"alg":256}`, "{"+fine+"}"), ErrInvalid, "algorithm is not known"},
		"alg in lower case":  {forge(secret, header("hs256", ""), "{"+fine+"}"), ErrInvalid, "algorithm is not known"},
		"alg not ours":       {forge(secret, header("RS512", `,"kid":"rsa"`), "{"+fine+"}"), ErrInvalid, "algorithm is not offered"},
		"alg twice":          {forge(nil, `{"alg":"HS256","alg":"none"}`, "{"+fine+"}"), ErrInvalid, "algorithm is not offered"},
		"header null":        {forge(secret, `null`, "{"+fine+"}"), ErrInvalid, "algorithm is not known"},
		"header a list":      {forge(secret, `["HS256"]`, "{"+fine+"}"), ErrInvalid, "three parts"},
		"RSA key as secret":  {forge(publicPEM(t, rsaKey), header("HS256", `,"kid":"rsa"`), "{"+fine+"}"), ErrInvalid, `the key that it names, "rsa", is not for its algorithm, HS256`},
		"the same, no kid":   {forge(publicPEM(t, rsaKey), hs256, "{"+fine+"}"), ErrInvalid, "signature"},
		"other HMAC":         {forge(secret2, header("HS256", `,"kid":"hmac"`), "{"+fine+"}"), ErrInvalid, "not for its algorithm"},
		"RS256 by HMAC":      {forge(secret, header("RS256", `,"kid":"rsa"`), "{"+fine+"}"), ErrInvalid, "signature"},
		"RS256 by no kid":    {forge(secret, header("RS256", ""), "{"+fine+"}"), ErrInvalid, "not that of the key for its algorithm, RS256"},
		"another secret":     {forge(other, hs256, "{"+fine+"}"), ErrInvalid, "signature"},
		"empty secret":       {forge(nil, hs256, "{"+fine+"}"), ErrInvalid, "signature"},
		"unknown kid":        {forge(other, header("HS256", `,"kid":"new"`), "{"+fine+"}"), ErrInvalid, `no key has its kid, "new"`},
		"kid a path":         {forge(nil, header("HS256", `,"kid":"../../dev/null"`), "{"+fine+"}"), ErrInvalid, "no key has its kid"},
		"kid empty":          {forge(secret, header("HS256", `,"kid":""`), "{"+fine+"}"), ErrInvalid, "kid"},
		"kid a list":         {forge(secret, header("HS256", `,"kid":["rsa"]`), "{"+fine+"}"), ErrInvalid, "kid"},
		"kid long":           {forge(secret, header("HS256", `,"kid":"`+strings.Repeat("k", 256)+`"`), "{"+fine+"}"), ErrInvalid, "kid"},
		"crit":               {forge(secret, header("HS256", `,"crit":["b64"],"b64":false`), "{"+fine+"}"), ErrInvalid, "crit"},
		"jku, key of theirs": {forge(other, header("HS256", `,"jku":"`+trap.URL+`","x5u":"`+trap.URL+`"`), "{"+fine+"}"), ErrInvalid, "signature"},
		"jku, key of ours":   {forge(secret, header("HS256", `,"jku":"`+trap.URL+`","x5u":"`+trap.URL+`"`), "{"+fine+"}"), nil, ""},
		"jwk":                {forge(nil, header("HS256", `,"jwk":{"kty":"oct","k":""}`), "{"+fine+"}"), ErrInvalid, "signature"},

		"two parts":             {parts[0] + "." + parts[1], ErrInvalid, "three parts"},
		"four parts":            {ok + ".x", ErrInvalid, "three parts"},
		"no signature":          {parts[0] + "." + parts[1] + ".", ErrInvalid, "signature"},
		"cut signature":         {ok[:len(ok)-4], ErrInvalid, "signature"},
		"padding":               {ok + "=", ErrInvalid, "three parts"},
		"other alphabet":        {parts[0] + "." + parts[1] + "./+++", ErrInvalid, "three parts"},
		"bits after the end":    {ok[:len(ok)-1] + string(ok[len(ok)-1]+1), ErrInvalid, ""},
		"line break":            {parts[0] + ".\n" + parts[1] + "." + parts[2], ErrInvalid, ""},
		"giant":                 {good("{" + fine + `,"info":"` + strings.Repeat("x", MaxToken) + `"}`), ErrInvalid, "more than 8192"},
		"giant, nothing in it":  {strings.Repeat(".", MaxToken+1), ErrInvalid, "more than 8192"},
		"claims null":           {good("null"), ErrInvalid, "not an object"},
		"claims a list":         {good("[]"), ErrInvalid, "not an object"},
		"claims a text":         {good(`"u"`), ErrInvalid, "not an object"},
		"claims cut":            {good("{" + fine), ErrInvalid, "three parts"},
		"claims twice":          {good("{" + fine + "}{}"), ErrInvalid, "three parts"},
		"deep":                  {good("{" + fine + `,"info":` + strings.Repeat("[", 5000)), ErrInvalid, ""},
		"sub twice":             {good("{" + fine + `,"sub":"admin"}`), ErrInvalid, "twice"},
		"sub twice, escaped":    {good("{" + fine + `,"\u0073ub":"admin"}`), ErrInvalid, "twice"},
		"Sub":                   {good("{" + fine + `,"Sub":"admin"}`), ErrInvalid, "only in case"},
		"EXP":                   {good("{" + fine + `,"EXP":1}`), ErrInvalid, "only in case"},
		"unknown twice":         {good("{" + fine + `,"x":1,"x":2}`), ErrInvalid, "twice"},
		"sub a number":          {good(`{"iss":"us","aud":"chat","sub":42}`), ErrInvalid, "claim sub"},
		"sub with a line break": {good(`{"iss":"us","aud":"chat","sub":"a\nb"}`), ErrInvalid, "control"},
		"sub long":              {good(`{"iss":"us","aud":"chat","sub":"` + strings.Repeat("u", 256) + `"}`), ErrInvalid, "more than 255"},
		"sub no UTF-8":          {good("{" + `"iss":"us","aud":"chat","sub":"` + "\xff" + `"}`), ErrInvalid, "UTF-8"},

		"other issuer":           {good(`{"iss":"them","aud":"chat"}`), ErrInvalid, "issuer"},
		"no issuer":              {good(`{"aud":"chat"}`), ErrInvalid, "issuer"},
		"other audience":         {good(`{"iss":"us","aud":"shop"}`), ErrInvalid, "audience"},
		"no audience":            {good(`{"iss":"us"}`), ErrInvalid, "audience"},
		"one audience of two":    {good(`{"iss":"us","aud":["shop","chat2"]}`), nil, ""},
		"aud a number":           {good(`{"iss":"us","aud":1}`), ErrInvalid, "claim aud"},
		"expired, other issuer":  {good(`{"iss":"them","aud":"chat","exp":1767268000}`), ErrInvalid, "issuer"},
		"expired, not yet valid": {good("{" + fine + `,"exp":1767268000,"nbf":1767269000}`), ErrInvalid, "nbf"},
		"expired, other secret":  {forge(other, hs256, "{"+fine+`,"exp":1767268000}`), ErrInvalid, "signature"},

		"exp now":           {good("{" + fine + `,"exp":1767268800}`), ErrExpired, "over"},
		"exp in a second":   {good("{" + fine + `,"exp":1767268801}`), nil, ""},
		"exp 0":             {good("{" + fine + `,"exp":0}`), ErrExpired, "over"},
		"exp a fraction":    {good("{" + fine + `,"exp":1767268800.9}`), ErrExpired, "over"},
		"exp with exponent": {good("{" + fine + `,"exp":1.9e9}`), nil, ""},
		"exp a text":        {good("{" + fine + `,"exp":"1900000000"}`), ErrInvalid, "claim exp"},
		"exp null":          {good("{" + fine + `,"exp":null}`), ErrInvalid, "claim exp"},
		"exp true":          {good("{" + fine + `,"exp":true}`), ErrInvalid, "claim exp"},
		"exp negative":      {good("{" + fine + `,"exp":-1}`), ErrInvalid, "claim exp"},
		"exp huge":          {good("{" + fine + `,"exp":1e18}`), ErrInvalid, "claim exp"},
		"exp no float":      {good("{" + fine + `,"exp":1e999}`), ErrInvalid, "claim exp"},
		"exp over 64 bits":  {good("{" + fine + `,"exp":18446744073709551617}`), ErrInvalid, "claim exp"},
		"nbf now":           {good("{" + fine + `,"nbf":1767268800}`), nil, ""},
		"nbf in a second":   {good("{" + fine + `,"nbf":1767268801}`), ErrInvalid, "not valid yet"},
		"nbf a text":        {good("{" + fine + `,"nbf":"0"}`), ErrInvalid, "claim nbf"},
		"iat a text":        {good("{" + fine + `,"iat":"0"}`), ErrInvalid, "claim iat"},

		"subscription token": {good("{" + fine + `,"channel":"news"}`), ErrInvalid, "subscription token"},
	} {
		t.Run(name, func(t *testing.T) {
			id, err := connection(t, v, c.token)
			if !errors.Is(err, c.want) || err != nil && !strings.Contains(err.Error(), c.why) {
				t.Errorf("%v, want %v: …%s…", err, c.want, c.why)
			}
			if err == nil && id.User != "u" && id.User != "" {
				t.Errorf("the user is %q", id.User)
			}
		})
	}
	trap.Close()
	if asked {
		t.Error("the verifier requested an address from a token")
	}
}

// TestLeeway checks the leeway at both ends of a token's validity.
func TestLeeway(t *testing.T) {
	c := allKeys(t)
	c.Leeway = 10e9
	v := open(t, c)
	for claims, want := range map[string]error{
		`{"exp":1767268791}`: nil, `{"exp":1767268790}`: ErrExpired,
		`{"nbf":1767268810}`: nil, `{"nbf":1767268811}`: ErrInvalid,
	} {
		if _, err := connection(t, v, good(claims)); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", claims, err, want)
		}
	}
}

// TestOneSortIsNotTheOther checks that a connection token is not accepted as a subscription
// token. A subscription token needs a room, and its user may be empty.
func TestOneSortIsNotTheOther(t *testing.T) {
	v := open(t, allKeys(t))
	for claims, want := range map[string]error{
		`{"channel":"news"}`:                                nil,
		`{"channel":"news","exp":1}`:                        ErrExpired,
		`{"sub":"u"}`:                                       ErrInvalid,
		`{"channel":""}`:                                    ErrInvalid,
		`{"channel":["news"]}`:                              ErrInvalid,
		`{"channel":"a\u0000b"}`:                            ErrInvalid,
		`{"channel":"` + strings.Repeat("n", 256) + `"}`:    ErrInvalid,
		`{"channel":"news","Channel":"staff"}`:              ErrInvalid,
		`{"channel":"news","b64info":"*"}`:                  ErrInvalid,
		`{"channel":"news","override":{"presence":"true"}}`: ErrInvalid,
	} {
		if _, err := subscription(t, v, good(claims)); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", claims, err, want)
		}
	}
}
