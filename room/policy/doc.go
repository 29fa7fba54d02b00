// Package policy decides about rights, whether a subject may do an action in a room, and has the
// limits that a hub applies: rates, sizes of texts and messages, and the options and settings of a
// room. It consists of values and pure functions, and knows neither connections nor clocks. Of the
// engine it knows only the types.
//
// The rule: one function, [Decide], decides about every right. It gets the complete identity of
// the subject (user, roles, address, the grants of its token), the room and the membership.
// Every part of the server that can refuse an action for lack of a right calls Decide: the
// plain dialect, commands, calls, the server API, the answers of a backend, and the live
// picture. So if one of them refuses an action, all of them do.
//
// # Vocabulary
//
//	subject      the user or the application that wants to do something
//	action       the thing that the subject wants to do, see Action
//	verdict      the result of Decide
//	standing     the sanctions and settings in Room that apply to the subject
//	ticket       a subscription token, or the permission of a backend, to join a room
//	options      the features and the rights of a room, from the configuration, see Options
//	settings     what its managers have changed in a room, from the State, see Settings
//	override     other options for one subscription, from its token or from a backend
//	roster       the list of the users that may join a $ room
//	reach        which subjects a sanction binds
//	rate         how much of a flow a client may cause, see Rates
//	class        one of the flows
//	slow mode    a minimum time between two messages of a user
//
// Package policy has no mutex, and so no lock order.
package policy
