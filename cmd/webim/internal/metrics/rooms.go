package metrics

import (
	"strings"

	"webim/room/engine"
	"webim/room/judge"
	"webim/room/policy"
)

var (
	roomCount = gauge("webim_rooms", "Rooms with members on this node.")
	members   = gauge("webim_members", "Memberships in these rooms.")
	users     = gauge("webim_users", "Users with a name that are connected, or were a moment ago.")
	unswept   = gauge("webim_unswept_bytes", "Bytes published in rooms that no sweep has offered to all members yet.")
	waiting   = gauge("webim_senders_waiting", "Members that are not read because their room has too many unswept bytes.")

	published  = counter("webim_messages_published_total", "Messages that this node has passed to the engine.")
	deliveries = counter("webim_deliveries_total", "Messages of rooms offered to members, once for each member.")
	sweeps     = counter("webim_sweeps_total", "Sweeps: runs that offer the pending messages of a room to up to 512 members.")
	swept      = counter("webim_swept_messages_total", "Messages of these sweeps. Divided by the sweeps: the messages that leave together.")
	delivery   = histogram("webim_delivery_latency_seconds", "Time from the arrival of a message in its room on this node until it is written to all members that the same sweep serves, once for each member. It is estimated from the times of sweeps.")

	denied      = counter("webim_actions_denied_total", "Commands, handshakes and messages refused for lack of a right.")
	rateLimited = counter("webim_rate_limited_total", "Commands and messages above a rate, by class. For input: times that a client was not read.", "class")
	cut         = counter("webim_flooders_closed_total", "Connections closed because they went on after such refusals.")
	overUser    = counter("webim_user_limit_refused_total", "Connections refused because their user has too many.")
	tokens      = counter("webim_tokens_refused_total", "Tokens refused, by reason. The log has the details.", "reason")

	engineUp      = gauge("webim_engine_up", "Whether the engine's store can be used: 1 or 0.")
	engineFailed  = counter("webim_engine_publish_failures_total", "Messages that the engine has not published because of a fault of its own.")
	engineTime    = histogram("webim_engine_publish_seconds", "Time until the engine has answered that a message is published. One in 16 is measured.")
	engineTopics  = gauge("webim_engine_topics", "Rooms that the engine has in memory.")
	engineBytes   = gauge("webim_engine_bytes", "Bytes that the engine has in memory of these rooms.")
	engineState   = gauge("webim_engine_state_bytes", "Bytes of members, marks, bans and other small entries.")
	engineKeys    = counter("webim_engine_keys_lost_total", "Messages with an idempotency key that the engine could not keep for the whole time, or that ends with this process: see max_keys.")
	enginePending = gauge("webim_engine_pending_bytes", "Bytes of messages that the engine has not answered yet.")
)

// rooms adds the numbers of the hub.
func (c *collector) rooms(s scrape) {
	st := c.Hub.Stats()
	count(s, roomCount, st.Rooms)
	count(s, members, st.Members)
	count(s, users, st.Users)
	count(s, unswept, st.Unswept)
	count(s, waiting, st.Waiting)
	count(s, published, st.Published)
	count(s, deliveries, st.Delivered)
	count(s, sweeps, st.Sweeps)
	count(s, swept, st.Swept)
	s.times(delivery, st.DeliveryLatency, c.began)
	count(s, denied, st.Denied)
	count(s, cut, st.Cut)
	count(s, overUser, st.OverUser)
	for class, n := range c.Hub.Meter().Counts().Refused {
		count(s, rateLimited, n, strings.TrimPrefix(policy.Flows[class].Setting, "rate-"))
	}
	for reason, n := range c.Hub.Judge().RefusedTokens() {
		count(s, tokens, n, judge.TokenReason(reason).String())
	}
	s.number(engineUp, truth(st.Store == ""))
	count(s, engineFailed, st.PublishFailed)
	s.times(engineTime, st.PublishLatency, c.began)
}

// engine adds the size of the engine.
func (c *collector) engine(s scrape) {
	e, ok := c.Hub.Engine().(engine.Measured)
	if !ok {
		return
	}
	st := e.Stats()
	count(s, engineTopics, st.Topics)
	count(s, engineBytes, st.Bytes)
	count(s, engineState, st.State)
	count(s, enginePending, st.Pending)
	count(s, engineKeys, st.KeysLost)
}
