package option

import (
	"fmt"
)

// Error says that a run cannot begin with the given options, and which option to change.
type Error struct{ reason string }

func (e *Error) Error() string { return e.reason }

func Bad(format string, args ...any) error { return &Error{fmt.Sprintf(format, args...)} }
