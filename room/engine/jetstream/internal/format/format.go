// Package format brings stored data to the current version of its format: a newer version is refused, an
// older one is migrated, step by step.
//
// Package format imports nothing of webim.
package format

import (
	"errors"
	"fmt"
)

// The errors of Upgrade.
var (
	// ErrNewer: a newer webim has written the data.
	ErrNewer = errors.New("format: it was written by a newer webim: use that one")
	// ErrOlder: this webim cannot migrate the data.
	ErrOlder = errors.New("format: it was written by an older webim, from which this one cannot migrate: use one between the two first")
)

// Steps are the migrations: Steps[v] changes the stored data from version v to version v+1. A step that was
// interrupted runs again, from the beginning.
type Steps map[int]func() error

// Upgrade migrates from the version is to the version current. After each step it calls save with the version
// that is reached, which must store it before it returns. If is equals current, nothing is called.
func Upgrade(is, current int, steps Steps, save func(version int) error) error {
	if is > current {
		return fmt.Errorf("%w (its format is %d, and this one reads up to %d)", ErrNewer, is, current)
	}
	for ; is < current; is++ {
		step := steps[is]
		if step == nil {
			return fmt.Errorf("%w (its format is %d, and this one writes %d)", ErrOlder, is, current)
		}
		if err := step(); err != nil {
			return fmt.Errorf("migrating from format %d to %d: %w", is, is+1, err)
		}
		if err := save(is + 1); err != nil {
			return fmt.Errorf("migrating from format %d to %d: %w", is, is+1, err)
		}
	}
	return nil
}
