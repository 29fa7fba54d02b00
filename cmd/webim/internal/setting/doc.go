// Package setting knows what a setting is: its kinds of values, the table that the tags of a struct describe,
// and the YAML that gives values. It knows no setting of the program: those are in package config.
//
//	file        contents
//	setting.go  Setting, and tables of them
//	value.go    parsing and formatting values
//	yaml.go     the file of settings: one level of keys
package setting
