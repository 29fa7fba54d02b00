package main

import (
	"fmt"
	"time"

	"webim/room/api"
	"webim/room/token"
)

// prepared is the contents of the files that the settings name, and the warnings about
// all of it.
type prepared struct {
	apiKeys    []api.Key
	tokenKeys  []token.Key
	tokens     *token.Verifier // nil without keys
	jwks       *jwksLog
	certs      *certificates // nil without TLS
	hookSecret string
	files      uint64 // the limit of open files
	memory     memory
	warnings   []string // sentences without stops
}

// prepare reads the files that the settings name, and judges them and all settings
// together. serve and check both call it, so that check says all that serve would. It
// opens no address and fetches nothing. The error is a usageError.
func (c *config) prepare() (*prepared, error) {
	p := prepared{jwks: &jwksLog{}}
	var err error
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
	p.files = raiseFiles() // first: it decides how many clients there can be
	p.memory = c.findMemory()
	p.warnings = c.warnings(&p)
	return &p, nil
}

// close ends what prepare began.
func (p *prepared) close() {
	if p.tokens != nil {
		p.tokens.Close()
	}
}

// warnings are all that is to be said of settings that can be meant so and probably
// are not.
func (c *config) warnings(p *prepared) (all []string) {
	for _, name := range c.unknown {
		text := fmt.Sprintf("the variable %s names no setting and is ignored", name)
		if best := nearest(name, variables()); best != "" {
			text += ": did you mean " + best + "?"
		}
		all = append(all, text)
	}
	all = append(all, c.accessWarnings()...)
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
		all = append(all, fmt.Sprintf("the internal address %s can be reached from other machines: see that only yours can", c.Internal))
	}
	all = append(all, c.fileWarnings(p.files)...)
	return append(all, p.memory.warnings()...)
}

// variables are the names of all settings in the environment.
func variables() (names []string) {
	for _, s := range table {
		names = append(names, s.env())
	}
	return append(names, "WEBIM_CONFIG")
}

// accessWarnings says who can use the server, if that is everybody or nobody.
func (c *config) accessWarnings() []string {
	switch {
	case c.Dev:
	case c.Open:
		return []string{"open is set: whoever can reach the port can read and write every room that the section rooms does not name"}
	case !c.hasTokenKeys() && !c.anonymous() && c.HookConnect == "":
		return []string{"nobody can join a room: there are no keys of tokens, and neither open nor the section rooms lets anybody in without one"}
	}
	return nil
}
