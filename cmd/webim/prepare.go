package main

import (
	"fmt"
	"time"

	"webim/room/apikey"
	"webim/room/token"
)

// prepared holds the contents of the files that the settings name, and the warnings about all
// settings.
type prepared struct {
	apiKeys    []apikey.Key
	tokenKeys  []token.Key
	tokens     *token.Verifier // nil if there are no keys
	jwks       *jwksLog
	certs      *certificates // nil without TLS
	hookSecret string
	files      uint64 // the limit of open files
	memory     memoryTable
	warnings   []string // sentences without final stops
}

// prepare reads the files that the settings name, and validates them together with the
// settings. Both serve and check call it, so that check reports everything that serve would
// report. It opens no address and fetches nothing. The error is a usageError.
func (c *config) prepare() (*prepared, error) {
	p := prepared{jwks: &jwksLog{}}
	err := c.checkStore()
	if err != nil {
		return nil, err
	}
	if p.apiKeys, err = c.apiKeys(); err != nil {
		return nil, err
	}
	if p.hookSecret, err = c.hookSecret(); err != nil {
		return nil, err
	}
	if len(c.TLSListen) > 0 {
		if p.certs, err = newCertificates(c.TLSCert, c.TLSKey); err != nil {
			return nil, c.mistake("tls_cert", ": the certificate cannot be used: %v.", err)
		}
	}
	if p.tokenKeys, err = c.tokenKeys(); err != nil {
		return nil, err
	}
	if p.tokens, err = c.verifierOf(p.tokenKeys, p.jwks); err != nil {
		return nil, err
	}
	p.files = raiseFiles() // before findMemory: the limit decides the number of clients
	p.memory = c.findMemory()
	p.warnings = c.warnings(&p)
	return &p, nil
}

// close releases the resources that prepare has created.
func (p *prepared) close() {
	if p.tokens != nil {
		p.tokens.Close()
	}
}

// warnings returns warnings about settings that are valid but probably not intended.
func (c *config) warnings(p *prepared) (all []string) {
	for _, name := range c.unknown {
		text := fmt.Sprintf("the variable %s matches no setting and is ignored", name)
		if best := nearest(name, variables()); best != "" {
			text += ": did you mean " + best + "?"
		}
		all = append(all, text)
	}
	all = append(all, c.accessWarnings()...)
	all = append(all, c.storeWarnings()...)
	all = append(all, c.proxyWarnings()...)
	all = append(all, c.pageWarnings()...)
	if p.tokens != nil {
		all = append(all, p.tokens.Warnings()...)
	}
	all = append(all, c.hookWarnings()...)
	if p.certs != nil && c.TLSCert != "" {
		all = append(all, certificateWarnings(p.certs.current.Load(), c.tlsHosts(), time.Now())...)
	}
	if a, err := parseAddress(c.Internal); c.Internal != "" && err == nil && !a.local() {
		all = append(all, fmt.Sprintf("the internal address %s can be reached from other machines: make sure that only your own machines can reach it", c.Internal))
	}
	all = append(all, c.fileWarnings(p.files)...)
	return append(all, p.memory.warnings()...)
}

// variables returns the environment variables of all settings.
func variables() (names []string) {
	for _, s := range table {
		names = append(names, s.env())
	}
	return append(names, "WEBIM_CONFIG")
}

// accessWarnings warns if everybody or nobody can use the server.
func (c *config) accessWarnings() []string {
	switch {
	case c.Dev:
	case c.Open:
		return []string{"open is set: whoever can reach the port can read and write every room that the section rooms does not name"}
	case !c.hasTokenKeys() && !c.anonymous() && c.HookConnect == "":
		return []string{"nobody can join a room: there are no token keys, and neither open nor the section rooms admits clients without a token"}
	}
	return nil
}
