//go:build !race

package encode

const pools = true
