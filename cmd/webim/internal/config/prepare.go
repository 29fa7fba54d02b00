package config

import (
	"fmt"
	"slices"
	"time"

	"webim/cmd/webim/internal/acmecert"
	"webim/cmd/webim/internal/certs"
	"webim/cmd/webim/internal/jwkslog"
	"webim/cmd/webim/internal/listen"
	"webim/cmd/webim/internal/setting"
	"webim/room/apikey"
	"webim/room/token"
)

// Prepared holds the contents of the files that the settings name, and the warnings about all
// settings.
type Prepared struct {
	APIKeys    []apikey.Key
	TokenKeys  []token.Key
	Tokens     *token.Verifier
	JWKS       *jwkslog.Log
	Certs      *certs.Certificates // nil without TLS, or with ACME
	ACME       *acmecert.Manager   // nil without --acme
	HookSecret string
	Files      uint64 // the limit of open files
	Memory     MemoryTable
	Warnings   []string // sentences without final stops
}

// Prepare reads the files that the settings name, and validates them together with the
// settings. Both serve and check call it, so that check reports everything that serve would
// report. It opens no address and fetches nothing. The error is a UsageError.
func (c *Config) Prepare() (*Prepared, error) {
	p := Prepared{JWKS: &jwkslog.Log{}}
	err := c.CheckStore()
	if err != nil {
		return nil, err
	}
	if p.APIKeys, err = c.apiKeys(); err != nil {
		return nil, err
	}
	if p.HookSecret, err = c.hookSecret(); err != nil {
		return nil, err
	}
	if p.ACME, err = c.prepareACME(); err != nil {
		return nil, err
	}
	if len(c.TLSListen) > 0 && p.ACME == nil {
		if p.Certs, err = certs.New(c.TLSCert, c.TLSKey); err != nil {
			return nil, c.mistake("tls_cert", ": the certificate cannot be used: %v.", err)
		}
	}
	if p.TokenKeys, err = c.TokenKeys(); err != nil {
		return nil, err
	}
	if p.Tokens, err = c.VerifierOf(p.TokenKeys, p.JWKS); err != nil {
		return nil, err
	}
	p.Files = raiseFiles() // before findMemory: the limit decides the number of clients
	p.Memory = c.findMemory()
	p.Warnings = c.warnings(&p)
	return &p, nil
}

// Close releases the resources that Prepare has created.
func (p *Prepared) Close() {
	if p.ACME != nil {
		p.ACME.Close()
	}
	p.Tokens.Close()
}

// warnings returns warnings about settings that are valid but probably not intended.
func (c *Config) warnings(p *Prepared) (all []string) {
	for _, name := range c.unknown {
		text := fmt.Sprintf("the variable %s matches no setting and is ignored", name)
		if best := setting.Nearest(name, variables()); best != "" {
			text += ": did you mean " + best + "?"
		}
		all = append(all, text)
	}
	all = append(all, c.accessWarnings()...)
	all = append(all, c.storeWarnings()...)
	all = append(all, c.unusedWarnings()...)
	all = append(all, c.proxyWarnings()...)
	all = append(all, c.pageWarnings()...)
	all = append(all, p.Tokens.Warnings()...)
	all = append(all, c.hookWarnings()...)
	if p.Certs != nil && c.TLSCert != "" {
		all = append(all, p.Certs.Warnings(c.tlsHosts(), time.Now())...)
	}
	if a, err := listen.Parse(c.Internal); c.Internal != "" && err == nil && !a.Local() {
		all = append(all, fmt.Sprintf("the internal address %s can be reached from other machines: make sure that only your own machines can reach it", c.Internal))
	}
	all = append(all, c.fileWarnings(p.Files)...)
	return append(all, p.Memory.warnings()...)
}

// variables returns the environment variables of all settings.
func variables() (names []string) {
	for _, s := range Table {
		names = append(names, s.Env())
	}
	return append(names, "WEBIM_CONFIG")
}

// accessWarnings warns if everybody or nobody can use the server.
func (c *Config) accessWarnings() []string {
	switch {
	case c.Dev:
	case c.Open && !slices.ContainsFunc(c.Rooms, decidesAll):
		return []string{"open is set: whoever can reach the port can read and write every room that the section rooms does not name"}
	case !c.hasTokenKeys() && !c.anonymous() && c.HookConnect == "":
		return []string{"nobody can join a room: there are no token keys, and neither open nor the section rooms admits clients without a token"}
	}
	return nil
}
