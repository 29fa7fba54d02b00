// Package policy decides about rights: whether a subject may do an action in a room. It
// consists of values and pure functions, and knows neither connections nor engines nor clocks.
//
// The rule: one function, [Decide], decides about every right. It gets the complete identity of
// the subject (user, roles, address, the grants of its token), the room and the membership.
// Every part of the server that can refuse an action for lack of a right calls Decide: the
// plain dialect, commands, calls, the server API, the answers of a backend, and the live
// picture. So if one of them refuses an action, all of them do.
package policy
