// Package attack is the attack lab. It runs named attacks against a WebSocket server, beside a bystander in another room, and reports the
// cost of each attack to the attacker, the server and the bystander.
//
// # One attack
//
//	start ──► baseline ──► attack ──► recovery ──► judge
//
//	start     run.go       if the lab starts the server, it starts a new one; the bystander's process starts and connects
//	baseline  run.go       the bystander alone, for Options.Baseline
//	attack    attacker.go  the attack's goroutines, at most Options.Connections connections and Options.Bytes bytes, for Options.Window
//	recovery  watch.go     all connections of the attacker are closed; at most Options.Recovery until memory and files have returned
//	judge     judge.go     the bystander's lost messages and p99, memory, files
//
// The bystander is [cluster.Bystander]: it sends ten messages a second by a fixed schedule, so a stall of the server delays all messages
// that were due meanwhile (no coordinated omission). It has a process of its own: in the attacker's it would wait for the attacker's
// goroutines and garbage collections, and its latency would not be the server's. A message belongs to the phase in which it was due. The
// attack's phase lasts for the whole window, even if the attacker has used up its bytes earlier, because the server may still be processing
// them. If the bystander's process ends too early, the attack fails, because nothing is known of the messages.
//
// # The attacks
//
// Each family has a file: handshakes.go, frames.go, bombs.go, readers.go, and commands.go for the Centrifuge dialect. An attack is a
// function that uses an [attacker], which dials, counts, paces and limits. The attacker sends its bytes evenly over the window, because it
// runs on the server's machine and must not win by taking its CPU.
//
// # The musts
//
// The server must stay alive. The bystander must lose nothing and stay connected; its p99 must be at most 20 ms + 2 × its p99 of the
// baseline. The server's resident memory must return to within Options.MemorySlack of its value before, and its open files to within 4. If
// the server's process is unknown, the lab does not judge memory and files, and the report says so.
//
// The package uses the lab's own client, and shares no code with the server.
//
// # Lock order
//
// attacker.mu and watcher.mu are leaves: no lock is taken under them. An attacker resets a connection under attacker.mu,
// which does not wait.
package attack
