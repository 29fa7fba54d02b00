// Package jwkslog logs whether the keys of tokens can be fetched from an identity provider.
//
// # Lock order
//
//	Log.mu  →  the logger's
package jwkslog
