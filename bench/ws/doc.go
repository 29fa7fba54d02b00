// Package ws is the lab's own WebSocket codec: frame headers, an incremental decoder and permessage-deflate (RFC 6455, RFC 7692), as code on
// byte slices.
package ws
