// Package judge decides whether a client may do something in a room: it gathers the arguments of
// policy.Decide about a connection, and verifies tokens.
//
//	judge.go   the verdicts about sessions, plain members and requests
//	admit.go   the admission of clients
//	tokens.go  tokens: verified, revoked, refused
//	counts.go  the numbers of refused tokens, by reason
//
// # Rules
//
//   - Every way in asks this package: sockets, calls, the server API, the answers of a backend, and the
//     live picture. It passes the complete identity of the client and the room to policy.Decide, which
//     alone decides.
//   - A verdict counts nothing. Whoever refuses an action because of it calls [Judge.Refusal], once.
//   - A token is valid only if CheckToken says so: it was verified, and was not revoked since.
//   - Every token that is refused leaves a line in the log with the reason and the setting to look at,
//     and never with the token.
//
// # Vocabulary
//
//	verdict      the result of policy.Decide
//	refusal      a verdict against an action, which is counted
//	membership   the relation of a client to a room
//	ask          let the application's backend decide (policy.AskBackend)
//	revoked      a token that is no longer valid, though it has not expired
//
// Package judge has no mutex, and so no lock order. It takes the locks of packages moderation and token,
// and those of a client under which Client.Membership looks its rooms up.
package judge
