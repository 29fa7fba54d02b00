// Package roomsfile reads and writes the section rooms of the configuration file: the features and the rights of rooms, by
// patterns of their names.
package roomsfile
