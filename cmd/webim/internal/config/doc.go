// Package config has the settings of webim. It merges them from flags, environment and file, checks them, and makes the
// configurations of the other packages from them. It starts nothing.
//
//	file             contents
//	settings.go      Settings: one field for each setting
//	config.go        Config: merging the sources, and naming a setting in an error as its author wrote it
//	flags.go         Flags: the settings on a command line
//	validate.go      checks of settings against each other
//	prepare.go       Prepare: reading the files that the settings name, and the warnings
//	folders.go       CheckFolders: the folders that serve writes to
//	check.go         Check: printing the settings
//	probe.go         trying the addresses and URLs that the settings name, for Check
//	limits.go        the configuration of package netpoll, and the limit of open files
//	internal.go      the configuration of the internal listener
//	rooms.go         the configuration of package room
//	pagewarnings.go  warnings of rights with which nobody can use the page
//	store.go         the engine, and the configuration of its store
//	memory.go        the limits of memory, and their sum
//	apikeys.go       the keys of the API
//	hooks.go         the hooks
//	tokenkeys.go     the keys of tokens
//	log.go           the logger
//
// To add a setting, see web/docs/contributing.md.
package config
