package config

import (
	"io"
	"log/slog"
)

// NewLogger writes lines of the configured format and level to w. The level can be changed later.
func (c *Config) NewLogger(w io.Writer) (*slog.Logger, *slog.LevelVar) {
	level := new(slog.LevelVar)
	level.Set(c.Level())
	o := &slog.HandlerOptions{Level: level}
	if c.LogFormat == "json" {
		return slog.New(slog.NewJSONHandler(w, o)), level
	}
	return slog.New(slog.NewTextHandler(w, o)), level
}

// Level returns the configured level of the log.
func (c *Config) Level() (level slog.Level) {
	if err := level.UnmarshalText([]byte(c.LogLevel)); err != nil {
		panic(err) // the table accepts only valid levels
	}
	return level
}
