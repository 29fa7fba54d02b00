package metrics

import (
	"webim/room/backend"
	"webim/room/hooks"
)

var (
	hookRequests = counter("webim_hook_requests_total", "Requests to the application's backend, by hook and outcome; only of configured hooks. denied: the backend has refused a client. failed: there was no valid reply. busy: all slots were taken.", "hook", "outcome")
	hookTime     = histogram("webim_hook_request_duration_seconds", "Time of the requests that were sent; only of configured hooks.", "hook")
	hookDropped  = counter("webim_hook_notices_dropped_total", "Notices of disconnects that were dropped.")
)

// hooks adds the numbers of the hooks.
func (c *collector) hooks(s scrape) {
	for k, one := range c.Hooks.Stats() {
		if !one.Configured {
			continue
		}
		name := backend.Hook(k).String()
		for o, n := range one.Outcomes {
			count(s, hookRequests, n, name, hooks.Outcome(o).String())
		}
		s.times(hookTime, one.Took, c.began, name)
	}
	count(s, hookDropped, c.Hooks.Dropped())
}
