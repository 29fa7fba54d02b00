package setting

import (
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"webim/room/budget"
)

// The stored values of the words auto, none and always.
const (
	Auto   = 0
	None   = -1
	Always = -1
)

// Parse parses a value from a flag, a variable or the file, and stores it in into. The kinds
// are:
//
//	bool   true, false, yes, no, on, off, 1, 0
//	count  a whole number
//	size   bytes: a whole number, alone or with B, KiB, MiB, GiB, TiB
//	time   a duration as Go writes it: 10s, 1m30s, 250ms
//	oneof  one of a few words
//	rate   a count, a slash and a time: 50/10s
//	flow   bytes, a slash and a time: 8MiB/10s
//	list   several texts, separated by commas
//	text   any text
//	secret any text, stored unchanged with its spaces; webim check does not print it
//
// The error says how to write the value.
func (s *Setting) Parse(text string, into reflect.Value) error {
	if s.Kind == "secret" {
		into.SetString(text)
		return nil
	}
	text = strings.TrimSpace(text)
	if slices.Contains(s.Words, text) {
		s.storeWord(text, into)
		return nil
	}
	switch s.Kind {
	case "bool":
		b, ok := parseBool(text)
		if !ok {
			return fmt.Errorf("%q is neither true nor false: write one of them", text)
		}
		into.SetBool(b)
	case "oneof":
		if !slices.Contains(s.OneOf, text) {
			return fmt.Errorf("%q is not known: write %s", text, strings.Join(s.OneOf, " or "))
		}
		into.SetString(text)
	case "list":
		into.Set(reflect.ValueOf(Fields(text)))
	case "text":
		into.SetString(text)
	case "flow":
		rate, ok := parseFlow(text)
		if !ok {
			return fmt.Errorf("%q is not a rate of bytes: write a size and a time, as 8MiB/10s%s", text, s.orWords())
		}
		into.Set(reflect.ValueOf(rate))
	case "rate":
		rate, ok := parseRate(text)
		if !ok {
			return fmt.Errorf("%q is not a rate: write a number and a time, as 50/10s or 1000/1m%s", text, s.orWords())
		}
		into.Set(reflect.ValueOf(rate))
	default:
		return s.parseNumber(text, into)
	}
	return nil
}

// parseNumber parses a number and checks its range.
func (s *Setting) parseNumber(text string, into reflect.Value) error {
	n, ok := s.number(text)
	if !ok {
		return fmt.Errorf("%q is not %s", text, s.wanted())
	}
	low, _ := s.number(s.Min)
	high, _ := s.number(s.Max)
	if n < low || n > high {
		return fmt.Errorf("%s is out of range: it must be %s to %s%s", text, s.Min, s.Max, s.orWords())
	}
	into.SetInt(n)
	return nil
}

// storeWord stores the meaning of one of the words auto, none and always.
func (s *Setting) storeWord(word string, into reflect.Value) {
	if s.Kind == "rate" || s.Kind == "flow" {
		into.Set(reflect.ValueOf(budget.Unlimited))
		return
	}
	into.SetInt(map[string]int64{"auto": Auto, "none": None, "always": Always}[word])
}

func parseBool(text string) (b, ok bool) {
	switch strings.ToLower(text) {
	case "true", "yes", "on", "1":
		return true, true
	case "false", "no", "off", "0":
		return false, true
	}
	return false, false
}

// number parses a count, a size, or a time in nanoseconds.
func (s *Setting) number(text string) (n int64, ok bool) {
	switch s.Kind {
	case "size":
		return ParseSize(text)
	case "time":
		d, err := time.ParseDuration(text)
		return int64(d), err == nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	return n, err == nil
}

// parseRate parses a rate of 1 to 1,000,000 in a time.
func parseRate(text string) (budget.Rate, bool) {
	count, per, _ := strings.Cut(text, "/")
	n, err := strconv.Atoi(count)
	d, ok := parsePer(per)
	return budget.Rate{N: n, Per: d}, ok && err == nil && n > 0 && n <= 1e6
}

// parseFlow parses a rate of bytes.
func parseFlow(text string) (budget.Rate, bool) {
	size, per, _ := strings.Cut(text, "/")
	n, ok := ParseSize(size)
	d, ok2 := parsePer(per)
	return budget.Rate{N: int(n), Per: d}, ok && ok2 && n > 0 && n <= 1<<40
}

// parsePer parses the time of a rate, from 1 ms to 24 h.
func parsePer(text string) (time.Duration, bool) {
	d, err := time.ParseDuration(text)
	return d, err == nil && d >= time.Millisecond && d <= 24*time.Hour
}

// units are the units of sizes, the largest first.
var units = []struct {
	name  string
	bytes int64
}{{"TiB", 1 << 40}, {"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"B", 1}}

// ParseSize parses a size in bytes.
func ParseSize(text string) (bytes int64, ok bool) {
	unit := int64(1)
	for _, u := range units {
		if rest, found := strings.CutSuffix(text, u.name); found {
			text, unit = strings.TrimSpace(rest), u.bytes
			break
		}
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n > math.MaxInt64/unit || n < math.MinInt64/unit {
		return 0, false
	}
	return n * unit, true
}

// wanted says how to write a number.
func (s *Setting) wanted() string {
	switch s.Kind {
	case "size":
		return "a size: write bytes as 65536, 64KiB or 1MiB" + s.orWords()
	case "time":
		return "a duration: write it as 500ms, 10s or 1m30s" + s.orWords()
	}
	return "a whole number: write digits only" + s.orWords()
}

func (s *Setting) orWords() string {
	if len(s.Words) == 0 {
		return ""
	}
	return ", or " + strings.Join(s.Words, " or ")
}

// Format formats a value so that Parse can parse it; a list is joined with commas.
func (s *Setting) Format(v reflect.Value) string {
	switch {
	case s.Kind == "rate":
		rate := v.Interface().(budget.Rate)
		if rate.N < 0 {
			return "none"
		}
		return strconv.Itoa(rate.N) + "/" + formatTime(rate.Per)
	case s.Kind == "flow":
		rate := v.Interface().(budget.Rate)
		if rate.N < 0 {
			return "none"
		}
		return FormatSize(int64(rate.N)) + "/" + formatTime(rate.Per)
	case v.Kind() == reflect.String:
		return v.String()
	case v.Kind() == reflect.Bool:
		return strconv.FormatBool(v.Bool())
	case v.Kind() == reflect.Slice:
		return strings.Join(v.Interface().([]string), ",")
	case v.Int() == Auto && slices.Contains(s.Words, "auto"):
		return "auto"
	case v.Int() == None && slices.Contains(s.Words, "none"):
		return "none"
	case v.Int() == Always && slices.Contains(s.Words, "always"):
		return "always"
	case s.Kind == "size":
		return FormatSize(v.Int())
	case s.Kind == "time":
		return formatTime(time.Duration(v.Int()))
	}
	return strconv.FormatInt(v.Int(), 10)
}

// FormatSize formats a size with the largest unit that leaves a whole number.
func FormatSize(n int64) string {
	for _, u := range units[:len(units)-1] {
		if n != 0 && n%u.bytes == 0 {
			return strconv.FormatInt(n/u.bytes, 10) + u.name
		}
	}
	return strconv.FormatInt(n, 10)
}

// formatTime is Duration.String without trailing zeros: 5m, not 5m0s.
func formatTime(d time.Duration) string {
	text := d.String()
	if rest, ok := strings.CutSuffix(text, "m0s"); ok {
		text = rest + "m"
	}
	if rest, ok := strings.CutSuffix(text, "h0m"); ok {
		text = rest + "h"
	}
	return text
}

// RoughSize formats a size for people: 1.4 GiB.
func RoughSize(n int64) string {
	for _, u := range units[:len(units)-1] {
		if n >= u.bytes {
			return fmt.Sprintf("%.1f %s", float64(n)/float64(u.bytes), u.name)
		}
	}
	return fmt.Sprintf("%d B", n)
}
