// Package certs has the certificate of the server's listeners, and reloads it when its files change.
//
//	file      contents
//	certs.go  Certificates: loading, renewal, and warnings about a certificate that clients refuse
//	dev.go    Make: a certificate for trials on this machine
//
// # Lock order
//
//	Certificates.mu  →  the logger's
package certs
