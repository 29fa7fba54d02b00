package option

import (
	"fmt"
)

// Error says that a run cannot begin, because of what was asked for.
type Error struct{ reason string }

func (e *Error) Error() string { return e.reason }

func Bad(format string, args ...any) error { return &Error{fmt.Sprintf(format, args...)} }
