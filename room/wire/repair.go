package wire

import "github.com/centrifugal/protocol"

// Nothing invalid enters a room, but an engine may have data that another or an older server wrote.
// If an item of a list is not Valid, the list is sent without the data of that item, at its offset,
// so that everybody can still read the rest.

// null replaces data that is not valid JSON.
var null = protocol.Raw("null")

// repair replaces invalid data and infos in a reply: in the publications, and in the presence.
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
