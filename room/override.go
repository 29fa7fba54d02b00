package room

import (
	"errors"

	"webim/room/engine"
	"webim/room/token"
)

// OverrideOf is what a token, or a backend, says of a subscription. Presence is the
// room's, and no member's; who knows its position may recover, and the other way
// round.
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

// Overridden are a room's options as a subscription has them.
func Overridden(v engine.Override, opts *Options) *Options {
	if v == (engine.Override{}) {
		return opts
	}
	o := *opts
	for _, one := range []struct{ from, to *bool }{
		{v.Notices, &o.Notices}, {v.ForceNotices, &o.ForceNotices}, {v.Recoverable, &o.Recoverable},
	} {
		if one.from != nil {
			*one.to = *one.from
		}
	}
	return &o
}
