//go:build !race

package room

const pools = true
