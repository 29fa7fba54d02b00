// Command webim is a chat server: rooms over WebSocket, and a web page to use them.
//
//	webim serve --dev       serve on this machine, for trials
//	webim serve             serve clients
//	webim check             print the settings and check them
//	webim upgrade           replace the running server by a new program, without closing a connection
//	webim reload            make the running server read its settings again
//	webim erase USER        make everything that a user has said unreadable
//	webim backup DIR        copy the store to a folder
//	webim restore DIR       replace the store by such a copy
//	webim export            print messages as JSON lines
//	webim import FILE       publish such lines in rooms without messages
//	webim init              write a first configuration with fresh secrets
//	webim health            ask the running server whether it serves
//	webim why WHO           print why the connections of a user, an address or an id have ended
//	webim token make        make a token for a client
//	webim token inspect     print a token and verify it
//	webim version           print the version
//
// Every setting has a flag (--max-conns), an environment variable (WEBIM_MAX_CONNS) and a key
// in the file that --config names (max_conns). A flag overrides the variable; the variable
// overrides the file.
//
// SIGTERM makes /ready answer 503, and after --drain-delay it makes the server disconnect its clients,
// spread over --shutdown-spread, and then exit; meanwhile the server refuses new clients with 503. SIGINT
// does the same without the delay. A second signal makes the server exit at once.
// SIGHUP never ends it: it makes the server reload its settings, as webim reload does. The server also reloads
// the certificate when its files change. If NOTIFY_SOCKET names a service manager's socket, the server reports these
// states there.
//
// The commands from erase to import take the settings of serve, and work on the store that they name: on a folder
// whether a server uses it or not (see storeaccess.go), or on a NATS cluster.
//
// check reports everything that serve would report about the same settings, because both call
// Config.Prepare of package config. An error names the place where its author made it: the flag, the variable, or
// the line and key of the file. The defaults make a working chat; if the file makes the page
// unusable for everybody, there is a warning.
//
// The exit code is 0 after SIGTERM or SIGINT, 1 if the server cannot serve, and 2 if a setting
// is wrong.
//
// # The order of the files
//
// A file uses only what stands before it in this list, except that a program knows its takeover: a test in cmd reads it.
//
//	request.go      requests of an operator to a program that runs
//	signalled.go    the signals of a program
//	program.go      a program: its parts, which the other files share, and the settings that are read for each request
//	handover.go     the old side of an upgrade
//	live.go         the live picture
//	runner.go       the goroutine that ends a program
//	takeover.go     the new side
//	store.go        opening the engine
//	newkeys.go      API keys that are not yet in force, for reload
//	reload.go       new settings of a server that runs, and reload
//	required.go     the answer to a client behind a proxy that has dropped the upgrade
//	storeaccess.go  erase, and how a command opens the store
//	health.go       health and init
//	guard.go        waits for the process that serves in place of this one
//	inplace.go      an upgrade in the same process
//	why.go          why
//	handler.go      the handler of clients that logs their connections
//	export.go       export and import
//	token.go        token make and token inspect
//	api.go          the handlers of HTTP requests, and the greeting of --dev
//	upgrade.go      upgrade: the requests, and the verdict
//	listeners.go    opening the listeners
//	internal.go     the internal listener
//	start.go        the start of a program: its parts in their order
//	serve.go        serve: the goroutine that waits for signals and requests
//	backup.go       backup and restore
//	main.go         the commands and the command line
//
// # Packages
//
// The parts without commands are packages below internal. Imports run from the left to the right:
//
//	main  →  config      the settings: their sources and checks, and the configurations of other packages
//	         jsonlines   the lines of export and import
//	         janitor, manager, children, clock, why
//	         initial     the first configuration; probe: asking a running server
//	config  →  certs, cgroup, jwkslog, listen, origins, roomsfile, secrets, version
//	config, roomsfile  →  setting: the kinds of values, and the YAML that gives them
package main
