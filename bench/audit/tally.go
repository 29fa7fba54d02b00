package audit

// Count counts the messages and events of a run.
func Count(run *Run) (t Tally) {
	for i := range run.Clients {
		one := &run.Clients[i]
		outcome := map[string]Kind{}
		for k := range one.Events {
			e := &one.Events[k]
			switch e.Kind {
			case Sent:
				if _, again := outcome[e.ID]; !again {
					outcome[e.ID] = Unknown
				}
			case Acked:
				outcome[e.ID] = Acked
			case Refused, Unknown:
				if outcome[e.ID] != Acked {
					outcome[e.ID] = e.Kind
				}
			case Received:
				t.Received++
			case Read:
				t.Read++
			case Joined:
				t.joined(one, e)
			}
		}
		for _, kind := range outcome {
			t.Sent++
			switch kind {
			case Acked:
				t.Acked++
			case Refused:
				t.Refused++
			default:
				t.Unknown++
			}
		}
	}
	for _, log := range run.Logs {
		if log.Node == 0 {
			t.Stored += len(log.Entries)
		}
	}
	return t
}

// joined counts a reply to subscribing.
func (t *Tally) joined(one *Client, e *Event) {
	t.Joined++
	t.Received += len(e.Seen)
	switch {
	case e.Recovered:
		t.Recovered++
	case e.Asked && !one.Plain:
		t.Lost++
	}
}
