package main

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"webim/cmd/webim/internal/config"
	"webim/cmd/webim/internal/jwkslog"
	"webim/cmd/webim/internal/testargs"
)

const longSecret = "a secret of more than thirty-two bytes"

// webim runs a command line in this process.
func webim(in string, environ []string, args ...string) (code int, out, errs string) {
	var o, e bytes.Buffer
	code = run(testargs.Complete(args), environ, strings.NewReader(in), &o, &e)
	return code, o.String(), e.String()
}

// TestTokenMakeAndInspect: the token that make prints is valid for inspect with the other
// half of the key, and with nothing else.
func TestTokenMakeAndInspect(t *testing.T) {
	secret, file := "WEBIM_TOKEN_SECRET="+longSecret, write(t, "secret", longSecret+"\n")
	short := write(t, "short", "secret")
	config := func(text string) string { return "WEBIM_CONFIG=" + write(t, "webim.yaml", text) }
	wrong := "WEBIM_TOKEN_SECRET=2nd secret of more than thirty-two bytes"
	for _, c := range []struct {
		make    []string
		with    string // a variable
		checked string // a variable
		good    bool
		want    []string
	}{
		{[]string{"--user", "u"}, secret, secret, true, []string{`"sub": "u"`, `"exp": `, `"jti": `, "good until: 2", "it is a connection token"}},
		{[]string{"--user", "u", "--secret-file", file}, "", secret, true, []string{`"alg": "HS256"`}},
		{[]string{"--user", "u", "--alg", "HS512", "--secret-file", file}, "", secret, true, []string{`"alg": "HS512"`}},
		{[]string{"--user", "", "--exp", "0s", "--subscription", "news"}, secret, secret, true, []string{`"channel": "news"`, "it is a subscription token"}},
		{[]string{"--user", "u", "--info", `{"n":"\u202e"}`, "--channel", "a,b", "--channel", "c", "--role", "moderator@team-*"}, secret, secret, true,
			[]string{`"a,b",`, `"c"`, `"moderator@team-*"`, `"n": "\u202e"`}},
		{[]string{"--user", "u"}, secret, wrong, false, []string{`"sub": "u"`, "webim: the token is invalid: its signature is not that of the key"}},
		{[]string{"--user", "u"}, secret, "WEBIM_OTHER=", false, []string{`"sub": "u"`, "webim: it cannot be checked, because the settings have no key"}},
		{[]string{"--user", "u"}, config("token_secret_file: [two=" + file + "]\ntoken_issuer: us\ntoken_audience: [chat, shop]"),
			config("token_secret_file: [one=" + short + ", two=" + file + "]\ntoken_issuer: us\ntoken_audience: shop,chat\ninsecure: true"), true,
			[]string{`"kid": "two"`, `"iss": "us"`, `"chat"`}},
		{[]string{"--user", "u"}, secret, config("token_secret_file: " + file + "\ntoken_issuer: us"), false, []string{"no issuer"}},
		{[]string{"--user", "u", "--kid", "b"}, config("token_secret_file: [a=" + file + ", b=" + file + "]"), config("token_secret_file: a=" + write(t, "another", "2nd secret of more than thirty-two bytes")), false, []string{`no key has its kid, "b"`}},
	} {
		code, text, errs := webim("", []string{c.with}, append([]string{"token", "make"}, c.make...)...)
		if code != 0 || errs != "" || strings.Count(text, "\n") != 1 {
			t.Errorf("make %q with %s: %d, %q, %q", c.make, c.with, code, text, errs)
			continue
		}
		for _, how := range [][]string{{"inspect", strings.TrimSpace(text)}, {"inspect", "-"}, {"inspect"}} {
			code, out, errs := webim(text, []string{c.checked}, append([]string{"token"}, how...)...)
			if (code == 0) != c.good || code > 1 {
				t.Errorf("make %q, inspect with %s: exit code %d, %s", c.make, c.checked, code, errs)
			}
			for _, want := range c.want {
				if !strings.Contains(out+errs, want) {
					t.Errorf("make %q, inspect with %s: no %q in\n%s%s", c.make, c.checked, want, out, errs)
				}
			}
		}
	}
	if _, _, errs := webim("", nil, "token", "make", "--user", "u", "--secret-file", short); !strings.Contains(errs, "--secret-file has under 32 bytes") {
		t.Errorf("a short secret makes no warning: %q", errs)
	}
}

// TestTokenKeyFiles signs with private keys and checks with public ones.
func TestTokenKeyFiles(t *testing.T) {
	r, _ := rsa.GenerateKey(rand.Reader, 2048)
	e, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	_, d, _ := ed25519.GenerateKey(rand.Reader)
	var all []string
	made := map[string]string{}
	for alg, k := range map[string]crypto.Signer{"RS256": r, "ES256": e, "EdDSA": d} {
		private, err := x509.MarshalPKCS8PrivateKey(k)
		if err != nil {
			t.Fatal(err)
		}
		public, err := x509.MarshalPKIXPublicKey(k.Public())
		if err != nil {
			t.Fatal(err)
		}
		file := write(t, "private.pem", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})))
		all = append(all, alg+"="+write(t, "public.pem", string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public}))))
		code, text, errs := webim("", nil, "token", "make", "--user", "u", "--key-file", file, "--kid", alg)
		if code != 0 || errs != "" {
			t.Errorf("%s: %d, %s", alg, code, errs)
		}
		made[alg] = text
	}
	for alg, text := range made {
		code, out, errs := webim(text, []string{"WEBIM_TOKEN_PUBLIC_KEY=" + strings.Join(all, ",")}, "token", "inspect")
		if code != 0 || !strings.Contains(out, fmt.Sprintf(`"alg": %q`, alg)) {
			t.Errorf("%s: %d, %s%s", alg, code, out, errs)
		}
	}
}

// TestTokenInspectRubbish: anything may be inspected; a terminal shows it as it
// is.
func TestTokenInspectRubbish(t *testing.T) {
	for _, text := range []string{"", "-", ".", "..", "a.b.c", "bnVsbA.bnVsbA.", "IuKAriI.IuKAriI.x", strings.Repeat("x", 1<<17), "\x1b[2J"} {
		code, out, errs := webim(text, []string{"WEBIM_TOKEN_SECRET=" + longSecret}, "token", "inspect")
		if code != 1 || !strings.HasPrefix(errs, "webim: the token is invalid: ") || strings.ContainsAny(out+errs, "\x1b\u202e") {
			t.Errorf("%.20q: %d, %q, %q", text, code, out, errs)
		}
	}
}

// TestTokenSettings checks that each setting of tokens changes which tokens are accepted.
func TestTokenSettings(t *testing.T) {
	secret := write(t, "secret", longSecret)
	judge := func(flags, claims string) string {
		t.Helper()
		command, given := parseFlags(t, strings.Fields(flags)...)
		c, err := config.Load(&command.Settings, given, nil, "")
		if err != nil {
			t.Fatal(err)
		}
		keys, err := c.TokenKeys()
		if err != nil {
			return err.Error()
		}
		v, err := c.VerifierOf(keys, &jwkslog.Log{})
		if err != nil {
			return err.Error()
		}
		defer v.Close()
		_, text, _ := webim("", []string{"WEBIM_TOKEN_SECRET=" + longSecret}, append([]string{"token", "make", "--user", "u"}, strings.Fields(claims)...)...)
		if _, err := judgeToken(v, strings.TrimSpace(text)); err != nil {
			return err.Error()
		}
		return "good"
	}
	for _, c := range []struct{ flags, claims, want string }{
		{"--token-secret-file " + secret, "", "good"},
		{"--token-secret-file " + secret + " --token-issuer us", "", "no issuer"},
		{"--token-secret-file " + secret + " --token-audience us", "", "no audience"},
		{"--token-secret-file " + secret, "--exp 1ns", "good"}, // clocks may differ by 10 s
		{"--token-secret-file " + secret + " --token-leeway 0s", "--exp 1ns", "expired"},
		{"--token-secret-file " + secret + " --token-leeway 10m", "--exp 1ns", "good"},
		{"--token-secret-file one=" + secret, "", "good"},
		{"--token-secret x", "", "can be guessed"},
		{"--token-secret x --insecure", "", "its signature"},
		{"--token-secret x --dev", "", "its signature"},
		{"--token-secret x --dev --no-insecure", "", "can be guessed"},
		{"--token-jwks http://203.0.113.1/ --token-jwks-refresh 1h --insecure", "", "names no key"},
	} {
		if got := judge(c.flags, c.claims); !strings.Contains(got, c.want) {
			t.Errorf("%s, %s: %s, want %s", c.flags, c.claims, got, c.want)
		}
	}
}

// TestCheckHidesSecrets checks that the output of check contains no secrets.
func TestCheckHidesSecrets(t *testing.T) {
	for vars, want := range map[string]string{
		"WEBIM_TOKEN_SECRET=" + longSecret: "\n# token_secret is not printed # env\n",
		"WEBIM_OTHER=x":                    "\n# token_secret is not printed # default\n",
		"WEBIM_TOKEN_SECRET=hushhush":      "\n# warning: WEBIM_TOKEN_SECRET has 8 bytes",
	} {
		code, out, errs := webim("", []string{vars, "WEBIM_INSECURE=true"}, "check")
		if code != 0 || !strings.Contains(out, want) || strings.Contains(out+errs, longSecret) || strings.Contains(out+errs, "hushhush") {
			t.Errorf("%s: %d, no %q in\n%s%s", vars, code, want, out, errs)
		}
	}
}

// TestInspectSaysWhyThereAreNoKeys checks that token inspect reports a JWKS that cannot be fetched.
func TestInspectSaysWhyThereAreNoKeys(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<html>") }))
	t.Cleanup(s.Close)
	code, _, errs := webim("eyJhbGciOiJFZERTQSIsImtpZCI6ImEifQ.e30.AAAA", []string{"WEBIM_TOKEN_JWKS=" + s.URL}, "token", "inspect")
	if code != exitFailed || !strings.Contains(errs, "not a JSON object") {
		t.Errorf("%d, %s", code, errs)
	}
}
