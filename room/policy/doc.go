// Package policy is the judge of rights: who may do what in which room. It holds
// values and pure functions; it knows no connection, no engine and no clock.
//
// The rule: one function, [Decide], judges every right, with the whole identity of the
// subject (user, roles, address, what its token grants), the room and the membership.
// Whatever refuses somebody for lack of a right asks it, whichever door the question
// comes in by: the plain dialect, a command, a call, the server API, a backend's
// answer, the live picture. So a right that is refused at one door is refused at all.
package policy
