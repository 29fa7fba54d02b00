// Package apikey decides which requests may open the internal listener: it has the keys of
// backends, with their rights, and the Host headers that a request may have.
//
//	key.go    Key and Right: the methods and rooms that a key opens
//	guard.go  Guard: finds the key with a secret, and checks Host headers
//
// Package room/api asks it before it calls a method, package room/live before it shows the live
// picture. Of ours, it imports only room/name: it knows no hub, no method and no request.
//
// # Rules
//
//   - A key without rights opens everything. A key with rights opens the methods that they name,
//     and never the live picture.
//   - A right with a pattern opens only requests about rooms, and only if the room matches. So it
//     opens no request about all rooms, such as a ban everywhere.
//   - The time that Guard.Find takes reveals nothing about the secrets.
//   - A Host header is an IP address, localhost or a configured name. Otherwise the owner of a
//     foreign site could point a name of their own at this server, and use the browsers of its
//     visitors.
//
// # Goroutines
//
// Keys do not change after NewGuard. Guard.Replace exchanges all keys and names of a Guard at once, so each call
// uses either the old ones or the new ones. Any goroutine may use a Guard. The package has no goroutines and no mutex.
//
// # Vocabulary
//
//	key      lets a backend use the server API; it has a name, a secret and perhaps rights
//	secret   the value that a request sends, which no log line shows
//	right    a method, open everywhere or in the rooms that match a pattern: publish@team-*
//	pattern  a room's name in which * stands for any bytes (name.Match)
//	open     let a caller call a method, or see the live picture
package apikey
