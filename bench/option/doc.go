// Package option has the types of command-line flags that scenarios share, and the error for an option with which a run cannot begin.
package option
