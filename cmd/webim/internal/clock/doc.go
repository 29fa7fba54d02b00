// Package clock has the clock of the store. Only a webim that was built for webim-bench chaos has another one than the
// machine's.
package clock
