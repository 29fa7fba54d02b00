// Package upgrade replaces the running process by a new one that takes over its sockets and its state (Spawn), or its program by
// a new one in the same process (Exec). It is the protocol between the two: it knows files, frames of bytes and functions, and
// nothing of rooms or connections.
//
//	old.go      Old: the process that runs; Spawn
//	peer.go     the new process, as the old one sees it
//	inplace.go  Exec, and HandBack of the stand-in
//	new.go      New: the process that takes over
//	patient.go  how long the old process waits
//	stream.go   the frames in the file of the state
//	wire.go     the messages between the two processes
//	gate.go     Gate: lets HTTP requests end first
//
// # The steps
//
// Both processes have an end of a pair of sockets (package fdpass). The state is a file in memory, which the old
// process appends to while the new one reads. Connections come in parts: their states in the file, their
// descriptors in the message that announces the part, unless they were lent.
//
//	old                                    new
//	starts the new process        ──►      reads its settings
//	                              ◄──      hello: which versions of the state it reads
//	Check
//	Lend: sockets                 ──►      registers them with epoll
//	                              ◄──      kept
//	Freeze
//	files: the state, listeners   ──►
//	parts of the state            ──►      restores them
//	end                           ──►      checks that it has everything
//	                              ◄──      ready
//	Commit
//	go                            ──►      serves
//	                              ◄──      done
//	Release
//
// # Who owns the sockets
//
// The old process, until the new one has received go, or the old one has died. The new process begins at go, or at the end of
// the old one, if it was ready then. If the new one dies without having received go, the kernel tells the old one so. The old process
// goes on (Thaw) only after the new one is dead: it kills it, and waits for its end. So at each step exactly one of them serves,
// whichever dies or hangs. If the old process dies before the new one is ready, the new one ends, too.
//
// Nobody is served while the new process restores the state. So the old one waits MoveTime for that at the longest, and only
// StallTime while the new one does not get on.
//
// # In place
//
// Exec keeps the process and replaces only its program, by execve(2). Meanwhile another process of the new program stands in. So the new
// program has started, and everything has moved to it once, before anything is given up. The clients wait twice, each time as
// long as for Spawn, and not for the start of a program.
//
//	old                                    stand-in
//	all steps above               ──►      serves
//	leave: closes the connections that could not move
//	execve, with its end of the pair
//	new program
//	all steps above               ◄──      HandBack: it is the old process now
//	serves                                 closes the connections that could not move, and ends
//
// If the old program cannot be replaced, or the new one in its place fails, the stand-in serves on. The first process then only waits
// for its end (StandInError, Guard): a supervisor may know no other one, and a container ends with it. If it hangs, the stand-in kills
// it. The first process of a container cannot be killed from inside: it finds the message stop in place of go if it ever goes on.
// It may have a store open, so the stand-in ends too if there is one.
//
// A stand-in does not outlive the first process (Orphaned): if that is killed, at whatever step, the stand-in drains and ends, unless
// a service manager knows of it. This holds for the stand-in that serves on, too, and after its next upgrade. It also
// covers SIGTERM and SIGINT from the last look before execve until the new program handles signals: they end the first process.
//
// # Words
//
//	word      meaning
//	frame     a piece of the state of one kind, with its length before it
//	part      the frames that one message announces, and at most one frame of connections among them
//	file      a descriptor with a name: a listener, or the lock of a folder
//	stand-in  the process that serves while the program of the one before it is replaced
//
// # Lock order
//
// Gate.mu is innermost: nothing is locked under it.
package upgrade
