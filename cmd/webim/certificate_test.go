package main

import (
	"strings"
	"testing"
	"time"

	"webim/cmd/webim/internal/config"
	"webim/cmd/webim/internal/testcert"
)

// TestCertificateWarnings checks the warnings for names by which clients connect, as the settings tell them.
func TestCertificateWarnings(t *testing.T) {
	for _, c := range []struct {
		name        string
		from, until time.Duration
		names       []string
		flags       string
		want        []string // the beginnings
	}{
		{"good", -time.Hour, time.Hour, []string{"chat.example", "*.eu.example", "127.0.0.1"}, "--tls-listen :0 --tls-listen 127.0.0.1:0 --tls-listen a.eu.example:0", nil},
		{"an address to listen on is no name", -time.Hour, time.Hour, []string{"chat.example"}, "--tls-listen 192.0.2.1:0 --tls-listen [::]:0 --tls-listen unix:/s", nil},
		{"expired", -2 * time.Hour, -time.Hour, []string{"chat.example"}, "", []string{"the certificate has expired, at "}},
		{"not yet valid", time.Hour, 2 * time.Hour, []string{"chat.example"}, "", []string{"the certificate is not valid before "}},
		{"nobody's", -time.Hour, time.Hour, nil, "", []string{"the certificate names no host"}},
		{"another host's", -time.Hour, time.Hour, []string{"chat.example"}, "--tls-listen localhost:0 --tls-listen other.example:443",
			[]string{"the certificate is for chat.example and not for localhost", "the certificate is for chat.example and not for other.example"}},
		{"a loopback address", -time.Hour, time.Hour, []string{"chat.example"}, "--tls-listen 127.0.0.1:0", []string{"the certificate is for chat.example and not for 127.0.0.1"}},
		{"the API's host", -time.Hour, time.Hour, []string{"chat.example"}, "--tls-listen :0 --api --api-key 0123456789abcdef --api-host api.example", []string{"the certificate is for chat.example and not for api.example"}},
		{"all at once", -2 * time.Hour, -time.Hour, []string{"chat.example"}, "--tls-listen [::1]:0", []string{"the certificate has expired", "the certificate is for chat.example and not for ::1"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			cert, key := testcert.New(t, c.from, c.until, c.names...)
			args := append(strings.Fields(c.flags), "--open", "--tls-cert", write(t, "cert", cert), "--tls-key", write(t, "key", key))
			command, given := parseFlags(t, args...)
			cfg, err := config.Load(&command.Settings, given, nil, "")
			if err != nil {
				t.Fatal(err)
			}
			p, err := cfg.Prepare()
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, warning := range p.Warnings {
				if strings.Contains(warning, "certificate") {
					got = append(got, warning)
				}
			}
			for i, want := range c.want {
				if i >= len(got) || !strings.HasPrefix(got[i], want) {
					t.Errorf("%q, want one that begins with %q", got, want)
				}
			}
			if len(got) != len(c.want) {
				t.Errorf("%q, want %d", got, len(c.want))
			}
			_, out, _ := webim("", nil, append([]string{"check"}, args...)...)
			for _, warning := range got {
				if !strings.Contains(out, "# warning: "+warning+"\n") {
					t.Errorf("check does not say %q", warning)
				}
			}
		})
	}
}
