// Package enginetest is the test kit for engines, and for rooms on an engine: a clock that the test
// moves, subscribers that record their calls, calls that wait for their done, and an engine that calls
// back late.
//
//	suite.go  Run, and the Implementation that it tests
//	log.go, oracle.go, retention.go, removal.go, erase.go: the tests of a Log
//	state.go, stateoracle.go, control.go: the tests of a State and of Control
//	move.go   a node moves to another engine
//	statekit.go: calls of a State, and its watchers
//	kit.go    clock, calls and subscribers
//	wait.go   waiting for the engine
//	late.go   Late: the engine that calls back late
//
// # Lock order
//
//	Late.mu  →  nothing; it is not held during the calls that Late makes
//
// testNode.mu, populated.noticed, Recorder.mu, told.mu and watched.mu are leaves: no lock is taken under
// them.
package enginetest
