package report

import (
	"fmt"

	"webim/bench/proc"
	"webim/bench/stat"
)

// cacheRows returns a table of the kernel's caches, per client.
func cacheRows(k proc.Kernel, clients int) [][]string {
	if len(k.Caches) == 0 {
		return nil
	}
	rows := [][]string{{"kernel objects", "MB", "a client", "bytes a client"}}
	n := float64(max(clients, 1))
	for _, c := range k.Caches {
		rows = append(rows, []string{c.Name, stat.Cell(float64(c.Bytes) / 1e6), fmt.Sprintf("%.2f", float64(c.Objects)/n), stat.Cell(float64(c.Bytes) / n)})
	}
	return rows
}

// MillionResult is the cost of all clients.
type MillionResult struct {
	Servers  int            `json:"servers"`
	Clients  int            `json:"clients"` // open at the end
	Gone     int            `json:"gone"`    // closed by the servers
	Failures map[string]int `json:"failures"`
	Started  float64        `json:"start_seconds"`   // time to start all processes
	Seconds  float64        `json:"connect_seconds"` // time to connect all clients
	PerSec   float64        `json:"connects_per_s"`

	ServerEmpty int64       `json:"server_pss_bytes_empty"` // all processes, before the first client
	ClientEmpty int64       `json:"client_pss_bytes_empty"`
	ServerFull  int64       `json:"server_pss_bytes"`
	ClientFull  int64       `json:"client_pss_bytes"`
	ServerAfter int64       `json:"server_pss_bytes_after_broadcasts"`
	Kernel      proc.Kernel `json:"kernel"` // in addition to that before the first client; for both ends of each connection

	Hold     *IdleHold   `json:"hold,omitempty"`
	Median   stat.Spread `json:"broadcast_median_client_ms"` // one lobby after the other
	Last     stat.Spread `json:"broadcast_last_client_ms"`
	AllLast  float64     `json:"all_lobbies_at_once_last_client_ms"`
	Received int         `json:"broadcasts_received"`
	Lost     int         `json:"broadcasts_lost"`

	OneRoom *OneRoom `json:"one_room,omitempty"` // instead of the broadcasts, if the servers are nodes that share their rooms
}

// rows returns a table with the parts of a client's memory.
func (r *MillionResult) rows() [][]string {
	n := float64(max(r.Clients, 1))
	row := func(what string, total, empty int64) []string {
		return []string{what, stat.Cell(float64(empty) / 1e6), stat.Cell(float64(total) / 1e6), stat.Cell(float64(total-empty) / n)}
	}
	k := r.Kernel
	all := r.ServerFull - r.ServerEmpty + r.ClientFull - r.ClientEmpty + k.Sum()
	rows := [][]string{{fmt.Sprintf("memory of %d clients", r.Clients), "MB before", "MB with them", "bytes a client"},
		row(fmt.Sprintf("%d servers (PSS)", r.Servers), r.ServerFull, r.ServerEmpty),
		row(fmt.Sprintf("%d client processes (PSS)", r.Servers), r.ClientFull, r.ClientEmpty),
		row("kernel, both ends: slab", k.Slab, 0), row("kernel: bytes in sockets", k.Sockets, 0), row("kernel: page tables, stacks", k.Tables, 0),
		row("sum", all, 0), row("machine: memory no longer free", -k.Free, 0)}
	if r.OneRoom == nil {
		rows = append(rows, row("servers after the broadcasts", r.ServerAfter, r.ServerEmpty))
	}
	return rows
}

// tables returns the other tables: times, heartbeats, broadcasts, kernel objects.
func (r *MillionResult) tables() [][][]string {
	failed := 0
	for _, n := range r.Failures {
		failed += n
	}
	tables := [][][]string{{{"servers", "started in s", "clients", "connected in s", "connects/s", "failed", "closed by server"},
		{fmt.Sprint(r.Servers), stat.Cell(r.Started), fmt.Sprint(r.Clients), stat.Cell(r.Seconds), stat.Cell(r.PerSec), fmt.Sprint(failed), fmt.Sprint(r.Gone)}}}
	if r.Hold != nil {
		tables = append(tables, r.Hold.rows())
	}
	if r.OneRoom != nil {
		tables = append(tables, r.OneRoom.rows(), r.OneRoom.memory(r.Clients))
	}
	if r.Received > 0 {
		tables = append(tables, [][]string{{"a message in each lobby", "median client ms", "last client ms", "received", "lost"},
			{"one lobby after the other", r.Median.String(), r.Last.String(), fmt.Sprint(r.Received), fmt.Sprint(r.Lost)},
			{"all lobbies at once", "", stat.Cell(r.AllLast), "", ""}})
	}
	if rows := cacheRows(r.Kernel, r.Clients); rows != nil {
		tables = append(tables, rows)
	}
	return tables
}
