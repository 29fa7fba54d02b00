// Package budget counts what clients make a server spend, and decides when it is
// enough.
//
//	rate.go   Rate, Bucket: a flow, such as the bytes that are read in ten seconds
//	pool.go   Pool: a stock that owners share, such as the bytes of a store
//	table.go  Table: every budget, with its default and its answer
//
// # The model
//
// A client can make a server spend far more than it spends itself: a kilobyte that
// inflates to a megabyte, a message that goes out to ten thousand members, a command
// that asks for a history. So what is bounded is the cost, in its own unit, and not
// the number of requests. There are two kinds of budgets.
//
// A flow is spent and comes back with time: bytes read, commands, bytes sent on. A
// [Bucket] counts it against a [Rate]. A cost that is known beforehand is taken; a cost
// that is known only afterwards is charged, and may leave a debt. The debt of the last
// cost stops the next one, so one cost may be larger than the whole budget.
//
// A stock is held until it is given back: entries of the State, bytes of histories,
// bytes of replies under way. A [Pool] counts the part of each [Owner], and gives no
// owner the whole.
//
// # Who pays
//
// The connection pays for every flow, and so does the user whom its token names, for
// all its connections together. Who is nobody's user costs nothing to make: an
// anonymous connection, a guest, and a client before its connect command. For these
// the address pays, an IPv6 address with its /64. An address may be an office, the NAT
// of a carrier, or a proxy that webim does not know, so its budget is four times a
// user's, it counts bytes only, and whoever has a token never pays into it or waits
// for it. Loopback is an address as all others; only --dev has no bounds.
//
// Before its connect command a client may spend an eighth of what it may later, and
// one message has 256 KiB at most.
//
// # When a budget is used up
//
// What a client asks for is refused with an error that is temporary, and nothing is
// done. What it sends by itself, bytes, is not read until the debt is paid: nothing is
// lost, and an honest client only waits. A client that goes on when it is refused is
// closed. A reply never has a part of what was missed for the whole.
//
// A budget bounds what one client costs, not what many cost at the same moment. So
// a client that has spent a small part of its budget waits for all others: its turns
// are in the background (netpoll.Verdict), where half of the workers serve it when no
// other work is waiting. A server that is not busy does not show it. Bytes that are read
// to a client put it there, too, and a turn makes no more than one large reply: see
// package room, behind.go.
//
// # The table
//
// Rates are amount/time: so much at once, all of it again after that time. The
// setting of a user is the one of the connection with user- before it.
//
//	budget                              unit         setting             connection         user                                 address                     who pays                                               the client gets                       log line
//	joining                             commands     rate-join           256/1m             1024/1m                              -                           connection, user                                       error 111; plain: lost                a client has used up a budget
//	sending                             commands     rate-send           50/10s             100/10s                              -                           connection, user                                       error 111; plain: lost                a client has used up a budget
//	typing                              commands     rate-typing         30/10s             60/10s                               -                           connection, user                                       error 111; plain: lost                a client has used up a budget
//	history and presence                commands     rate-read           256/1m             1024/1m                              -                           connection, user                                       error 111; plain: lost                a client has used up a budget
//	calls, connecting, new tokens       commands     rate-rpc            100/10s            400/10s                              -                           connection, user                                       error 111; plain: lost                a client has used up a budget
//	other commands, unasked pongs       commands     rate-other          512/1m             2048/1m                              -                           connection, user                                       error 111; plain: lost                a client has used up a budget
//	bytes read and inflated             bytes        rate-input          8MiB/10s           32MiB/10s                            128MiB/10s                  connection, user; without a token connection, address  not read until the debt is paid       a client has used up a budget
//	bytes sent on: size x members       bytes        rate-fanout         256MiB/10s         512MiB/10s                           2GiB/10s                    connection, user; without a token connection, address  error 111; plain: lost                a client has used up a budget
//	bytes recovered, and history        bytes        rate-recovered      64MiB/1m           256MiB/1m                            1GiB/1m                     connection, user; without a token connection, address  recovered: false; fewer publications  a client has used up a budget
//	joins and leaves that a room tells  bytes        -                   8MiB/1s of a room  -                                    -                           the room                                               told later, in one sweep a second     -
//	refusals                            refusals     max-refusals        256/1m             -                                    -                           connection                                             closed with 3509 or 1008              a client has used up a budget
//	a message before connect            bytes        max-first-message   256KiB             -                                    -                           connection                                             closed with 1009                      -
//	commands of a message               commands     max-commands        256                -                                    -                           connection                                             closed with 3501                      -
//	publications of a reply             bytes        max-reply           1MiB               -                                    -                           connection                                             recovered: false; fewer publications  a client has used up a budget
//	replies under way                   bytes        max-replies         -                  1/16 of what is free of 64MiB        the same                    user; without a token address                          recovered: false                      a client has used up a budget
//	connections of a user               connections  max-conns-per-user  -                  128                                  -                           user                                                   3504; plain: 429                      -
//	connections of an address           connections  max-conns-per-ip    -                  -                                    1024, loopback free         address                                                503                                   a connection is refused
//	rooms with members                  rooms        max-rooms           -                  1/16 of what is free of 100,000      the same                    user; without a token address                          error 106; plain: 503                 an owner holds as much as it may
//	entries of the State                bytes        -                   -                  1/16 of what is free of 56MiB        the same                    user; without a token address                          error 106                             an owner holds as much as it may
//	histories                           bytes        history-total       -                  64MiB, the largest forgets first     the same                    user; without a token address                          its oldest rooms forget               -
//	keys of messages                    keys         -                   -                  65,536, the largest forgets first    the same                    user; without a token address                          its oldest keys are forgotten         -
//	last messages in slow rooms         entries      -                   -                  20,000, the largest forgets first    the same                    user; without a token address                          its oldest wait is forgotten          -
//	requests to a hook                  requests     hook-concurrency    -                  7/8 of 256, four times as many wait  the same                    user; without a token address                          error 111                             the hook is busy
//	connections that ask for pages      connections  max-http            -                  -                                    256 of 1024, loopback free  address                                                the longest idle is closed; 503       a connection is refused
//	pings and pongs                     frames       control-rate        1000/1s            -                                    -                           connection                                             closed with 1008                      -
package budget
