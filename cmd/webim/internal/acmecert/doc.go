// Package acmecert gets certificates from an ACME server, such as Let's Encrypt, and renews them. The protocol is that of
// golang.org/x/crypto/acme/autocert.
//
// The server proves that a host is this one in a TLS handshake (TLS-ALPN-01) on port 443, or with a page (HTTP-01) on
// port 80. Certificates and the account's key are kept in a folder.
//
// # Lock order
//
//	Manager.mu  nothing is locked under it
package acmecert
