package room

import "webim/room/policy"

// logUsedUp writes a line about a budget that is used up, one for each class now and
// then. payer is "" for a cost that only the connection and its user pay.
func (h *Hub) logUsedUp(c Class, payer string) {
	row := policy.Flows[c]
	h.refusals.Warn(row.Log+", "+row.Name+": it is refused or not read for a while", "payer", payer, "see", "--"+row.Setting+", --user-"+row.Setting)
}
