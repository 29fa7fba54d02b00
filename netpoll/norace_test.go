//go:build !race

package netpoll

const pools = true
