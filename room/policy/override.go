package policy

import (
	"errors"

	"webim/room/engine"
	"webim/room/token"
)

// OverrideOf returns the override in a token, or in the reply of a backend. A subscription cannot
// override presence, which is an option of the whole room. Recovery and positioning are one option: a
// client that knows its position may recover.
func OverrideOf(v token.Override) engine.Override {
	value := func(f *token.Flag) *bool {
		if f == nil {
			return nil
		}
		return &f.Value
	}
	o := engine.Override{Notices: value(v.JoinLeave), ForceNotices: value(v.ForcePushJoinLeave), Recoverable: value(v.ForceRecovery)}
	if o.Recoverable == nil {
		o.Recoverable = value(v.ForcePositioning)
	}
	return o
}

// CheckOverride refuses the overrides that OverrideOf ignores or cannot follow. The error is a text
// for the backend that sent them.
func CheckOverride(v *token.Override) error {
	if v.Presence != nil {
		return errors.New("presence cannot be overridden: the room decides it")
	}
	if p := v.ForcePositioning; p != nil && v.ForceRecovery != nil && v.ForceRecovery.Value != p.Value {
		return errors.New("force_positioning and force_recovery go together: give both the same value")
	}
	return nil
}

// With returns the options of the room for a subscription with an override.
func (o *Options) With(v engine.Override) *Options {
	if v == (engine.Override{}) {
		return o
	}
	own := *o
	for _, one := range []struct{ from, to *bool }{
		{v.Notices, &own.Notices}, {v.ForceNotices, &own.ForceNotices}, {v.Recoverable, &own.Recoverable},
	} {
		if one.from != nil {
			*one.to = *one.from
		}
	}
	return &own
}
