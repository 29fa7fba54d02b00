package wire

import "github.com/centrifugal/protocol"

// Nothing that is not Valid enters a room, but an engine may hold what another server,
// or an older one, wrote. A list of which one item cannot be said in JSON is said
// without that item's data, at its old offset: then everybody still reads the rest.

// null is told instead of data that is no JSON.
var null = protocol.Raw("null")

// repair replaces what is not Valid in the publications of a reply, and in what it
// says of those who are present.
func repair(r *protocol.Reply) {
	repairList(r.History.GetPublications())
	repairList(r.Subscribe.GetPublications())
	for _, s := range r.Connect.GetSubs() {
		repairList(s.GetPublications())
	}
	for _, info := range r.Presence.GetPresence() {
		repairInfo(info)
	}
}

func repairList(all []*protocol.Publication) {
	for _, p := range all {
		repairInfo(p.Info)
		if !Valid(p.Data) {
			p.Data = null
		}
	}
}

func repairInfo(i *protocol.ClientInfo) {
	if i == nil {
		return
	}
	for _, field := range []*protocol.Raw{&i.ConnInfo, &i.ChanInfo} {
		if len(*field) > 0 && !Valid(*field) {
			*field = null
		}
	}
}
