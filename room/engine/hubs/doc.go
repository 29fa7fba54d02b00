// Package hubs has the nodes of engine.Control that are in this process: each hub is one.
//
// Package hubs imports only package engine.
//
// # Lock order
//
// List.mu is innermost.
package hubs
