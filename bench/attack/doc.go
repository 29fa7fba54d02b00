// Package attack is the attack lab: it runs named attacks against a WebSocket server beside a bystander in another room, and says what each attack cost the
// attacker, the server and the bystander.
//
// # One attack
//
//	start ──► baseline ──► attack ──► recovery ──► judge
//
//	start     run.go       the server is started anew, if the lab starts it; the bystander connects
//	baseline  run.go       the bystander alone, for Options.Baseline
//	attack    attacker.go  the attack's goroutines, at most Options.Connections connections and Options.Bytes bytes, for Options.Window
//	recovery  watch.go     all connections of the attacker are closed; at most Options.Recovery until memory and files are back
//	judge     judge.go     what the bystander lost, its p99, memory, files
//
// The bystander is [bench.Bystander]: it sends ten messages a second by a fixed schedule on a thread of its own, so a stall of the server delays all
// messages that were due meanwhile (no coordinated omission). A message belongs to the phase in which it was due. The attack's phase lasts for the whole
// window, even if the attacker has used up its bytes earlier: the server may still be at work on them.
//
// # The attacks
//
// Each family has a file: handshakes.go, frames.go, bombs.go, readers.go, and commands.go for the Centrifuge dialect. An attack is a function that uses an
// [attacker], which dials, counts, paces and bounds. The bytes are paced evenly over the window, because the attacker runs on the server's machine and must
// not win by taking its CPU.
//
// # The musts
//
// The server must stay alive; the bystander must lose nothing and stay connected; its p99 must be at most 20 ms + 2 × its p99 of the baseline; the
// server's resident memory must come back to within Options.MemorySlack of what it was, and its open files to within 4. Without the server's process
// memory and files are not judged, and the report says so.
//
// The package imports package bench only, and shares no code with the server.
package attack
