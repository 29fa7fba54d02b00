// Package client holds many WebSocket clients in one process: in the plain or the Centrifuge dialect, with or without TLS.
package client
