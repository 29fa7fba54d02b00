package main

import (
	"encoding/base64"
	"strings"
	"testing"
)

// webim refuses a secret with invisible characters at start, from every source, with a sentence. The
// line break at the end of a file is not a part of the secret.
func TestSecretsThatNobodySees(t *testing.T) {
	const fine = "0123456789abcdef0123456789abcdef"
	for what, c := range map[string]struct{ text, inVariable, inFile string }{
		"as it should be":        {fine, "", ""},
		"a passphrase":           {"correct horse battery staple 0123456789", "", ""},
		"a line break":           {fine + "\n", "has a line break", ""},
		"a line break of DOS":    {fine + "\r\n", "has a line break", ""},
		"an empty line":          {fine + "\n\n", "has a line break", ""},
		"two lines":              {fine + "\n" + fine, "has a line break", "has a line break"},
		"a BOM":                  {"\ufeff" + fine + "\n", "byte order mark", "byte order mark"},
		"UTF-16":                 {"\xff\xfe0\x001\x002\x00" + fine, "byte order mark", "byte order mark"},
		"a tab at the end":       {fine + "\t", "invisible", "invisible"},
		"a space at the end":     {fine + " ", "has spaces around it", "has spaces around it"},
		"a space before a break": {fine + " \n", "has", "has spaces around it"},
		"a no-break space":       {"0123456789abcdef\u00a00123456789abcdef", "invisible", "invisible"},
		"a space without width":  {fine + "\u200b", "invisible", "invisible"},
		"a NUL":                  {fine + "\x00", "invisible", "invisible"},
	} {
		for _, place := range []struct {
			variable string
			args     []string
		}{
			{"WEBIM_TOKEN_SECRET", nil}, {"WEBIM_API_KEY", []string{"--internal", "127.0.0.1:0"}}, {"WEBIM_HOOK_SECRET", []string{"--hook-rpc", "http://127.0.0.1/"}},
		} {
			args := append([]string{"check", "--listen", "127.0.0.1:0"}, place.args...)
			judge := func(source, want string, environ []string) {
				t.Helper()
				code, out, errs := webim("", environ, args...)
				bad := want != ""
				if bad != (code == exitUsage) || strings.Count(errs, "\n") > 1 || strings.Contains(out+errs, fine) {
					t.Errorf("%s in %s: %d, %q", what, source, code, errs)
				}
				if bad && place.variable == "WEBIM_API_KEY" && source == place.variable {
					return // it has a sentence of its own
				}
				if !strings.Contains(errs, want) {
					t.Errorf("%s in %s: %q, want %q", what, source, errs, want)
				}
			}
			judge(place.variable, c.inVariable, []string{place.variable + "=" + c.text})
			judge(place.variable+"_FILE", c.inFile, []string{place.variable + "_FILE=" + write(t, "secret", c.text)})
		}
	}
}

// The error for a token with a number as the user id explains the fault.
func TestInspectANumericUser(t *testing.T) {
	part := base64.RawURLEncoding.EncodeToString
	text := part([]byte(`{"alg":"HS256"}`)) + "." + part([]byte(`{"sub":42}`)) + ".AAAA"
	code, _, errs := webim(text, []string{"WEBIM_TOKEN_SECRET=" + longSecret}, "token", "inspect")
	if code != exitFailed || !strings.Contains(errs, "sub must be a string") {
		t.Errorf("%d, %q", code, errs)
	}
}
