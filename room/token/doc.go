// Package token turns a client's token into who it is and what it may do.
//
// A token is a JSON Web Token that the application's backend signs. There are
// two sorts, in the claim shapes of Centrifugo: a connection token says who the
// user is, a subscription token that one user may be in one room. Neither is
// taken for the other.
//
//	config.go    keys, issuer, audience: what is trusted; New judges it
//	key.go       one key, and the algorithms it is bound to
//	verify.go    Connection, Subscription: the signature, then the times and names
//	jwks.go      keys that an identity provider publishes, fetched in the background
//	claims.go    the claims, read strictly
//	info.go      the claims that others see, judged as data of a room is
//	identity.go  Identity, Subscription: what a verified token says
//	grants.go    what it permits, by room
//	revoked.go   tokens and users that are no longer good
//	sign.go      making tokens
//	errors.go    the three ways in which a token fails
//
// # What is believed
//
// Nothing in a token is believed before its signature is checked, except two
// names in its header: alg, which must be one that the key is bound to, and kid,
// which is a hint (RFC 7515, section 4.1.4). If a key has that id, only that key is
// tried; if none has it or the token has no kid, the keys that are bound to alg are
// tried in their order, configured ones first, at most eight. A token names no
// key of its own: jku, x5u, jwk and x5c are ignored, crit is refused.
//
// The rule: what other libraries write and this package understands is taken (no kid, a
// kid of nobody's, times that are off by the leeway, [] for an empty map); what two
// readers could understand differently is refused, with an [Error] that names what is
// wrong and the setting to look at.
//
// The claims are read strictly: a claim that is there twice, that differs from a
// known one only in case, or that is not of its type makes the token invalid,
// since another reader might see another user in it.
//
// What a claim says for others to see (info, b64info, and those of subs) or for the
// backend (meta) is one JSON value, as strict as data that a client publishes: a value
// that a reader refuses would fail each list that the user is in. Names of rooms, and
// patterns of them, are put in their one spelling (package name).
//
// # Who waits
//
// Nobody: a verification is computation alone, so it may run on a worker. Only
// if a token names a key that is not there, and there is a JWKS address, the
// answer comes later, from another goroutine, when the keys have been fetched.
package token
