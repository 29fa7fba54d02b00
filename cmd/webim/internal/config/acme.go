package config

import (
	"net/url"
	"slices"

	"webim/cmd/webim/internal/acmecert"
	"webim/cmd/webim/internal/setting"
)

// validateACME checks the settings of certificates from an ACME server.
func (c *Config) validateACME() error {
	u, err := url.Parse(c.ACMEDirectory)
	switch {
	case c.Dev:
		return c.mistake("acme", " and {dev} contradict each other: with the second, webim makes a certificate itself.")
	case c.TLSCert != "":
		return c.mistake("acme", " and {tls_cert} contradict each other: remove one.")
	case len(c.TLSListen) == 0:
		return c.mistake("acme", " has no effect without an address: add {tls_listen :443}.")
	case c.ACMEDir == "":
		return c.mistake("acme", " needs a folder where the certificates are kept: add {acme_dir DIR}.")
	case err != nil || u.Scheme != "https" || u.Host == "":
		return c.mistake("acme_directory", ": %q is not the address of an ACME server: write it as https://host/directory.", c.ACMEDirectory)
	}
	for i, host := range c.ACME {
		if err := acmecert.CheckHost(host); err != nil {
			return c.mistake("acme", ": %q %v.", host, err)
		}
		if slices.Contains(c.ACME[:i], host) {
			return c.mistake("acme", ": %s appears twice: remove one.", host)
		}
	}
	return nil
}

// acmeOption returns the first setting of {acme} that differs from its default, or "".
func (c *Config) acmeOption() string {
	for _, key := range []string{"acme_dir", "acme_email", "acme_directory", "acme_ca"} {
		if s := Lookup(key, (*setting.Setting).Key); s.Field(&c.Settings).String() != s.Def {
			return key
		}
	}
	return ""
}

// prepareACME returns the manager of the certificates, nil without {acme}.
func (c *Config) prepareACME() (*acmecert.Manager, error) {
	if len(c.ACME) == 0 {
		return nil, nil
	}
	m, err := acmecert.New(acmecert.Config{Hosts: c.ACME, Folder: c.ACMEDir, Directory: c.ACMEDirectory, Email: c.ACMEEmail, CA: c.ACMECA})
	if err != nil {
		return nil, c.mistake("acme_ca", ": %v.", err)
	}
	return m, nil
}
