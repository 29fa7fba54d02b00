// Package budget counts the resources that clients make the server use, and refuses more when a
// budget is used up.
//
//	rate.go   Rate, Bucket: a flow, such as the bytes that are read in ten seconds
//	pool.go   Pool: a stock that owners share, such as the bytes of a store
//	queue.go  Queue: the entries of a store that forgets the oldest
//	slots.go  Slots: work that runs at the same time, such as requests to a backend
//	table.go  Table: every budget, with its default and its answer
//
// # The model
//
// A client can make the server use far more resources than the client itself spends: a kilobyte
// that inflates to a megabyte, a message that goes out to ten thousand members, a command that
// reads a history. So budgets bound the cost in its own unit, not the number of requests. There
// are two kinds of budgets.
//
// A flow is spent and refills with time: bytes read, commands, bytes sent on. A [Bucket] counts
// it against a [Rate]. If the cost is known beforehand, it is taken; if it is known only
// afterwards, it is charged and may leave a debt. A debt stops the next cost, so a single cost
// may be larger than the whole budget.
//
// A stock is held until it is given back: entries of the State, bytes of histories, bytes of
// replies in progress. A [Pool] counts the part of each [Owner], and never lets one owner hold
// all of it. Work that runs at the same time is a stock, too. It can wait, so it has [Slots], for
// which owners take turns.
//
// # Payers
//
// The connection pays for every flow. The user that its token names pays, too, for all
// connections of the user together. Identities without a token cost an attacker nothing:
// anonymous connections, guests, and clients before their connect command. For these the
// address pays; for IPv6 the /64 counts as one address. One address may be an office, a
// carrier's NAT, or a proxy that webim does not know. So the budget of an address is four times
// that of a user, and counts only bytes; clients with a token never pay into it and never wait
// for it. Loopback is an address like any other; only --dev has no limits.
//
// Before its connect command a client may use an eighth of its later budget for input, and a
// message may have at most 256 KiB.
//
// # When a budget is used up
//
// The server refuses a request with a temporary error, and does nothing for it. It does not
// read bytes that the client sends until the debt is paid: nothing is lost, and an honest
// client only waits. A client that continues after many refusals is closed. A reply never
// presents a part of the missed messages as all of them.
//
// Only reading shows that a client has gone. So the end of a client in debt is seen late: after
// some seconds, or after more than a minute if many connections of its user or address have made
// a debt together. Until then the connection counts in its limits, and the client is a member of
// its rooms.
//
// A budget bounds the cost of one client, not the cost of many clients at the same moment. So a
// client that has used a small part of its budget yields to all others: its turns run in the
// background (netpoll.Treatment), where half of the workers serve it when no other work is
// waiting. On a server that is not busy this makes no difference. Bytes sent to a client by
// reading histories move it there, too, and a turn makes at most one large reply: see package
// cost, background.go.
//
// # The table
//
// Rates are written amount/time: the amount is available at once, and refills within the time.
// The setting for a user is the setting for a connection with the prefix user-.
//
//	budget                               unit         setting             connection         user                                 address                     payer                                                  the client gets                       log line
//	joining                              commands     rate-join           256/1m             1024/1m                              -                           connection, user                                       error 111; plain: lost                a client has used up a budget
//	sending                              commands     rate-send           50/10s             100/10s                              -                           connection, user                                       error 111; plain: lost                a client has used up a budget
//	typing                               commands     rate-typing         30/10s             60/10s                               -                           connection, user                                       error 111; plain: lost                a client has used up a budget
//	history and presence                 commands     rate-read           256/1m             1024/1m                              -                           connection, user                                       error 111; plain: lost                a client has used up a budget
//	calls, connecting, new tokens        commands     rate-rpc            100/10s            400/10s                              -                           connection, user                                       error 111; plain: lost                a client has used up a budget
//	other commands, unasked pongs        commands     rate-other          512/1m             2048/1m                              -                           connection, user                                       error 111; plain: lost                a client has used up a budget
//	bytes read and inflated              bytes        rate-input          8MiB/10s           32MiB/10s                            128MiB/10s                  connection, user; without a token connection, address  not read until the debt is paid       a client has used up a budget
//	bytes sent on: size x members        bytes        rate-fanout         256MiB/10s         512MiB/10s                           2GiB/10s                    connection, user; without a token connection, address  error 111; plain: lost                a client has used up a budget
//	bytes recovered, and history         bytes        rate-recovered      64MiB/1m           256MiB/1m                            1GiB/1m                     connection, user; without a token connection, address  recovered: false; fewer publications  a client has used up a budget
//	joins and leaves that a room tells   bytes        -                   8MiB/1s of a room  -                                    -                           the room                                               told later, in one sweep a second     -
//	refusals                             refusals     max-refusals        256/1m             -                                    -                           connection                                             closed with 3509 or 1008              a client has used up a budget
//	a message before connect             bytes        max-first-message   256KiB             -                                    -                           connection                                             closed with 1009                      -
//	commands of a message                commands     max-commands        256                -                                    -                           connection                                             closed with 3501                      -
//	publications of a reply              bytes        max-reply           1MiB               -                                    -                           connection                                             recovered: false; fewer publications  a client has used up a budget
//	replies under way                    bytes        max-replies         -                  1/16 of the free part of 64MiB       the same                    user; without a token address                          recovered: false                      a client has used up a budget
//	connections of a user                connections  max-conns-per-user  -                  128                                  -                           user                                                   3504; plain: 429                      -
//	connections of an address            connections  max-conns-per-ip    -                  -                                    1024, loopback free         address                                                503                                   a connection is refused
//	rooms with members                   rooms        max-rooms           -                  1/16 of the free part of 100,000     the same                    user; without a token address                          error 106; plain: 503                 an owner holds as much as it may
//	entries of the State                 bytes        -                   -                  1/16 of the free part of 56MiB       the same                    user; without a token address                          error 106                             an owner holds as much as it may
//	histories                            bytes        history-total       -                  64MiB, the largest forgets first     the same                    user; without a token address                          its oldest rooms forget               -
//	keys of messages                     keys         -                   -                  max-keys, the largest forgets first  the same                    user; without a token address                          its oldest keys are forgotten         -
//	last messages in slow rooms          entries      -                   -                  20,000, the largest forgets first    the same                    user; without a token address                          its oldest wait is forgotten          -
//	calls under way                      calls        max-calls           -                  7/8 of 8 per CPU, 4x as many wait    the same                    user; without a token address                          error 111                             the server is busy with calls
//	requests to a hook                   requests     hook-concurrency    -                  7/8 of 256, four times as many wait  the same                    user; without a token address                          error 111                             the hook is busy
//	messages kept for longer than a day  bytes        -                   -                  1/64 of max-store in 24h             the same                    user; without a token address                          error 100; plain: lost                a message is refused: its owner has stored
//	keys of users who first speak        keys         -                   -                  10000/24h                            the same                    user; without a token address                          error 100; plain: lost                a first message is refused: its owner
//	messages that wait for the store     bytes        -                   -                  1/16 of the free part of 64MiB       the same                    user; without a token address                          error 100; plain: lost                the store is slow: a message of an owner
//	reads of the log under way           reads        -                   -                  1/16 of the free part of 16,384      the same                    user; without a token address                          error 100                             the store is slow: a read of an owner
//	connections that ask for pages       connections  max-http            -                  -                                    256 of 1024, loopback free  address                                                the longest idle is closed; 503       a connection is refused
//	pings and pongs                      frames       control-rate        1000/1s            -                                    -                           connection                                             closed with 1008                      -
//
// # Lock order
//
// Pool.mu and Slots.mu are innermost: nothing is locked under them, and no Waiter is called under
// them. So a Pool may be used with any lock held. Slots call Waiters, so their callers hold no lock.
package budget
