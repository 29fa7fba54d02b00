// Package backend has the contract between a hub and the application's backend, which may decide about
// clients instead of the rights and the tokens: the kinds of requests, the requests and the replies.
// Package hooks implements it over HTTP; a Go program may implement it in place.
//
// The rules: a backend replaces the rights of a room and the token of a connection, and nothing else.
// So # rooms stay private, and bans, mutes, limits and rates still apply. A [Backend] never blocks its
// caller, and answers each request once.
//
// # Vocabulary
//
//	hook        a kind of request to the backend
//	request     a question to the backend (hook request); it counts for its payer
//	reply       the answer to a request (hook reply)
//	no answer   the backend failed, and the request goes on as if there were none
//
// Package backend has no mutex, and so no lock order.
package backend
