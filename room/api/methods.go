package api

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"webim/room/apikey"
	"webim/room/policy"
)

// methods has all methods by name.
var methods map[string]*method

func init() { // not in the declaration, which would be a cycle: batch uses methods
	methods = map[string]*method{}
	for _, m := range []*method{
		define("publish", (*Handler).publish),
		define("broadcast", (*Handler).broadcast),
		define("send", (*Handler).send),
		define("subscribe", (*Handler).subscribe),
		define("unsubscribe", (*Handler).unsubscribe),
		noted(needs(policy.ActKick, define("disconnect", (*Handler).disconnect))),
		define("refresh", (*Handler).refresh),
		noted(define("revoke", (*Handler).revoke)),
		noted(define("erase", (*Handler).erase)),
		needs(policy.ActHistory, define("history", (*Handler).history)),
		noted(needs(policy.ActManage, define("history_remove", (*Handler).historyRemove))),
		needs(policy.ActPresence, define("presence", (*Handler).presence)),
		needs(policy.ActPresence, define("presence_stats", (*Handler).presenceStats)),
		needs(policy.ActKick, define("channels", (*Handler).channels)),
		needs(policy.ActKick, define("info", (*Handler).info)),
		needs(policy.ActBan, define("ban", (*Handler).ban)),
		needs(policy.ActBan, define("unban", (*Handler).unban)),
		needs(policy.ActMute, define("mute", (*Handler).mute)),
		needs(policy.ActMute, define("unmute", (*Handler).unmute)),
		needs(policy.ActKick, define("kick", (*Handler).kick)),
		needs(policy.ActBan, define("sanctions", (*Handler).sanctions)),
		bare(define(batchName, (*Handler).batch)),
	} {
		methods[m.name] = m
	}
}

func needs(a policy.Action, m *method) *method { m.needs = a; return m }

func noted(m *method) *method { m.note = true; return m }
func bare(m *method) *method  { m.bare = true; return m }

// Methods returns the names of all methods, sorted.
func Methods() []string { return slices.Sorted(maps.Keys(methods)) }

// ParseRight parses the right of a key, which must name a method of the API or *. See
// apikey.ParseRight for the syntax. The error is a sentence without a full stop.
func ParseRight(text string) (apikey.Right, error) {
	method, _, _ := strings.Cut(text, "@")
	if _, known := methods[method]; !known && method != "*" {
		return apikey.Right{}, fmt.Errorf("there is no method %q: write the name of a method, as publish, or *", method)
	}
	if method == batchName {
		return apikey.Right{}, errors.New("batch needs no right: each of its commands does")
	}
	return apikey.ParseRight(text)
}
