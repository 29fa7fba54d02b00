// Package nametable finds values by their names, in little memory.
package nametable
