//go:build !race

package room_test

const pools = true
