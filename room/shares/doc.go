// Package shares counts the entries of the engine's State by the owners that pay for them, and refuses
// an entry that exceeds its owner's share, so that no owner fills the State; see budget.Pool. A user
// that a token names pays for its entries. For guests, and for clients without a user, their address
// pays. Entries that the server API writes belong to the server, and only the limit of the State bounds
// them.
//
// Shares counts by watching the State. So each node knows all shares, and that works with every engine.
// It also counts the members of each roster in this way.
//
// # Vocabulary
//
//	owner   pays for an entry (engine.Entry.Owner): a user, an address or the server
//	share   the bytes that the entries of one owner take, by engine.Entry.Cost
//	gift    an entry in the room list of a user for which another owner pays: the user that has invited it
//	roster  the entries of a room in engine.TableMember
//
// # Lock order
//
// Shares.mu and rosters.mu are innermost. The engine's State may call Shares with its locks held. The
// mutex of a budget.Pool is never taken together with them.
package shares
