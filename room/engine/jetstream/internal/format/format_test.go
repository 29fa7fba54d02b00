package format

import (
	"errors"
	"slices"
	"testing"
)

// TestUpgrade migrates through versions that do not exist, because there is only one so far. A step that has
// failed is made again, and those before it are not.
func TestUpgrade(t *testing.T) {
	stored, ill := 2, errors.New("ill")
	var made []int
	fails := true
	steps := Steps{
		1: func() error { made = append(made, 1); return nil },
		2: func() error { made = append(made, 2); return nil },
		3: func() error {
			if fails {
				return ill
			}
			made = append(made, 3)
			return nil
		},
	}
	save := func(v int) error { stored = v; return nil }
	if err := Upgrade(stored, 4, steps, save); !errors.Is(err, ill) || stored != 3 {
		t.Errorf("a step fails: %v, at version %d", err, stored)
	}
	fails = false
	for range 2 { // the second time, nothing is left to do
		if err := Upgrade(stored, 4, steps, save); err != nil || stored != 4 {
			t.Errorf("again: %v, at version %d", err, stored)
		}
	}
	if want := []int{2, 3}; !slices.Equal(made, want) {
		t.Errorf("made the steps %v, want %v", made, want)
	}
	if err := Upgrade(5, 4, steps, save); !errors.Is(err, ErrNewer) {
		t.Errorf("a newer version: %v", err)
	}
	if err := Upgrade(0, 4, steps, save); !errors.Is(err, ErrOlder) {
		t.Errorf("a version from which no step leads on: %v", err)
	}
	if err := Upgrade(3, 4, steps, func(int) error { return ill }); !errors.Is(err, ill) {
		t.Errorf("the version cannot be stored: %v", err)
	}
}
