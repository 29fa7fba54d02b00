// Package listen parses the addresses that the settings name, and opens listeners on them. Its errors name the remedy.
package listen
