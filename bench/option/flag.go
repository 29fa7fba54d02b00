package option

import (
	"strconv"
)

func OrDefault[T comparable](v, def T) T {
	var zero T
	if v == zero {
		return def
	}
	return v
}

// Auto is a number for a flag with a computed default. Zero is written "auto".
type Auto int

// UnmarshalText reads "auto" or a number greater than zero.
func (a *Auto) UnmarshalText(b []byte) error {
	if string(b) == "auto" {
		*a = 0
		return nil
	}
	n, err := strconv.Atoi(string(b))
	if err != nil || n < 1 {
		return Bad("%q is neither auto nor a number greater than 0", b)
	}
	*a = Auto(n)
	return nil
}

// String returns the text that UnmarshalText reads.
func (a Auto) String() string {
	if a == 0 {
		return "auto"
	}
	return strconv.Itoa(int(a))
}

// MarshalText returns String.
func (a Auto) MarshalText() ([]byte, error) { return []byte(a.String()), nil }
