// Package token verifies the tokens that clients present, and reads from them the user's
// identity and rights.
//
// A token is a JSON Web Token that the application's backend signs. There are two kinds, with
// the claims of Centrifugo: a connection token names the user of a connection; a subscription
// token allows one user to be in one room. A token of one kind is refused where the other kind
// is expected.
//
//	config.go    Config: keys, issuer, audience; New validates it
//	key.go       one key, and the algorithms it is bound to
//	verify.go    Connection, Subscription: check the signature, then the times and names
//	jwks.go      keys that an identity provider publishes, fetched in the background
//	claims.go    the claims, parsed strictly
//	info.go      the claims with JSON values: info, meta, data
//	identity.go  Identity, Subscription: the contents of a verified token
//	grants.go    the rights that a token grants, by room
//	revoked.go   revoked tokens and users
//	sign.go      making tokens
//	move.go      identities are written down for another process
//	errors.go    the three ways in which a token fails
//
// # Trust
//
// Before the signature is checked, the verifier uses only two fields of the header: alg, which
// must be an algorithm that the key is bound to, and kid, which is a hint (RFC 7515, section
// 4.1.4). If a key has the id in kid, only that key is tried. If no key has that id, or the
// token has no kid, the keys that are bound to alg are tried in their order, configured keys
// first, at most eight. A token cannot bring its own key: jku, x5u, jwk and x5c are ignored. A
// token with crit is refused.
//
// The rule: if other libraries write a form and its meaning is clear, it is accepted (a missing
// kid, a kid that no key has, times that are off by the leeway, [] for an empty map). If two
// readers could understand a token differently, it is refused, with an [Error] that names the
// fault and the setting to look at.
//
// The claims are parsed strictly. A token is invalid if a claim appears twice, differs from a
// known claim only in case, or has the wrong type: another reader could see a different user in
// it.
//
// The values that other users see (info, b64info, also those inside subs) and the value for the
// backend (meta) must each be one JSON value, checked as strictly as data that a client
// publishes. If a client's JSON parser refused such a value, every member list with this user
// would fail. Names and patterns of rooms are normalized (package name).
//
// # Blocking
//
// A verification only computes, so it may run on a worker. There is one exception: if a JWKS
// address is configured, the token is for a public-key algorithm, its kid is missing or unknown,
// and no key at hand has signed it, then the verifier fetches the keys in the background and
// delivers the result later, from another goroutine.
//
// # Lock order
//
// jwks.mu guards the state of the fetch, and Revoked.mu the revoked tokens. Both are innermost: nothing
// is locked under them, and no function that waits for keys is called under them.
package token
