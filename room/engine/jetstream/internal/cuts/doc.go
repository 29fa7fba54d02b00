// Package cuts knows which histories were removed, and names the epochs that rooms have because of that.
//
// The history of a room is removed by an entry of the State, which says up to which offset, the cut, and
// how often that was done: a number in the epoch of the room. No reader goes behind the cut, so it does not
// matter that the messages before it leave the stream later.
//
// # Lock order
//
// All.mu is innermost: nothing is locked under it.
package cuts
