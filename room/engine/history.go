package engine

import (
	"math"
	"time"

	"webim/room/budget"
)

// Retention says how much of a room's log the engine keeps. Messages and events count
// separately: each class has the full limits.
type Retention struct {
	Messages int           // maximum number; 0: none
	Bytes    int           // maximum size of these
	Age      time.Duration // maximum age of each; Forever: no limit
}

// Forever is the Retention.Age of publications that never become too old.
const Forever = time.Duration(math.MaxInt64)

// Span selects a part of a room's history: the publications between two offsets, or a number of
// publications from one end.
type Span struct {
	Behind uint64       // only publications after this offset
	Before uint64       // only publications before this offset; 0: up to the newest
	Limit  int          // maximum number of publications; 0: none, only the top; negative: all
	Newest bool         // newest first; otherwise oldest first
	Bytes  int          // maximum sum of Cost; 0: no limit. The first publication is always included
	Keep   *Retention   // what the room keeps, now; nil: the engine's default
	Payer  budget.Owner // waits for its turn if the store is slow: payers share the reads that wait. Zero: the server, without a limit
	Places bool         // include messages that are not in the history (Message.Skip), without their data
}

// History is the part of a log that an engine keeps. Publications must not be changed. They
// have the content that was published, without the fields that are only for the engine and the
// publisher: Keep, Payer, Key, Original and Origin.
type History struct {
	Publications []Publication
	Top          Position // of the newest publication, kept or not
}
