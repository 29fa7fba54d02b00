// Package smoke proves that a server has chat rooms, before anybody measures it.
package smoke
