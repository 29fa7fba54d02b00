package budget

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// A Row describes a budget. doc.go lists all rows.
type Row struct {
	Name    string // the resource that is spent
	Unit    string
	Setting string // flag without dashes; for a flow, the user's setting is user-Setting; "" means none
	Conn    string // the defaults for a connection, a user and an address; "" means none
	User    string
	Addr    string
	Payer   string // the owners that pay
	Answer  string // the client's error, close code or other effect
	Log     string // the log line
	Package string // the package with the test that exhausts it

	ConnRate, UserRate Rate // for a flow
}

// AddressShare is the rate of an address as a multiple of a user's rate, for flows that count
// bytes. It is shared by all clients at the address that have no token.
const AddressShare = 4

// Address returns the rate of an address for a flow that counts bytes.
func (r Rate) Address() Rate {
	if r.N > 0 {
		r.N *= AddressShare
	}
	return r
}

// The payers of flows.
const (
	paysCommand = "connection, user"
	paysBytes   = "connection, user; without a token connection, address"
)

// paysStock names the payers of stocks. A user pays also for data that it creates for others.
const paysStock = "user; without a token address"

// LogShare is the start of the log line when a stock refuses.
const LogShare = "an owner holds as much as it may"

// logFlow is the log line of all flows; see cost.Config.Log.
const logFlow = "a client has used up a budget"

// Commands and Bytes list the flows, in the order of the fields of policy.Rates.
var (
	Commands = []Row{
		command("joining", "join", Rate{256, time.Minute}, Rate{1024, time.Minute}),
		command("sending", "send", Rate{50, 10 * time.Second}, Rate{100, 10 * time.Second}),
		command("typing", "typing", Rate{30, 10 * time.Second}, Rate{60, 10 * time.Second}),
		command("history and presence", "read", Rate{256, time.Minute}, Rate{1024, time.Minute}),
		command("calls, connecting, new tokens", "rpc", Rate{100, 10 * time.Second}, Rate{400, 10 * time.Second}),
		command("other commands, unasked pongs", "other", Rate{512, time.Minute}, Rate{2048, time.Minute}),
	}
	Bytes = []Row{
		bytes("bytes read and inflated", "input", Rate{8 << 20, 10 * time.Second}, Rate{32 << 20, 10 * time.Second}, "not read until the debt is paid"),
		bytes("bytes sent on: size x members", "fanout", Rate{256 << 20, 10 * time.Second}, Rate{512 << 20, 10 * time.Second}, "error 111; plain: lost"),
		bytes("bytes recovered, and history", "recovered", Rate{64 << 20, time.Minute}, Rate{256 << 20, time.Minute}, "recovered: false; fewer publications"),
	}
)

func command(name, setting string, conn, user Rate) Row {
	return Row{Name: name, Unit: "commands", Setting: "rate-" + setting, Conn: conn.String(), User: user.String(),
		Payer: paysCommand, Answer: "error 111; plain: lost", Log: logFlow, Package: "room", ConnRate: conn, UserRate: user}
}

func bytes(name, setting string, conn, user Rate, answer string) Row {
	return Row{Name: name, Unit: "bytes", Setting: "rate-" + setting, Conn: conn.String(), User: user.String(), Addr: user.Address().String(),
		Payer: paysBytes, Answer: answer, Log: logFlow, Package: "room", ConnRate: conn, UserRate: user}
}

// String returns the rate as settings write it: 50/10s, 8MiB/10s, none. Amounts that are not a
// multiple of 1 MiB have no unit.
func (r Rate) String() string {
	if r.N < 0 {
		return "none"
	}
	n := fmt.Sprint(r.N)
	for _, unit := range []struct {
		name string
		size int
	}{{"GiB", 1 << 30}, {"MiB", 1 << 20}} {
		if r.N > 0 && r.N%unit.size == 0 {
			n = fmt.Sprint(r.N/unit.size) + unit.name
			break
		}
	}
	per := r.Per.String()
	for _, zero := range []string{"m0s", "h0m"} { // 1m0s is 1m
		if strings.HasSuffix(per, zero) {
			per = per[:len(per)-2]
		}
	}
	return n + "/" + per
}

// Others lists the budgets that are not flows of package room.
var Others = []Row{
	{Name: "joins and leaves that a room tells", Unit: "bytes", Conn: "8MiB/1s of a room", Payer: "the room", Answer: "told later, in one sweep a second", Package: "room"},
	{Name: "refusals", Unit: "refusals", Setting: "max-refusals", Conn: "256/1m", Payer: "connection", Answer: "closed with 3509 or 1008", Log: logFlow, Package: "room"},
	{Name: "a message before connect", Unit: "bytes", Setting: "max-first-message", Conn: "256KiB", Payer: "connection", Answer: "closed with 1009", Package: "room"},
	{Name: "commands of a message", Unit: "commands", Setting: "max-commands", Conn: "256", Payer: "connection", Answer: "closed with 3501", Package: "room"},
	{Name: "publications of a reply", Unit: "bytes", Setting: "max-reply", Conn: "1MiB", Payer: "connection", Answer: "recovered: false; fewer publications", Log: logFlow, Package: "room"},
	{Name: "replies under way", Unit: "bytes", Setting: "max-replies", User: "1/16 of the free part of 64MiB", Addr: "the same", Payer: "user; without a token address", Answer: "recovered: false", Log: logFlow, Package: "room"},
	{Name: "connections of a user", Unit: "connections", Setting: "max-conns-per-user", User: "128", Payer: "user", Answer: "3504; plain: 429", Package: "room"},
	{Name: "connections of an address", Unit: "connections", Setting: "max-conns-per-ip", Addr: "1024, loopback free", Payer: "address", Answer: "503", Log: "a connection is refused", Package: "room"},
	{Name: "rooms with members", Unit: "rooms", Setting: "max-rooms", User: "1/16 of the free part of 100,000", Addr: "the same", Payer: paysStock, Answer: "error 106; plain: 503", Log: LogShare, Package: "room"},
	{Name: "entries of the State", Unit: "bytes", User: "1/16 of the free part of 56MiB", Addr: "the same", Payer: paysStock, Answer: "error 106", Log: LogShare, Package: "room"},
	{Name: "histories", Unit: "bytes", Setting: "history-total", User: "64MiB, the largest forgets first", Addr: "the same", Payer: paysStock, Answer: "its oldest rooms forget", Package: "room"},
	{Name: "keys of messages", Unit: "keys", User: "max-keys, the largest forgets first", Addr: "the same", Payer: paysStock, Answer: "its oldest keys are forgotten", Package: "room"},
	{Name: "last messages in slow rooms", Unit: "entries", User: "20,000, the largest forgets first", Addr: "the same", Payer: paysStock, Answer: "its oldest wait is forgotten", Package: "room"},
	{Name: "calls under way", Unit: "calls", Setting: "max-calls", User: "7/8 of 8 per CPU, 4x as many wait", Addr: "the same", Payer: paysStock, Answer: "error 111", Log: "the server is busy with calls", Package: "room"},
	{Name: "requests to a hook", Unit: "requests", Setting: "hook-concurrency", User: "7/8 of 256, four times as many wait", Addr: "the same", Payer: paysStock, Answer: "error 111", Log: "the hook is busy", Package: "room/hooks"},
	{Name: "messages kept for longer than a day", Unit: "bytes", User: "1/64 of max-store in 24h", Addr: "the same", Payer: paysStock, Answer: "error 100; plain: lost", Log: "a message is refused: its owner has stored", Package: "room/engine/jetstream"},
	{Name: "keys of users who first speak", Unit: "keys", User: "10000/24h", Addr: "the same", Payer: paysStock, Answer: "error 100; plain: lost", Log: "a first message is refused: its owner", Package: "room/engine/jetstream"},
	{Name: "messages that wait for the store", Unit: "bytes", User: "1/16 of the free part of 64MiB", Addr: "the same", Payer: paysStock, Answer: "error 100; plain: lost", Log: "the store is slow: a message of an owner", Package: "room/engine/jetstream"},
	{Name: "reads of the log under way", Unit: "reads", User: "1/16 of the free part of 16,384", Addr: "the same", Payer: paysStock, Answer: "error 100", Log: "the store is slow: a read of an owner", Package: "room/engine/jetstream"},
	{Name: "connections that ask for pages", Unit: "connections", Setting: "max-http", Addr: "256 of 1024, loopback free", Payer: "address", Answer: "the longest idle is closed; 503", Log: "a connection is refused", Package: "netpoll"},
	{Name: "pings and pongs", Unit: "frames", Setting: "control-rate", Conn: "1000/1s", Payer: "connection", Answer: "closed with 1008", Package: "room"},
}

// Table returns every budget. For each row, a test of the row's package exhausts the budget.
func Table() []Row { return slices.Concat(Commands, Bytes, Others) }

// Text returns the rows formatted as in doc.go.
func Text(rows []Row) string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	cell := func(text string) string { return cmp.Or(text, "-") }
	fmt.Fprintln(w, "budget\tunit\tsetting\tconnection\tuser\taddress\tpayer\tthe client gets\tlog line")
	for _, r := range rows {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", r.Name, r.Unit, cell(r.Setting), cell(r.Conn), cell(r.User), cell(r.Addr), r.Payer, r.Answer, cell(r.Log))
	}
	w.Flush()
	return b.String()
}
