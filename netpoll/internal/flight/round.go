package flight

import "math/bits"

// A Rounded is a number of up to 40 bits in two bytes, to a thousandth.
type Rounded uint16

const digits = 11

// Round rounds n down. A negative n is 0.
func Round(n int64) Rounded {
	if n <= 0 {
		return 0
	}
	shift := max(0, bits.Len64(uint64(n))-digits)
	if shift > 31 {
		return 1<<16 - 1
	}
	return Rounded(uint16(shift)<<digits | uint16(n>>shift))
}

// Int returns the number.
func (r Rounded) Int() int64 { return int64(r&(1<<digits-1)) << (r >> digits) }
