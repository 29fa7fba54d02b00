// Package children waits for the end of every child of this process. A child is not only a process that this program has started: a
// program that was put into the place of another one (see package upgrade) has the children of that one, and the first process of a
// container gets the children of processes that have ended. The kernel keeps each of them as a zombie until its parent has waited.
//
// # Lock order
//
// mu is innermost, except that Start calls exec.Cmd.Start under it.
package children
