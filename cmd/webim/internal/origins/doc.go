// Package origins decides which pages may open connections, by the Origin header that browsers send.
package origins
