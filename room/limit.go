package room

import (
	"webim/room/budget"
	"webim/room/policy"
)

// Names of packages budget and policy for the limits of a hub.
type (
	Rate       = budget.Rate
	Rates      = policy.Rates
	Class      = policy.Class
	TextLimits = policy.TextLimits
)

// Values of packages budget and policy for the limits of a hub.
var (
	Unlimited        = budget.Unlimited
	NoRates          = policy.NoRates
	DefaultRates     = policy.DefaultRates
	DefaultUserRates = policy.DefaultUserRates
	DefaultRefusals  = policy.DefaultRefusals
)

// The classes of package policy.
const (
	ClassJoin      = policy.ClassJoin
	ClassSend      = policy.ClassSend
	ClassTyping    = policy.ClassTyping
	ClassRead      = policy.ClassRead
	ClassRPC       = policy.ClassRPC
	ClassOther     = policy.ClassOther
	ClassInput     = policy.ClassInput
	ClassFanout    = policy.ClassFanout
	ClassRecovered = policy.ClassRecovered
)
