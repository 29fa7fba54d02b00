// Package why prints the answer of webim why: why the connections of a user, an address or an id have ended.
package why
