// Package gate lets calls wait, in their order: while an engine moves to another process (Gate), or for anything else (Line).
//
// # Lock order
//
// Gate.mu is innermost: calls go on without it.
package gate
