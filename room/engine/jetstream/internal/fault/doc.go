// Package fault turns the errors of the store into those of package engine.
package fault
