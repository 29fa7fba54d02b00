// Package bench is the load lab: it measures any WebSocket server that speaks the plain dialect, that is, where a
// text frame that one client sends goes to all clients of its room, the sender included, and the room is the URL's path; or the Centrifuge protocol
// (dialect.go), whose publications become such frames right behind the socket, so that no scenario knows of it.
//
// # The line
//
//	dial ──► upgrade ──► park ──► read ──► walk ──► tally ──► report
//
//	dial     dial.go     non-blocking connect from one of several loopback addresses     a worker's thread
//	upgrade  upgrade.go  write the request, read the answer, check it                     same
//	park     worker.go   one edge-triggered epoll registration, once in a life            same
//	read     worker.go   into one 256 KB buffer that all clients of a worker share        same
//	walk     decoder.go  frame headers only; of a payload just its first 16 bytes         same
//	open     tls.go       records of TLS, if the URL is wss                               same
//	inflate  deflate.go  what was compressed, once for all clients that got the same bytes    same
//	dialect  dialect.go   replies and pushes, into plain frames; in the Centrifuge dialect only   same
//	tally    tally.go    latency, duplicates, order, losses; rounds.go for single shots   same
//	send     sender.go   the open-loop schedule                                           a thread of its own
//	report   report.go   conditions, figures, the guard's verdict                         the caller
//
// Request-response is [Echo]: at a rate it is a flood in which each client is alone (answers, echo.go), else a loop on the worker (asker.go). [Rate] is floods,
// faster and faster. [Rooms] is many rooms of few members, on the server and on the floor in turns: who must get which message is in roomload.go, what it gave in roomsresult.go.
//
// [Suite] runs webim and its peers in turns and makes medians and ratios of what they gave (suite.go, suitetext.go).
//
// [Churn] and [Soak] flood a room beside clients that come and go (comers.go); samples of the server's memory, files and CPU, and of the latency, are taken on
// a goroutine of their own (sample.go), and say what drifts.
//
// More clients than one process has files are a [Crew]: the program starts itself again as worker processes (crew.go from outside, mate.go from within), which talk in gob
// over pipes (pipe.go), each with a Fleet and loopback addresses of its own. They measure by one schedule and the machine's clock; histograms, counts
// and CPU are merged (crewflood.go). [Idle], [Flood], [Fanout] and [Quiet] take either, as a load (load.go). [Million] has a server process beside each worker process.
//
// A [Fleet] is a set of clients spread over a few workers; everything of a client but its send side belongs to its worker, so
// there are no locks in the line. A scenario ([Flood], [Idle], ...) drives a Fleet and fills a [Report].
//
// # The report
//
// A [Report] is text ([Report.WriteText]), JSON ([Report.WriteJSON]) or a page ([WriteHTML], page.go and chart.go). The JSON is one object:
//
//	schema              "webim-bench/1": under it fields may be added; what is there keeps name, meaning and unit
//	scenario, label     what was run; what the user calls the server
//	limited_by_client   reasons why the client was the limit; then the figures say little about the server
//	interrupted, notes  the figures are of a part; remarks for people
//	conditions          time, machine, kernel, congestion control, versions, server's and client's command lines, options (durations in
//	                    nanoseconds), what the handshake agreed on
//	idle, flood, ...    the results, under the scenario's name: exactly one
//	samples             server memory, files, CPU and the latency over time, for scenarios with a load
//
// Units are in the names; a figure that was not measured is zero; percentiles come with a curve of {q, ms}. A file may hold several such objects one after the
// other: repeated runs, of which [Compare] takes medians. What each result holds is said at its type, as [FloodResult].
//
// # What makes the figures honest
//
// Latency counts from the time at which a message was *meant* to be sent, which the schedule says and the clock never does:
// a client or server that stalls cannot hide the messages it held up (no "coordinated omission"). Loss, duplication and
// order are checked for every client and message, by numbers in the payload; a message that comes to a room that is not its sender's is counted too. The client shares no code with package netpoll, else
// both would have the same mistakes. The [Guard] says when the client itself was the limit. The floor ([ServeFloor]) is the
// physical limit to compare with: one read(2), a loop of write(2) over the room, and nothing else, on a thread that Go's scheduler leaves alone.
//
// Every figure in a table is the one that its neighbours are computed from: a median of an even number is the mean of the two in the middle, and a ratio
// divides the medians beside it. What did not happen has a reason: a client that cannot connect is told with its error and fails the run, and a
// message or a client that the server refused is told as refused. Every load with a rate is an open loop; [Fanout] and [Quiet], and [Echo] and
// [Rooms] without a rate, wait for one message before the next, and say so.
//
// The attack lab is package attack below this one; lab.go and bystander.go are what it builds on.
//
// # Prices
//
// A received frame costs about 10 ns here besides the kernel's copy; a checked message takes one bit per client and message. A
// client costs about 300 bytes and one fd. Scenario fields carry kong tags, so that a default is written once; the package
// itself does not import kong, and a zero field means what its comment says, not the tag's default.
package bench
